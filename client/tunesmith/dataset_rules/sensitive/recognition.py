"""Secrets and personal data in texts.

Most texts of a dataset have nothing that even looks like any. So one expression, of the short signs
of all recognisers, goes over many texts at once, and only those in which it finds something are
read by each recogniser.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from tunesmith.dataset_rules.sensitive.contacts import CONTACTS
from tunesmith.dataset_rules.sensitive.kinds import Kind, Match
from tunesmith.dataset_rules.sensitive.numbers import NUMBERS
from tunesmith.dataset_rules.sensitive.recogniser import any_of, compiled
from tunesmith.dataset_rules.sensitive.secrets import SECRETS

RECOGNISERS: Final = (*SECRETS, *CONTACTS, *NUMBERS)
"""Where two see the same place, the earlier one is right: a password may look like an address."""

_READERS: Final = [each.reader() for each in RECOGNISERS]
_ANY_SIGN: Final = compiled("|".join(f"(?:{each.sign})" for each in RECOGNISERS))
_SIGNS: Final = any_of([each.sign for each in RECOGNISERS])


def recognise(text: str) -> list[Match]:
    """What is recognised in a text, in its order, nothing of it twice."""
    data = _bytes(text)
    return _recognised(text, data) if _ANY_SIGN.search(data) else []


def recognise_each(texts: Sequence[str]) -> Iterator[tuple[int, list[Match]]]:
    """What is recognised in many texts, each with its index; those with nothing are left out."""
    for index in _with_a_sign(texts):
        text = texts[index]
        if found := _recognised(text, _bytes(text)):
            yield index, found


def _with_a_sign(texts: Sequence[str]) -> Iterator[int]:
    """Which of these texts are worth reading: those that `_ANY_SIGN` finds something in."""
    block = "\n".join(texts)
    data = _bytes(block)
    found = _ANY_SIGN.search(data)
    if not found:
        return
    lengths = map(len, texts if len(data) == len(block) else map(_bytes, texts))
    # Where each text ends: no sign reaches over the line feed between two of them.
    ends = list(accumulate(map((1).__add__, lengths)))
    while found:
        index = bisect_right(ends, found.start())
        yield index
        found = _ANY_SIGN.search(data, ends[index])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _recognised(text: str, data: bytes) -> list[Match]:
    found = [
        (start, end, rank, _READERS[rank].kind)
        for rank in _SIGNS.Match(data)
        for start, end in _READERS[rank].spans(data)
    ]
    if not found:
        return []
    kept = _apart(found)
    if len(data) == len(text):  # ASCII: bytes are characters
        return [Match(kind, start, end) for start, end, _, kind in kept]
    return _in_characters(data, kept)


def _apart(found: list[tuple[int, int, int, Kind]]) -> list[tuple[int, int, int, Kind]]:
    """In their order, without those that overlap one of a better rank."""
    found.sort()
    kept: list[tuple[int, int, int, Kind]] = []
    for each in found:
        while kept and each[0] < kept[-1][1] and each[2] < kept[-1][2]:
            kept.pop()
        if not kept or each[0] >= kept[-1][1]:
            kept.append(each)
    return kept


def _in_characters(data: bytes, found: list[tuple[int, int, int, Kind]]) -> list[Match]:
    """The places counted in characters, in one pass over the text."""
    matches, at, characters = [], 0, 0
    for start, end, _, kind in found:
        characters += _length(data[at:start])
        first = characters
        characters += _length(data[start:end])
        at = end
        matches.append(Match(kind, first, characters))
    return matches


def _length(data: bytes) -> int:
    """How many characters these bytes are, wherever they are cut."""
    return len(data.translate(None, _CONTINUATIONS))


_CONTINUATIONS: Final = bytes(range(0x80, 0xC0))
