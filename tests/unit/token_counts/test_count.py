"""What a context makes of lengths, and how lengths are told."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from tunesmith.dataset_rules.shapes import Chat, Message, PromptCompletion
from tunesmith.token_counts import TokenCount, TokenTally, decode_count, encode_count, findings

LENGTHS = st.dictionaries(st.integers(1, 3000), st.integers(1, 50), max_size=30)


class Characters:
    """A tokenizer with a token a character."""

    def encode(self, texts):
        return [len(text) for text in texts]

    def ids(self, text):
        return [ord(character) for character in text]

    def turns(self, chat):
        for message in chat.messages:
            yield message.content, message.role == "assistant" and message.weight != 0


def counted(*examples) -> TokenCount:
    tally = TokenTally(Characters())
    tally.add(examples)
    return tally.count()


def pairs(*texts: tuple[str, str]) -> TokenCount:
    return counted(*(PromptCompletion(prompt, completion) for prompt, completion in texts))


def said(*contents: str) -> Chat:
    roles = ("user", "assistant")
    return Chat(tuple(Message(roles[i % 2], text) for i, text in enumerate(contents)))


def test_an_example_over_the_context_is_billed_for_what_the_context_holds():
    count = pairs(("aaaa", "bb"), ("a", "b"))
    assert count.total == 8
    assert count.within(5).billable == 5 + 2
    assert count.within(5).truncated == 1


def test_an_empty_prompt_takes_one_token():
    assert pairs(("", "bb")).total == 3


def test_a_completion_without_tokens_is_dropped_and_not_billed():
    count = pairs(("aaaa", ""), ("a", "b"))
    within = count.within(10)
    assert (within.dropped, within.billable, count.example_count) == (1, 2, 2)


def test_of_a_conversation_only_what_comes_before_the_last_answer_counts():
    assert counted(said("aaa", "bb", "cccccc")).total == 5


def test_a_conversation_whose_answers_lie_behind_the_context_is_dropped_not_truncated():
    count = counted(said("a" * 10, "b"), said("a", "b" * 20))
    within = count.within(10)
    assert (within.dropped, within.truncated, within.billable) == (1, 1, 10)


def test_percentiles_are_lengths_that_occur():
    count = TokenCount(100, 0, tuple((length, 1) for length in range(1, 101)))
    assert count.percentiles() == {5: 5, 25: 25, 50: 50, 75: 75, 95: 95, 99: 99}
    assert TokenCount().percentiles() == {}


@given(LENGTHS)
def test_a_histogram_has_no_gaps_and_every_example(lengths):
    bars = TokenCount(0, 0, tuple(sorted(lengths.items()))).histogram()
    assert sum(times for _, _, times in bars) == sum(lengths.values())
    assert all(one[1] == other[0] for one, other in itertools.pairwise(bars))
    assert all(low < high for low, high, _ in bars)


@given(st.lists(st.tuples(st.text(max_size=80), st.text(max_size=80))), st.integers(1, 7))
def test_blocks_of_any_size_count_the_same(texts, size):
    whole = pairs(*texts)
    tally, merged = TokenTally(Characters()), TokenTally()
    rows = [PromptCompletion(prompt, completion) for prompt, completion in texts]
    for start in range(0, len(rows), size):
        tally.add(rows[start : start + size])
        merged.merge(tally.take())
    assert merged.count() == whole


def test_a_count_is_the_same_after_being_kept():
    count = counted(said("aaa", "bb"))
    assert decode_count(encode_count(count)) == count
    labelled = pairs(*[("a", " yes"), ("a", " no")] * 4)
    assert decode_count(encode_count(labelled)) == labelled


def test_lengths_far_over_any_context_are_rounded_up_and_never_down():
    length = 2**17 + 12_345
    (kept, times), *_ = pairs(("a" * length, "b")).lengths
    assert times == 1
    assert length + 1 <= kept <= (length + 1) * (1 + 1 / 64)


def codes(count: TokenCount, limit: int) -> list[str]:
    return [finding.code for finding in findings(count, limit)]


def test_labels_of_several_tokens_and_with_one_beginning_are_found():
    count = pairs(*[("text ->", " yes"), ("text ->", " no")] * 10)
    assert codes(count, 100) == ["LABEL_SEVERAL_TOKENS", "LABELS_BEGIN_ALIKE"]


def test_the_end_that_all_labels_share_is_no_part_of_them():
    assert codes(pairs(*[("text ->", "y\n"), ("text ->", "n\n")] * 10), 100) == []


def test_completions_that_hardly_come_twice_are_no_labels():
    assert codes(pairs(("a", "some text"), ("b", "some more")), 100) == []


def test_what_the_context_does_to_examples_is_found():
    assert codes(pairs(("a" * 50, "b"), ("a", "bc")), 20) == ["EXAMPLE_TRUNCATED"]
    assert codes(counted(said("a" * 50, "b"), said("a", "b")), 20) == ["EXAMPLE_DROPPED"]
    labelled = pairs(*[("a" * 50, "y"), ("a", "n")] * 10)
    assert codes(labelled, 20) == ["LABELLED_PROMPT_TRUNCATED"]
