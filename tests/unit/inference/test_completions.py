"""What a request's fields do."""

import statistics
from dataclasses import replace
from itertools import pairwise

import pytest
from tunesmith_server.domain.completion import (
    ChatMessage,
    CompletionRequest,
    InvalidSampling,
    PromptTooLong,
)

PROMPT = "Tweet: I love"
GREEDY = {"prompts": (PROMPT,), "temperature": 0}
SAMPLED = CompletionRequest(prompts=(PROMPT,), seed=11, max_tokens=12, logprobs=0, top_p=0.9)


def ids(completion, index=0):
    return completion.choices[index].logprobs.token_ids


def test_stop_strings_are_found_across_tokens_and_never_shown(worker):
    whole = worker.complete(**GREEDY, max_tokens=30, logprobs=0).choices[0]
    starts = [offset - len(PROMPT) for offset in whole.logprobs.text_offset]
    # From the middle of one token to the middle of a later one.
    begin = next(a for a, b in pairwise(starts[4:]) if b - a > 1) + 1
    stop = whole.text[begin : begin + 5]
    assert begin not in starts
    for stream in (False, True):
        request = CompletionRequest(**GREEDY, max_tokens=30, stop=("never there", stop), logprobs=0)
        id = worker.ask(request, stream=stream)
        worker.work()
        if stream:
            deltas = worker.deltas(id)
            text, reason = "".join(d.text for d in deltas), deltas[-1].finish_reason
        else:
            text, reason = worker.answer(id).choices[0].text, "stop"
        assert text == whole.text[: whole.text.index(stop)]
        assert reason == "stop"


