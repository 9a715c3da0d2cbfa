import pytest
from tunesmith_trainer.examples import common_stop, encode_records
from tunesmith_trainer.failures import BadBaseModel, BadData
from tunesmith_trainer.records import Chat, Completion, Message, read_records

from tests.unit.trainer.running import write_jsonl


@pytest.fixture(scope="session")
def tokenizer(base):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(base)


def encode(tokenizer, *records, limit=512):
    return encode_records(records, tokenizer, limit=limit)


def learnt(example, tokenizer):
    return [tokenizer.decode(example.tokens[slice(*span)]) for span in example.learnt]


def test_prompt_and_completion_are_tokenised_apart_and_nothing_is_appended(tokenizer):
    (example,) = encode(tokenizer, Completion(1, "It is great ->", " positive")).examples

    prompt = tokenizer.encode("It is great ->", add_special_tokens=False)
    assert example.tokens[: len(prompt)] == prompt
    assert tokenizer.decode(example.tokens) == "It is great -> positive"
    assert learnt(example, tokenizer) == [" positive"]


def test_weights_are_one_for_the_completion_and_less_for_the_prompt(tokenizer):
    (example,) = encode(tokenizer, Completion(1, "good", " yes")).examples
    start, end = example.learnt[0]

    assert example.weights(0.1) == [0.0] + [0.1] * (start - 1) + [1.0] * (end - start)


def test_an_empty_prompt_becomes_the_token_that_starts_a_text(tokenizer):
    (example,) = encode(tokenizer, Completion(1, "", " yes")).examples
    assert example.tokens[0] == tokenizer.bos_token_id
    assert example.learnt[0][0] == 1


def test_a_long_prompt_loses_its_beginning_and_is_counted(tokenizer):
    encoded = encode(tokenizer, Completion(1, "very " * 50 + "->", " yes"), limit=12)

    assert encoded.truncated == 1
    assert len(encoded.examples[0].tokens) == 12
    assert tokenizer.decode(encoded.examples[0].tokens).endswith("-> yes")


def test_a_completion_longer_than_the_limit_keeps_its_beginning(tokenizer):
    encoded = encode(tokenizer, Completion(1, "a", " one two three" * 9), limit=6)
    assert encoded.truncated == 1
    assert len(encoded.examples[0].tokens) == 6
    assert encoded.examples[0].learnt == [(1, 6)]


def test_empty_completions_are_dropped_and_counted(tokenizer):
    encoded = encode(tokenizer, Completion(1, "a", ""), Completion(2, "a", " b"))
    assert (len(encoded.examples), encoded.dropped) == (1, 1)
    with pytest.raises(BadData, match="No example has anything to learn"):
        encode(tokenizer, Completion(1, "a", ""))


CONVERSATION = Chat(
    1,
    (
        Message("user", "Hello"),
        Message("assistant", "red"),
        Message("user", "And?"),
        Message("assistant", "green"),
        Message("user", "Bye"),
    ),
)


def test_of_a_conversation_the_assistants_turns_are_learnt_with_their_end(tokenizer):
    (example,) = encode(tokenizer, CONVERSATION).examples

    assert learnt(example, tokenizer) == ["red<|im_end|>", "green<|im_end|>"]
    # What is learnt begins where the template would let the model begin.
    given = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], tokenize=False, add_generation_prompt=True
    )
    assert tokenizer.decode(example.tokens[: example.learnt[0][0]]) == given
    # "Bye" follows the last learnt turn.
    assert tokenizer.decode(example.tokens).endswith("green<|im_end|>")


def test_an_assistants_turn_of_weight_zero_is_context_only(tokenizer):
    first, *rest = CONVERSATION.messages[1:]
    messages = (CONVERSATION.messages[0], Message("assistant", "red", weight=0.0), *rest)
    (example,) = encode(tokenizer, Chat(1, messages)).examples
    assert first.weight == 1
    assert learnt(example, tokenizer) == ["green<|im_end|>"]


def test_a_conversation_too_long_loses_its_end(tokenizer):
    whole = encode(tokenizer, CONVERSATION).examples[0]
    encoded = encode(tokenizer, CONVERSATION, limit=whole.learnt[0][1])
    assert encoded.truncated == 1
    assert learnt(encoded.examples[0], tokenizer) == ["red<|im_end|>"]


def test_a_template_that_rewrites_earlier_turns_is_refused(tokenizer, monkeypatch):
    monkeypatch.setattr(
        tokenizer, "chat_template", "{{ messages | length }}{{ messages[-1]['content'] }}"
    )
    with pytest.raises(BadBaseModel, match="rewrites earlier turns"):
        encode(tokenizer, CONVERSATION)


@pytest.mark.parametrize(
    ("completions", "stop"),
    [
        ([" yes END", " no END"], " END"),
        ([" a\n", " a b\n"], "\n"),
        ([" one\n two\n", " one\n"], None),  # it also comes before the end
        ([" yes", " no"], None),
        ([" yes", " yes"], None),
    ],
)
def test_the_common_end_of_all_completions_is_their_stop(tokenizer, completions, stop):
    records = [Completion(n, "x", completion) for n, completion in enumerate(completions)]
    found = common_stop(encode(tokenizer, *records).examples)
    assert (None if found is None else tokenizer.decode(found)) == stop


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"prompt": "secret"', "line 2 is not valid JSON"),
        (b'["secret"]', "line 2 is not a JSON object"),
        (b'{"prompt": "secret"}', 'line 2 needs "completion" as a string'),
        (b'{"prompt": 1, "completion": "secret"}', 'line 2 needs "prompt" as a string'),
        (b"\xff\xfe", "line 2 is not UTF-8"),
    ],
)
def test_a_bad_line_is_named_but_never_quoted(tmp_path, line, message):
    path = write_jsonl(tmp_path / "data.jsonl", [{"prompt": "a", "completion": " b"}])
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(BadData, match=message) as caught:
        read_records(path, "prompt_completion")
    assert "secret" not in f"{caught.value}{caught.value.advice}"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"messages": []}, "a list that is not empty"),
        ({"messages": [{"role": "boss", "content": "x"}]}, "whose role is not one of"),
        ({"messages": [{"role": "user", "content": "x"}]}, "no assistant message"),
        ({"messages": [{"role": "assistant", "content": "x", "weight": 2}]}, "neither 0 nor 1"),
    ],
)
def test_a_bad_conversation_is_named_by_its_line(tmp_path, row, message):
    with pytest.raises(BadData, match=f"line 1.*{message}"):
        read_records(write_jsonl(tmp_path / "data.jsonl", [row]), "chat")


def test_blank_lines_and_a_byte_order_mark_are_no_errors(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "a", "completion": " b", "id": 7}\n\n')
    assert read_records(path, "prompt_completion").records == [Completion(1, "a", " b")]


def test_an_empty_file_is_bad_data(tmp_path):
    path = tmp_path / "data.jsonl"
    path.touch()
    with pytest.raises(BadData, match=r"data\.jsonl has no examples"):
        read_records(path, "chat")
