"""Which fixes a file needs, in their order, each seen after those before it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from tunesmith.dataset_rules import column_rules as rules
from tunesmith.dataset_rules.columns import Columns
from tunesmith.dataset_rules.excerpts import excerpt, plural
from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.fixes.catalogue import FIXES, Need
from tunesmith.dataset_rules.fixes.changes import (
    BeginWithBlank,
    Change,
    CutPrefix,
    EndWith,
    Lower,
)
from tunesmith.dataset_rules.fixes.pieces import Desk, File, OnProgress, desk, no_progress
from tunesmith.dataset_rules.fixes.rows import shape_of_first
from tunesmith.dataset_rules.fixes.samples import MOST, Quotes, Sample
from tunesmith.dataset_rules.fixes.survey import Survey, View, survey
from tunesmith.dataset_rules.sensitive import SENSITIVE_CODES, need
from tunesmith.dataset_rules.shapes import Example, PromptCompletion, Shape
from tunesmith.dataset_rules.sources import Format


class Unfixable(ValueError):
    """Rows that no fix can mend: somebody has to."""

    def __init__(self, faults: Sequence[tuple[int, Problem]], count: int) -> None:
        line, problem = faults[0]
        super().__init__(
            f"{plural(count, 'row')} cannot be mended here, the first on line {line:,}:"
            f" {problem.message} ({problem.code})"
        )


@dataclass(frozen=True)
class Choice:
    """Which of the proposed fixes to apply; necessary and inherent ones always are."""

    recommended: bool = True
    """All that are recommended."""
    named: frozenset[str] = frozenset()
    """These, too."""
    declined: frozenset[str] = frozenset()
    """But not these."""

    def __post_init__(self) -> None:
        for code in sorted(self.named | self.declined):
            if code not in FIXES:
                raise ValueError(f"there is no fix {code[:64]!r}; there are: {', '.join(FIXES)}")
        if necessary := sorted(code for code in self.declined if FIXES[code].need.always):
            raise ValueError(f"{necessary[0]} cannot be left out: {FIXES[necessary[0]].need}")

    def takes(self, code: str) -> bool:
        """Whether a fix that is proposed is to be applied."""
        need = FIXES[code].need
        if need.always:
            return True
        if code in self.declined:
            return False
        return code in self.named or (self.recommended and need is Need.RECOMMENDED)

    @property
    def redacted(self) -> frozenset[str]:
        """The codes of the findings that tell of what is to be redacted."""
        return frozenset(filter(self.takes, SENSITIVE_CODES))


@dataclass(frozen=True)
class Fix:
    """One fix that the file needs or could do with."""

    code: str
    need: Need
    title: str
    count: int
    """Rows that it changes or removes."""
    samples: tuple[Sample, ...]
    applied: bool
    """Whether it is chosen."""


@dataclass(frozen=True)
class Plan:
    """The fixes for one file, and what the file will be with those that are chosen."""

    file: File
    shape: Shape | None
    fixes: tuple[Fix, ...]
    rows_before: int
    rows_after: int
    before: Columns
    """The columns with the necessary fixes alone, of prompt/completion data."""
    after: Columns
    """The columns with all that are chosen."""
    view: View | None
    faults: tuple[tuple[int, Problem], ...] = ()
    """The first rows that no fix can mend, by line."""
    fault_count: int = 0
    unquotable: frozenset[str] = frozenset()
    """Columns of which nothing may be quoted: what is secret there is not recognised any more."""

    @property
    def changes_anything(self) -> bool:
        """Whether the mended file will differ from this one in more than spelling."""
        return any(fix.applied for fix in self.fixes)


def propose(
    path: str | Path,
    *,
    format: Format | None = None,
    shape: Shape | None = None,
    choice: Choice | None = None,
    cores: int | None = None,
    on_progress: OnProgress = no_progress,
) -> Plan:
    """What would mend the file. OSError if it cannot be read.

    SensitiveUnavailable if secrets or personal data are to go and cannot be recognised here.
    """
    choice = choice or Choice()
    if choice.redacted:
        need()
    file = File.open(path, format, on_progress)
    shape = shape or _shape(file)
    if shape is None:
        return _nothing(file)
    with desk(file, cores) as at:
        return _Planner(file, shape, choice, at).plan()


def _shape(file: File) -> Shape | None:
    for piece in islice(file.pieces(), 16):
        if shape := shape_of_first(piece.all_lines()):
            return shape
    return None


def _nothing(file: File) -> Plan:
    return Plan(file, None, (), 0, 0, Columns(), Columns(), None)


class _Planner:
    """Goes through the fixes in their order."""

    def __init__(self, file: File, shape: Shape, choice: Choice, at: Desk) -> None:
        self._file = file
        self._choice = choice
        self._desk = at
        self._view = View(shape, redacted=choice.redacted)
        self._fixes: list[Fix] = []
        self._seen = Survey()
        self._quotes = Quotes()

    def plan(self) -> Plan:
        """The plan."""
        first = self._seen = survey(self._file, self._view, self._desk, first=True)
        if "TEXT_NUL" in first.mended and not self._choice.takes("TEXT_NUL"):
            self._view = replace(self._view, keep_nul=True)
            kept = first.mended["TEXT_NUL"]
            first = self._seen = survey(self._file, self._view, self._desk, first=True)
            first.mended["TEXT_NUL"] = kept
        self._view = replace(self._view, odd=frozenset(first.odd))
        before = first.columns.copy()
        self._row_by_row()
        self._rows_that_go()
        if self._view.shape is Shape.PROMPT_COMPLETION and self._seen.row_count:
            self._columns()
        return Plan(
            self._file,
            self._view.shape,
            tuple(self._fixes),
            first.row_count,
            self._seen.row_count,
            before,
            self._seen.columns,
            self._view,
            (*first.faults, *self._file.errors),
            first.fault_count + len(self._file.errors),
            frozenset(filter(self._is_unquotable, ("prompt", "completion"))),
        )

    def _look(self) -> None:
        self._seen = survey(self._file, self._view, self._desk)

    def _add(self, code: str, count: int, samples: Sequence[Sample], title: str = "") -> bool:
        """Propose a fix; whether it is chosen."""
        rule = FIXES[code]
        taken = self._choice.takes(code)
        self._fixes.append(
            Fix(code, rule.need, title or rule.title, count, tuple(samples[:MOST]), taken)
        )
        return taken

    def _row_by_row(self) -> None:
        format = self._file.format
        if format is not None and (format is not Format.JSONL or not self._file.plain):
            words = "gzip or UTF-16" if format is Format.JSONL else format.value.upper()
            self._add("FORMAT_NOT_JSONL", self._seen.row_count, (), f"Write {words} as JSON lines")
        for code in FIXES:
            if mended := self._seen.mended.get(code):
                samples = [
                    Sample(line, self._quotes.line(before), self._quotes.line(after))
                    for line, before, after in mended.samples
                ]
                self._add(code, mended.count, samples)

    def _rows_that_go(self) -> None:
        repeated, long = self._seen.repeated, self._seen.long
        gone: dict[int, Sequence[int]] = {}
        if repeated and self._add("DUPLICATE_ROWS", _total(repeated), self._removed(repeated)):
            gone = dict(repeated)
        if not self._seen.columns.open_ended:
            long = {
                piece: left
                for piece, lines in long.items()
                if (left := sorted(frozenset(lines).difference(gone.get(piece, ()))))
            }
            if long and self._add("LONG_ROWS", _total(long), self._removed(long)):
                for piece, lines in long.items():
                    gone[piece] = [*gone.get(piece, ()), *lines]
        if not gone:
            return
        self._view = replace(self._view, dropped=gone)
        if gone == repeated:
            columns = self._seen.columns.copy()
            columns.leave_out(self._seen.repeated_columns)
            rows = self._seen.row_count - _total(repeated)
            # the first rows are never those that repeat one
            self._seen = replace(self._seen, columns=columns, row_count=rows)
        else:
            self._look()

    def _columns(self) -> None:
        for column in ("prompt", "completion"):
            if getattr(self._seen.columns, column).mostly_upper:
                self._resurveyed(f"{column.upper()}_UPPER_CASE", Lower(column))
        if rules.lacks_separator(self._seen.columns):
            self._ended("prompt", "PROMPT_SUFFIX_MISSING", Columns.separator)
        if prefix := rules.removable_prompt_prefix(self._seen.columns):
            words = f"{self._cut('prompt', prefix)} (only if named)"
            change: Change = CutPrefix("prompt", len(prefix))
            self._resurveyed("PROMPT_PREFIX_COMMON", change, words)
        if prefix := rules.removable_completion_prefix(self._seen.columns):
            words = self._cut("completion", prefix)
            change = CutPrefix("completion", len(prefix), keep_blank=prefix.startswith(" "))
            self._resurveyed("COMPLETION_PREFIX_COMMON", change, words)
        if rules.lacks_ending(self._seen.columns):
            self._ended("completion", "COMPLETION_SUFFIX_MISSING", Columns.ending)
        if without := self._seen.columns.completion.without_blank:
            change = BeginWithBlank("completion")
            if self._add("COMPLETION_SPACE_MISSING", without, self._shown(change)):
                self._view = self._view.then(change)
                if without == self._seen.row_count:
                    self._seen.columns.distinct.begin_with_blank()
                else:
                    self._look()  # what differed by the blank is the same now

    def _cut(self, column: str, prefix: str) -> str:
        shown = "" if self._is_unquotable(column) else f" “{self._quotes.text(prefix)}”"
        return f"Cut{shown} off the beginning of each {column}"

    def _is_unquotable(self, column: str) -> bool:
        """Whether what all texts of a column share may be a secret, by now in lower case."""
        return any(
            self._quotes.private(row, column)
            for _, row in self._seen.head
            if Lower(column) in self._view.changes and isinstance(row, PromptCompletion)
        )

    def _ended(self, column: str, code: str, text: Callable[[Columns], str]) -> None:
        """Propose to end each text of a column with one that stands in none of them."""
        columns = self._searched(column)
        end = text(columns)
        change = EndWith(column, end)
        words = f"End each {column} with “{excerpt(end)}”"
        if self._add(code, columns.row_count, self._shown(change), words):
            self._view = self._view.then(change)
            getattr(columns, column).end_with(end)

    def _searched(self, column: str) -> Columns:
        """The columns, with what is needed to choose a text that stands in no row."""
        if getattr(self._seen.columns, column).unsearched:
            self._seen = survey(self._file, replace(self._view, eager=True), self._desk)
        return self._seen.columns

    def _resurveyed(self, code: str, change: Change, title: str = "") -> None:
        """Propose a change after which the rows have to be looked at again."""
        samples = self._shown(change)
        seen = survey(self._file, self._view.then(change), self._desk)
        if self._add(code, seen.altered, samples, title):
            self._view = self._view.then(change)
            self._seen = seen

    def _shown(self, change: Change) -> list[Sample]:
        """The first rows before and after a change."""
        samples = [
            self._quotes.changed(line, row, self._view.changes, change)
            for line, row in self._seen.head
            if isinstance(row, PromptCompletion)
        ]
        return [sample for sample in samples if sample is not None]

    def _removed(self, places: Mapping[int, Sequence[int]]) -> list[Sample]:
        return [
            Sample(line, self._quotes.row(row), "")
            for line, row in islice(_rows_at(self._file, self._view, places), MOST)
        ]


def _total(places: Mapping[int, Sequence[int]]) -> int:
    return sum(map(len, places.values()))


def _rows_at(
    file: File, view: View, places: Mapping[int, Sequence[int]]
) -> Iterator[tuple[int, Example]]:
    """Some rows and their lines in the file, in its order."""
    lines = 0
    for index, piece in enumerate(file.pieces()):
        if index not in places:
            lines += 0 if piece.numbers else piece.data().count(b"\n")
            continue
        batch = view.read(index, piece)
        wanted = frozenset(places[index])
        for place, row in zip(batch.indices, batch.examples, strict=True):
            if place in wanted:
                yield piece.numbers[place] if piece.numbers else lines + place + 1, row
        lines += batch.line_count
