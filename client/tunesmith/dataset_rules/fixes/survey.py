"""One look at all rows of a file, as they are after some of the fixes."""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import ne
from typing import Any

from tunesmith.dataset_rules.column_rules import LONG_ROW
from tunesmith.dataset_rules.columns import Columns
from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.fixes.changes import Change, changed
from tunesmith.dataset_rules.fixes.pieces import Desk, File, Piece
from tunesmith.dataset_rules.fixes.rows import Batch, Mended
from tunesmith.dataset_rules.shapes import Example, Shape

_HEAD = 3


@dataclass(frozen=True)
class View:
    """Which rows are seen, and how: the fixes so far."""

    shape: Shape
    keep_nul: bool = False
    dropped: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """By piece, the lines that are left out, counted from its beginning."""
    odd: frozenset[int] | None = None
    """The pieces in which something was mended; None as long as nobody knows."""
    changes: tuple[Change, ...] = ()
    inverted: bool = False
    """Whether to see what is left out, and nothing else."""
    eager: bool = False
    """Whether to learn in any case which separators could be used."""

    def of(self, index: int, batch: Batch) -> tuple[Sequence[int], list[Any]]:
        """The lines and rows of piece number `index` that are seen, before the changes."""
        gone = self.dropped.get(index)
        if not gone:
            return ((), []) if self.inverted else (batch.indices, batch.examples)
        left_out = frozenset(gone)
        kept = [
            (place, row)
            for place, row in zip(batch.indices, batch.examples, strict=True)
            if (place in left_out) is self.inverted
        ]
        return [place for place, _ in kept], [row for _, row in kept]

    def then(self, change: Change) -> "View":
        """The same with one more change."""
        return replace(self, changes=(*self.changes, change))

    def within(self, index: int) -> "View":
        """What piece number `index` needs to know of it."""
        only = {index: self.dropped[index]} if index in self.dropped else {}
        odd = None if self.odd is None else self.odd & {index}
        return replace(self, dropped=only, odd=odd)

    def read(self, index: int, piece: Piece) -> Batch:
        """The rows of piece number `index`, mended."""
        sound = self.odd is not None and index not in self.odd
        return piece.rows(self.shape, keep_nul=self.keep_nul, sound=sound)


@dataclass
class _Glance:
    """What one piece has to tell."""

    line_count: int
    row_count: int
    columns: Columns
    head: list[tuple[int, Example]]
    altered: int = 0
    prints: bytes = b""
    indices: Sequence[int] = ()
    long: Sequence[int] = ()
    mended: dict[str, Mended] = field(default_factory=dict)
    faults: list[tuple[int, Problem]] = field(default_factory=list)
    fault_count: int = 0


@dataclass
class Survey:
    """What all pieces have to tell."""

    row_count: int = 0
    columns: Columns = field(default_factory=Columns)
    head: list[tuple[int, Example]] = field(default_factory=list)
    """The first rows seen, before the changes, and their lines in the file."""
    altered: int = 0
    """Rows to which the last change makes a difference."""
    mended: dict[str, Mended] = field(default_factory=dict)
    """What was mended row by row; the samples are by line of the file."""
    faults: list[tuple[int, Problem]] = field(default_factory=list)
    fault_count: int = 0
    repeated: dict[int, list[int]] = field(default_factory=dict)
    """By piece, the lines whose row is the same as an earlier one."""
    odd: set[int] = field(default_factory=set)
    """The pieces in which something was mended, or cannot be."""
    long: dict[int, list[int]] = field(default_factory=dict)
    """By piece, the lines whose row is very long."""


