"""Fingerprints of examples: of what they say word for word, and of what they say about the same.

They are Python's own hashes and differ from process to process; which of them are equal does not.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from tunesmith.dataset_rules.shapes import Example, all_text

MAX_REMEMBERED: Final = 500_000
"""Distinct examples that are compared with others: some 40 MB for each kind of print."""
FEW_LETTERS: Final = 20
"""Texts of fewer letters are not compared by what they say about: too many would be the same."""

_FOLD = {
    point: chr(point).lower() if chr(point).isalpha() else None
    for point in range(128)
    if not chr(point).islower()
}
"""What becomes of ASCII: letters in lower case, nothing else is left."""


def exact_prints(examples: Sequence[Example]) -> list[int]:
    """Equal where all texts are."""
    return list(map(hash, examples))


def folded_prints(examples: Sequence[Example]) -> Iterator[int | None]:
    """Equal where the texts differ in upper and lower case, white space, punctuation and digits.

    Of ASCII, that is; of other scripts in case only. None for a text of few letters.
    """
    for example in examples:
        text = all_text(example)
        folded = (text if text.isascii() else text.lower()).translate(_FOLD)
        yield hash(folded) if len(folded) >= FEW_LETTERS else None
