"""Which rows go to validation: chosen by a hash, the same for the same seed and rows.

The order of the rows is that of the first eight bytes, as a big-endian number, of SHA-256 over the
seed (eight bytes, big-endian, signed) and the row as a line of JSON with its line feed. It depends
on nothing else: not on the place of a row, on the program or on a library's generator. Equal rows
have the same hash, and so they never end up on both sides.
"""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import compress
from sys import byteorder
from typing import Final

SHARE: Final = 0.2
"""Of the rows that go to validation, unless told otherwise …"""
MOST: Final = 1000
"""… and then at most so many."""
SEED: Final = 42


@dataclass(frozen=True)
class SplitChoice:
    """How to split."""

    validation_share: float = 0
    """Of the rows; 0 for a fifth, but a thousand rows at most."""
    seed: int = SEED
    group_by: str = ""
    """JSON pointer into the row as it came: rows of the same value stay together."""
    stratified: bool = True
    """Each class keeps its share, if the rows look like classification."""

    def __post_init__(self) -> None:
        if self.group_by and not self.group_by.startswith("/"):
            # it would point at the whole row, and rows of one value would be on both sides
            raise ValueError(f"{self.group_by!r} is no JSON pointer: it begins with a slash")


def validation_count(rows: int, share: float = 0) -> int:
    """How many of the rows go to validation: by default as many as with the old prepare tool."""
    if share:
        return round(rows * share)
    return rows - max(rows - MOST, int(rows * (1 - SHARE)))


def marks(texts: Sequence[bytes], seed: int) -> "array[int]":
    """The hash of each text, as a number."""
    salt = seed.to_bytes(8, "big", signed=True)
    # a whole hash is four such numbers
    numbers = array("Q", b"".join([sha256(salt + text).digest() for text in texts]))[::4]
    if byteorder == "little":
        numbers.byteswap()
    return numbers


def choose(marks: Sequence[int], classes: Sequence[int], count: int, *, grouped: bool) -> list[int]:
    """The indices of the rows for validation, ascending: `count` of them, or a few less.

    `marks` are the rows' hashes, or those of their groups if `grouped`; equal ones stay together.
    `classes` tells the class of each row; empty if there are none. A group counts for the class of
    its first row. Each class gives its share, the largest remainders first, and keeps at least one
    row; a group that is larger than what is still wanted of its class is passed over.
    """
    if grouped and classes:
        first: dict[int, int] = {}
        classes = [first.setdefault(*pair) for pair in zip(marks, classes, strict=True)]
    sizes = Counter(classes) if classes else Counter({0: len(marks)})
    wanted = _wanted(sizes, count)
    # most marks are far from being chosen: they need not be sorted
    limit = max((2**64 * 2 * wanted[name] // size for name, size in sizes.items()), default=0)
    among: Sequence[int] = _below(limit, marks)
    chosen, missing = _lowest(marks, classes, wanted, among)
    # too few have been looked at
    if missing and limit < 2**64:
        among = range(len(marks))
        chosen, _ = _lowest(marks, classes, wanted, among)
    return [index for index in among if marks[index] in chosen]


def _below(limit: int, marks: Sequence[int]) -> Sequence[int]:
    """The indices of the marks below `limit`, and of some above."""
    # by their highest bytes, without a look at each in Python
    highest = array("Q", marks).tobytes()[7 if byteorder == "little" else 0 :: 8]
    low = bytes(byte <= limit >> 56 for byte in range(256))
    return list(compress(range(len(marks)), highest.translate(low)))


def _lowest(
    marks: Sequence[int], classes: Sequence[int], wanted: Mapping[int, int], among: Sequence[int]
) -> tuple[set[int], int]:
    """The lowest marks of each class `among` some of the rows, and how many rows are missing."""
    of_class: dict[int, list[int]] = {name: [] for name in wanted}
    for index in among:
        of_class[classes[index] if classes else 0].append(marks[index])
    chosen: set[int] = set()
    missing = 0
    for name, members in of_class.items():
        taken, left = _take(members, wanted[name])
        chosen |= taken
        missing += left
    return chosen, missing


def _wanted(sizes: Mapping[int, int], count: int) -> dict[int, int]:
    """How many rows each class gives."""
    total = sum(sizes.values())
    wanted = {name: size * count // total for name, size in sizes.items()}
    # a stable sort: of equal remainders the class that came first has the first
    rest = sorted(sizes, key=lambda name: -(sizes[name] * count % total))
    for name in rest[: count - sum(wanted.values())]:
        wanted[name] += 1
    return {name: min(wanted[name], size - 1) for name, size in sizes.items()}


def _take(marks: Sequence[int], count: int) -> tuple[set[int], int]:
    chosen = set()
    for mark, rows in sorted(Counter(marks).items()):
        if not count:
            break
        if rows <= count:
            chosen.add(mark)
            count -= rows
    return chosen, count