def survey(file: File, view: View, desk: Desk, *, first: bool = False) -> Survey:
    """Look at all rows; `first` looks also for what later looks need not look for again."""
    seen = _Memory() if first else None
    found = Survey()
    numbers: list[Sequence[int]] = []

    def jobs() -> Iterator[tuple[Piece, int, View, bool]]:
        for index, piece in enumerate(file.pieces()):
            numbers.append(piece.numbers)
            yield piece, index, view.within(index), first

    lines = 0
    for index, glance in enumerate(desk.each(_glance, jobs())):
        place = _places(numbers[index], lines)
        lines += glance.line_count
        _join(found, glance, place)
        if seen is not None:
            seen.add(glance)
        if glance.mended or glance.fault_count:
            found.odd.add(index)
        if glance.long:
            found.long[index] = list(glance.long)
        numbers[index] = ()
    if seen is not None:
        found.repeated = seen.repeated()
    return found


def _places(numbers: Sequence[int], before: int) -> Callable[[int], int]:
    if numbers:
        return lambda index: numbers[index]
    return lambda index: before + index + 1


def _join(found: Survey, glance: _Glance, place: Callable[[int], int]) -> None:
    found.row_count += glance.row_count
    found.columns.join(glance.columns)
    found.altered += glance.altered
    found.head += [(place(index), row) for index, row in glance.head[: _HEAD - len(found.head)]]
    for code, more in glance.mended.items():
        mended = found.mended.setdefault(code, Mended())
        mended.count += more.count
        for index, before, after in more.samples[: _HEAD - len(mended.samples)]:
            mended.samples.append((place(index), before, after))
    found.faults += [(place(index), problem) for index, problem in glance.faults]
    found.fault_count += glance.fault_count


class _Memory:
    """Finds rows that came before, by 64-bit fingerprints of Python's.

    These are of this process and its forks alone; which of them are equal is the same everywhere.
    """

    def __init__(self) -> None:
        self._different: set[int] = set()
        self._prints: list[tuple[Sequence[int], array[int]]] = []
        self._count = 0

    def add(self, glance: _Glance) -> None:
        """Remember the rows of the next piece."""
        prints = array("q", glance.prints)
        self._count += len(prints)
        self._prints.append((glance.indices, prints))
        self._different.update(prints)

    def repeated(self) -> dict[int, list[int]]:
        """By piece, the lines whose row is not new."""
        if len(self._different) == self._count:
            return {}
        found: dict[int, list[int]] = {}
        new = self._different
        for index, (places, prints) in enumerate(self._prints):
            for place, mark in zip(places, prints, strict=True):
                if mark in new:
                    new.discard(mark)
                else:
                    found.setdefault(index, []).append(place)
        return found


def _glance(piece: Piece, index: int, view: View, first: bool) -> _Glance:
    """Look at one piece."""
    if view.inverted and index not in view.dropped:
        return _Glance(0, 0, Columns(), [])
    batch = view.read(index, piece)
    indices, rows = view.of(index, batch)
    head = list(zip(indices[:_HEAD], rows[:_HEAD], strict=True))
    columns = Columns.eager() if view.eager else Columns()
    glance = _Glance(batch.line_count, len(rows), columns, head)
    if view.shape is Shape.PROMPT_COMPLETION:
        prompts = [row.prompt for row in rows]
        completions = [row.completion for row in rows]
        if first:
            glance.long = _long(batch.indices, prompts, completions)
        before = changed(view.changes[:-1], prompts, completions)
        after = changed(view.changes[-1:], *before)
        if view.changes:
            glance.altered = sum(sum(map(ne, *pair)) for pair in zip(before, after, strict=True))
        glance.columns.add(*after)
    if first:
        glance.prints = array("q", map(hash, rows)).tobytes()
        glance.indices = batch.indices
        glance.mended, glance.faults = batch.mended, batch.faults
        glance.fault_count = batch.fault_count
    return glance


def _long(
    indices: Sequence[int], prompts: Sequence[str], completions: Sequence[str]
) -> Sequence[int]:
    longest = max(map(len, prompts), default=0) + max(map(len, completions), default=0)
    if longest <= LONG_ROW:
        return ()
    return [
        index
        for index, prompt, completion in zip(indices, prompts, completions, strict=True)
        if len(prompt) + len(completion) > LONG_ROW
    ]
