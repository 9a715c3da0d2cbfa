"""One look at all rows of a file, as they are after some of the fixes."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import ne
from typing import Any

from tunesmith.dataset_rules.column_rules import LONG_ROW
from tunesmith.dataset_rules.columns import Columns
from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.fixes.batch import Batch, Mended, redacted, without
from tunesmith.dataset_rules.fixes.changes import Change, changed
from tunesmith.dataset_rules.fixes.pieces import Desk, File, Piece
from tunesmith.dataset_rules.shapes import Example, Shape

_HEAD = 3


@dataclass(frozen=True)
class View:
    """Which rows are seen, and how: the fixes so far."""

    shape: Shape
    keep_nul: bool = False
    redacted: frozenset[str] = frozenset()
    """The codes of the findings that tell of what is redacted."""
    dropped: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """By piece, the lines that are left out, counted from its beginning."""
    odd: frozenset[int] | None = None
    """The pieces that cannot be decoded in one go; None as long as nobody knows."""
    changes: tuple[Change, ...] = ()
    eager: bool = False
    """Whether to learn in any case which separators could be used."""

    def of(self, index: int, batch: Batch) -> tuple[Sequence[int], list[Any]]:
        """The lines and rows of piece number `index` that are seen, before the changes."""
        kept = without(batch, _positions(batch, self.dropped.get(index, ())))
        return kept.indices, kept.examples

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
        whole = self.odd is not None and index not in self.odd
        rows = piece.rows(self.shape, keep_nul=self.keep_nul, whole=whole)
        return redacted(rows, self.redacted)


def _positions(batch: Batch, lines: Sequence[int]) -> Sequence[int]:
    """Where among its rows those on these lines are."""
    return [bisect_left(batch.indices, line) for line in sorted(lines)]


@dataclass
class _Glance:
    """What one piece has to tell."""

    line_count: int
    row_count: int
    columns: Columns
    head: list[tuple[int, Example]]
    altered: int = 0
    prints: Sequence[int] = ()
    """A fingerprint of each row."""
    indices: Sequence[int] = ()
    """The lines of the rows."""
    repeated: Sequence[int] = ()
    """The lines whose row is the same as an earlier one of this piece."""
    repeated_columns: Columns | None = None
    whole: bool = False
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
    """By piece, the lines whose row is the same as an earlier one, ascending."""
    repeated_columns: Columns = field(default_factory=Columns)
    """The summary of those rows."""
    odd: set[int] = field(default_factory=set)
    """The pieces that were not decoded in one go."""
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
            seen.add(index, glance)
            if glance.repeated_columns is not None:
                found.repeated_columns.join(glance.repeated_columns)
        if not glance.whole:
            found.odd.add(index)
        if glance.long:
            found.long[index] = list(glance.long)
        numbers[index] = ()
    if seen is not None:
        _join_repeated(file, view, desk, found, seen)
    return found


def _join_repeated(file: File, view: View, desk: Desk, found: Survey, seen: "_Memory") -> None:
    """Add the rows that repeat one of an earlier piece to those that repeat one of their own."""
    seen.look_elsewhere()
    jobs = (
        (piece, index, view.within(index), seen.elsewhere[index])
        for index, piece in enumerate(file.pieces())
        if index in seen.elsewhere
    )
    found.repeated = seen.repeated
    if not seen.elsewhere:
        return
    for columns in desk.each(_columns_of, jobs):
        found.repeated_columns.join(columns)
    for index, lines in seen.elsewhere.items():
        found.repeated[index] = sorted([*found.repeated.get(index, ()), *lines])


def _columns_of(piece: Piece, index: int, view: View, lines: Sequence[int]) -> Columns:
    """The summary of some rows of a piece."""
    batch = view.read(index, piece)
    return _summed(view.shape, [batch.examples[place] for place in _positions(batch, lines)])


def _summed(shape: Shape, rows: Sequence[Any]) -> Columns:
    columns = Columns()
    if shape is Shape.PROMPT_COMPLETION:
        columns.add([row.prompt for row in rows], [row.completion for row in rows])
    return columns


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
        self._pieces: list[tuple[Sequence[int], Sequence[int]]] = []
        self.repeated: dict[int, list[int]] = {}
        """By piece, the lines whose row is the same as an earlier one of that piece."""
        self.elsewhere: dict[int, list[int]] = {}
        """By piece, the lines whose row is the same as one of an earlier piece, and the first of
        its kind in its own."""

    def add(self, index: int, glance: _Glance) -> None:
        """Remember the rows of the next piece."""
        if glance.repeated:
            self.repeated[index] = list(glance.repeated)
        self._pieces.append((glance.indices, glance.prints))
        known = self._different
        before = len(known)
        known.update(glance.prints)
        if len(known) - before < len(glance.prints) - len(glance.repeated):
            self.elsewhere[index] = []

    def look_elsewhere(self) -> None:
        """Find, when all pieces are there, what repeats a row of an earlier one."""
        del self._different  # much memory, and nothing asks for it any more
        wanted = {mark for index in self.elsewhere for mark in self._pieces[index][1]}
        known: set[int] = set()
        for index, (indices, prints) in enumerate(self._pieces if wanted else ()):
            here = wanted.intersection(prints)
            if index in self.elsewhere:
                first = _first_places(prints)
                places = sorted(first[mark] for mark in known & here)
                self.elsewhere[index] = [indices[place] for place in places]
            known |= here


def _first_places(prints: Sequence[int]) -> dict[int, int]:
    """Where each fingerprint is for the first time."""
    # backwards, so that of equal ones the first stays
    return dict(zip(reversed(prints), reversed(range(len(prints))), strict=True))


def _glance(piece: Piece, index: int, view: View, first: bool) -> _Glance:
    """Look at one piece."""
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
        glance.mended, glance.faults = batch.mended, batch.faults
        glance.fault_count = batch.fault_count
        glance.whole = batch.whole
        _note_repeated(glance, view.shape, batch)
    return glance


def _note_repeated(glance: _Glance, shape: Shape, batch: Batch) -> None:
    rows, indices = batch.examples, batch.indices
    if shape is Shape.PROMPT_COMPLETION:
        # pairs, since rows may be of several types
        pairs = zip([row.prompt for row in rows], [row.completion for row in rows], strict=True)
        prints = list(map(hash, pairs))
    else:
        prints = list(map(hash, rows))
    glance.prints = array("q", prints)
    glance.indices = indices if isinstance(indices, range) else array("L", indices)
    repeated = _repeated_places(prints)
    if repeated:
        glance.repeated = [indices[place] for place in repeated]
        glance.repeated_columns = _summed(shape, [rows[place] for place in repeated])


def _repeated_places(prints: Sequence[int]) -> Sequence[int]:
    """Where a fingerprint is not for the first time."""
    seen: set[int] = set()
    note = seen.add  # gives None, so that a new one is noted and left out
    return [place for place, mark in enumerate(prints) if mark in seen or note(mark)]


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
