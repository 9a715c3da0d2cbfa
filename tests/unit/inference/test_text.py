"""Tokens to text: characters over several tokens, and stop strings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.adapters.inference.worker.answer_text import AnswerText
from tunesmith_server.adapters.inference.worker.characters import Characters


class Letters:
    """A vocabulary whose tokens are given."""

    def __init__(self, tokens: list[bytes]) -> None:
        self.tokens = tokens

    def visible(self, token: int) -> bytes:
        return self.tokens[token]


PIECES = st.lists(
    st.sampled_from(
        [b"a", b"b", b"ab", b"ba", b"aab", "é".encode(), b"\xf0\x9f", b"\x99\x82", b""]
    ),
    max_size=24,
)


@given(pieces=PIECES, stops=st.lists(st.text("abé", min_size=1, max_size=4), max_size=4))
def test_what_is_released_is_the_text_before_the_first_stop(pieces, stops):
    answer = AnswerText(Letters(pieces), stops)
    released, tokens = "", []
    for token in range(len(pieces)):
        stopped = answer.push(token)
        text, brought = answer.release()
        released += text
        tokens += brought
        assert not any(stop in released for stop in stops)
        if stopped:
            break
    answer.end()
    text, brought = answer.release()
    whole = b"".join(pieces).decode(errors="replace")
    # The stop that is complete first ends the answer; where several are, the one that begins first.
    assert released + text == answer.text
    assert whole.startswith(answer.text)
    assert [*tokens, *brought] == list(range(answer.tokens()))
    if not any(stop in whole for stop in stops):
        assert answer.text == whole
        assert answer.tokens() == len(pieces)


@given(pieces=PIECES)
def test_tokens_start_where_their_text_does(pieces):
    characters = Characters()
    starts = [characters.feed(piece)[0] for piece in pieces]
    for place, start in enumerate(starts):
        before = b"".join(pieces[:place])
        if (before + b"x").decode(errors="replace")[:-1] == before.decode(errors="ignore"):
            assert start == len(before.decode(errors="replace"))


@pytest.mark.parametrize(
    ("pieces", "starts"),
    [
        ([b"a", b"\xf0\x9f", b"\x99\x82", b"b"], [0, 1, 1, 2]),
        ([b"\xf0\x9f", b"b"], [0, 1]),
        ([b"\xce", b" tweet", b"z"], [0, 1, 7]),
    ],
)
def test_offsets_count_characters(pieces, starts):
    characters = Characters()
    assert [characters.feed(piece)[0] for piece in pieces] == starts


def test_a_vocabulary_spells_its_tokens_as_the_tokenizer_does(worker, models):
    vocabulary = worker.desk._base.vocabulary
    tokenizer = models.reference("").tokenizer
    text = "naïve café 🙂 the lazy dog 東京"
    tokens = vocabulary.encode(text)
    assert vocabulary.text(tokens) == text == tokenizer.decode(tokens)
    everything = list(range(len(tokenizer)))
    assert vocabulary.text(everything) == tokenizer.decode(everything)
    assert vocabulary.content(len(tokenizer) + 7) == b""
