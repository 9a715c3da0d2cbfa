"""Fingerprints of examples: of what they say word for word, and of what they say about the same.

They are Python's own hashes and differ from process to process; which of them are equal does not.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from tunesmith.dataset_rules.excerpts import plural
from tunesmith.dataset_rules.findings import FileProblem, Problem
from tunesmith.dataset_rules.shapes import Example, all_text

MAX_REMEMBERED: Final = 500_000
"""Distinct examples that are compared with others: some 40 MB for each kind of print."""
FEW_LETTERS: Final = 20
"""Texts of fewer bytes of letters are not compared by what they say about: too many would be the
same."""

_LETTERS = bytes(range(128)).translate(None, bytes(p for p in range(128) if not chr(p).isalpha()))
_LOWER = bytes.maketrans(_LETTERS.upper(), _LETTERS.lower())
_NO_LETTERS = bytes(point for point in range(1, 128) if not chr(point).isalpha())
"""All of ASCII that is left out, but for NUL, which stands between texts here."""


def exact_prints(examples: Sequence[Example]) -> list[int]:
    """Equal where all texts are."""
    return list(map(hash, examples))


def folded_prints(examples: Sequence[Example]) -> list[int | None]:
    """Equal where the texts differ in upper and lower case, white space, punctuation and digits.

    Of ASCII, that is; of other scripts in case only. None for a text of few letters.
    """
    texts = list(map(all_text, examples))
    folded = _folded(texts)
    if len(folded) != len(texts):  # a text has a NUL of its own
        folded = [_folded([text.replace("\0", "")])[0] for text in texts]
    return [hash(text) if len(text) >= FEW_LETTERS else None for text in folded]


def _folded(texts: list[str]) -> list[bytes]:
    """All at once, which is much faster than one by one."""
    joined = "\0".join(texts)
    if not joined.isascii():
        joined = joined.lower()
    return joined.encode().translate(_LOWER, _NO_LETTERS).split(b"\0")


def repeated(
    code: str, how: str, count: int, first_line: int, *, full: bool
) -> Iterator[FileProblem]:
    """The finding that so many rows are `how` an earlier one; none if there are none.

    `full` is whether there were more distinct examples than are remembered.
    """
    if not count:
        return
    words = f"{plural(count, 'row')} {how} an earlier one, the first of them on line {first_line:,}"
    if full:
        words += f" (compared with the first {MAX_REMEMBERED:,} distinct rows)"
    yield FileProblem(0, Problem(code, words), count)