def test_the_pieces_of_a_stream_are_the_whole_answer(worker, models):
    request = CompletionRequest(
        prompts=(PROMPT, "naïve 🙂"),
        n=2,
        seed=5,
        max_tokens=20,
        echo=True,
        logprobs=2,
        stop=("e",),
    )
    whole = worker.complete_all([(request, models.ref("a"))])[0]
    id = worker.ask(request, models.ref("a"), stream=True)
    worker.work()
    deltas = worker.deltas(id)
    for choice in whole.choices:
        mine = [delta for delta in deltas if delta.index == choice.index]
        assert "".join(delta.text for delta in mine) == choice.text
        for part in ("tokens", "token_ids", "text_offset"):
            joined = [x for delta in mine for x in getattr(delta.logprobs, part)]
            assert joined == list(getattr(choice.logprobs, part))
        assert [delta.finish_reason for delta in mine[:-1]] == [None] * (len(mine) - 1)
        assert mine[-1].finish_reason == choice.finish_reason
    assert [delta.usage for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
    assert deltas[-1].usage == whole.usage


def test_a_seed_gives_the_same_answer_alone_in_a_list_and_in_a_crowd(worker, models):
    """Same tokens; log-probabilities within 1e-4, as batches are summed in another order."""
    alone = worker.complete_all([(SAMPLED, models.ref("a"))])[0]
    crowd = [
        (replace(SAMPLED, prompts=(f"the lazy dog {place}",), seed=place), models.ref(name))
        for place, name in enumerate(["", "a", "b", "c"] * 3)
    ]
    among = worker.complete_all([*crowd[:6], (SAMPLED, models.ref("a")), *crowd[6:]])[6]
    listed = worker.complete_all([(replace(SAMPLED, prompts=("other", PROMPT)), models.ref("a"))])[
        0
    ]
    assert ids(alone) == ids(among) == ids(listed, 1)
    assert among.choices[0].logprobs.token_logprobs == pytest.approx(
        alone.choices[0].logprobs.token_logprobs, abs=1e-4
    )


def test_seeds_and_choices_differ_from_each_other(worker):
    answers = worker.complete_all([(replace(SAMPLED, seed=s, n=2), None) for s in (1, 2, None)])
    assert len({ids(answer, index) for answer in answers for index in (0, 1)}) == 6


def test_best_of_gives_those_with_the_highest_mean_logprob(worker):
    every = worker.complete_all([(replace(SAMPLED, n=6), None)])[0]
    best = worker.complete_all([(replace(SAMPLED, n=2, best_of=6), None)])[0]

    def mean(choice):
        return statistics.fmean(choice.logprobs.token_logprobs)

    ranked = sorted(every.choices, key=mean, reverse=True)
    assert [choice.text for choice in best.choices] == [choice.text for choice in ranked[:2]]
    assert [choice.index for choice in best.choices] == [0, 1]
    assert best.usage == every.usage


def test_more_choices_than_rows_are_made_in_parts(worker):
    answer = worker.complete(prompts=(PROMPT, "a"), n=70, max_tokens=2, seed=1, logprobs=0)
    assert [choice.index for choice in answer.choices] == list(range(140))
    assert len({ids(answer, index) for index in range(70)}) > 20


def test_echo_scores_the_prompt(worker, models):
    reference = models.reference("b")
    tokens = reference.ids(PROMPT)
    wanted = reference.logprobs(tokens)
    answer = worker.complete(
        models.ref("b"), prompts=(PROMPT,), max_tokens=0, echo=True, logprobs=2
    )
    (choice,) = answer.choices
    assert (choice.text, choice.finish_reason) == (PROMPT, "length")
    assert answer.usage.completion_tokens == 0
    got = choice.logprobs
    assert list(got.token_ids) == tokens
    assert "".join(got.tokens) == PROMPT
    assert list(got.text_offset) == [PROMPT.index(name) for name in got.tokens]
    assert got.token_logprobs[0] is None
    assert got.top_logprobs[0] is None
    for place in range(1, len(tokens)):
        best = wanted[place - 1].topk(2)
        chosen = wanted[place - 1, tokens[place]].item()
        assert got.token_logprobs[place] == pytest.approx(chosen, abs=1e-4)
        top = got.top_logprobs[place]
        assert [lp for _, lp in top[:2]] == pytest.approx(best.values.tolist(), abs=1e-4)
        assert top[-1][0] == got.tokens[place] or tokens[place] in best.indices.tolist()


def test_echo_puts_the_prompt_before_the_answer(worker):
    plain = worker.complete(**GREEDY, max_tokens=5, logprobs=1).choices[0]
    echoed = worker.complete(**GREEDY, max_tokens=5, logprobs=1, echo=True).choices[0]
    assert echoed.text == PROMPT + plain.text
    assert echoed.logprobs.text_offset[-5:] == plain.logprobs.text_offset
    assert echoed.logprobs.token_logprobs[-5:] == pytest.approx(
        plain.logprobs.token_logprobs, abs=1e-4
    )


def test_a_prompt_of_tokens_is_the_prompt_of_their_text(worker, models):
    tokens = tuple(models.reference("").ids(PROMPT))
    by_text = worker.complete(**GREEDY, max_tokens=6, logprobs=1, echo=True)
    by_tokens = worker.complete(
        prompts=(tokens,), temperature=0, max_tokens=6, logprobs=1, echo=True
    )
    assert by_tokens == by_text


def test_an_empty_prompt_stands_for_the_end_of_a_text(worker):
    by_token = worker.complete(prompts=((0,),), temperature=0, max_tokens=4)
    empty = worker.complete(prompts=("",), temperature=0, max_tokens=4)
    assert empty == by_token


def test_biases_and_penalties_move_the_choice(worker):
    plain = ids(worker.complete(**GREEDY, max_tokens=1, logprobs=0))
    banned = ids(worker.complete(**GREEDY, max_tokens=1, logprobs=0, logit_bias={plain[0]: -100}))
    assert banned != plain
    forced = worker.complete(**GREEDY, max_tokens=6, logprobs=0, logit_bias={9: 100})
    assert set(ids(forced)) == {9}
    # At a bias that prefers one token throughout, the penalty for its repetition decides.
    penalised = worker.complete(
        **GREEDY, max_tokens=12, logprobs=0, logit_bias={9: 13}, frequency_penalty=2.0
    )
    free = worker.complete(**GREEDY, max_tokens=12, logprobs=0, logit_bias={9: 13})
    assert ids(penalised).count(9) < ids(free).count(9)


def test_the_smallest_nucleus_is_the_likeliest_token(worker):
    likeliest = ids(worker.complete(**GREEDY, max_tokens=8, logprobs=0))
    sampled = worker.complete(prompts=(PROMPT,), top_p=0, max_tokens=8, logprobs=0)
    assert ids(sampled) == likeliest


def test_a_chat_is_rendered_by_the_template_and_ends_with_the_turn(worker, models):
    messages = (ChatMessage("user", "hi"), ChatMessage("assistant", "ho"), ChatMessage("user", "?"))
    tokenizer = models.reference("").tokenizer
    rendered = tokenizer.apply_chat_template(
        [{"role": m.role, "content": m.content} for m in messages],
        tokenize=False,
        add_generation_prompt=True,
    )
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    asked = {"temperature": 0, "max_tokens": 6, "logit_bias": {end: -100}}
    chat = worker.complete(messages=messages, **asked)
    assert chat == worker.complete(prompts=(rendered,), **asked)
    ended = worker.complete(messages=messages, temperature=0, max_tokens=6, logit_bias={end: 100})
    assert (ended.choices[0].text, ended.choices[0].finish_reason) == ("", "stop")


def test_a_chat_without_max_tokens_may_fill_the_context(worker):
    answer = worker.complete(
        messages=(ChatMessage("user", "hi"),), max_tokens=None, logit_bias={9: 100}, temperature=0
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.prompt_tokens + answer.usage.completion_tokens == 256


def test_a_prompt_over_the_context_is_refused_with_its_numbers(worker):
    with pytest.raises(PromptTooLong) as caught:
        worker.complete(prompts=("ok", (5,) * 250), max_tokens=7)
    assert (caught.value.tokens, caught.value.max_tokens, caught.value.context) == (250, 7, 256)
    assert worker.complete(prompts=((5,) * 250,), max_tokens=6).usage.prompt_tokens == 250
    with pytest.raises(PromptTooLong):
        worker.complete(messages=(ChatMessage("user", "x" * 300),), max_tokens=None)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("max_tokens", {"max_tokens": -1}),
        ("temperature", {"temperature": float("nan")}),
        ("temperature", {"temperature": 2.1}),
        ("top_p", {"top_p": -0.1}),
        ("n", {"n": 0}),
        ("best_of", {"n": 3, "best_of": 2}),
        ("best_of", {"best_of": 21}),
        ("stop", {"stop": ("a",) * 5}),
        ("stop", {"stop": ("",)}),
        ("logprobs", {"logprobs": 6}),
        ("presence_penalty", {"presence_penalty": 3}),
        ("logit_bias", {"logit_bias": {5: 101}}),
        ("logit_bias", {"logit_bias": {100_000: 1}}),
        ("prompt", {"prompts": ()}),
        ("prompt", {"prompts": ((5, 100_000),)}),
        ("prompt", {"messages": (ChatMessage("user", "hi"),)}),
        ("seed", {"seed": 2**63}),
    ],
)
def test_a_field_out_of_range_is_named(worker, field, wrong):
    request = CompletionRequest(**{"prompts": (PROMPT,), **wrong})
    with pytest.raises(InvalidSampling) as caught:
        worker.complete_all([(request, None)])
    assert caught.value.field == field


def test_a_cancelled_request_leaves_and_says_nothing(worker):
    id = worker.ask(CompletionRequest(**GREEDY, max_tokens=200, logit_bias={9: 100}))
    worker.work(3)
    assert worker.stats()["rows"] == 1
    worker.tell(op="cancel", id=id)
    worker.work(1)
    assert worker.desk.idle
    assert worker.of(id) == []


def test_sixty_four_prompts_of_one_token_need_no_decoding(new_worker):
    worker = new_worker()
    for place in range(64):
        worker.ask(CompletionRequest(prompts=(f"Tweet: {place} ->",), max_tokens=1))
    steps = 0
    while not worker.desk.idle:
        worker.desk.step()
        steps += 1
        assert worker.stats()["rows"] == 0
    assert steps <= 3
