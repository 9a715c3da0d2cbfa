"""An Excel workbook: its first sheet with content, the first row of which names the columns.

Read by zipfile and expat of the standard library alone. Nothing that a workbook refers to outside
of itself is ever opened, and no formula is worked out: the value that Excel saved with it counts.
"""

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from typing import Final

from tunesmith.dataset_rules.excerpts import excerpt, plural
from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.sources.archive import MAX_BYTES, Archive
from tunesmith.dataset_rules.sources.columns import Columns, header_problem
from tunesmith.dataset_rules.sources.expansion import allowed
from tunesmith.dataset_rules.sources.lines import CutLine
from tunesmith.dataset_rules.sources.problems import Noted, Unreadable
from tunesmith.dataset_rules.sources.rows import Rows, SourceProblem
from tunesmith.dataset_rules.sources.sheet import Meaning, Row, rows
from tunesmith.dataset_rules.sources.workbook_parts import Parts

MAX_SHEET_BYTES: Final = 2**30
_IN_MEMORY = 2**22
_BATCH = 2**18


class Workbook:
    """Takes the bytes of a workbook; the rows come at the end, where the archive's directory is."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max = max_line_bytes
        self._noted = Noted()
        self._size = 0
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        weakref.finalize(self, self._file.close)

    def feed(self, chunk: bytes) -> Iterator[Rows]:
        """Keep the bytes. Raises Unreadable if they are too many."""
        self._size += len(chunk)
        if self._size > MAX_BYTES:
            words = f"the workbook is over {MAX_BYTES >> 20} MiB"
            advice = "Save the sheet as CSV."
            raise Unreadable(Problem("FORMAT_UNSUPPORTED", words, suggestion=advice))
        self._file.write(chunk)
        return iter(())

    def finish(self) -> Iterator[Rows]:
        """All rows. Raises Unreadable."""
        try:
            yield from self._read(Parts(Archive(self._file, self._size)))
        finally:
            self._file.close()

    def problems(self) -> Sequence[SourceProblem]:
        """Cells without a value of their own, cells beyond the columns, other sheets."""
        return self._noted.all()

    def _read(self, parts: Parts) -> Iterator[Rows]:
        sheets = sorted(parts.sheets, key=lambda sheet: sheet.hidden)
        meaning = Meaning(parts.texts(), parts.kinds(), parts.since_1904, self._max)
        for place, sheet in enumerate(sheets):
            found = rows(parts.archive.pieces(sheet.part, MAX_SHEET_BYTES), meaning)
            first = next(found, None)
            if first is not None:
                more = [
                    other.name
                    for other in sheets[place + 1 :]
                    if next(rows(parts.archive.pieces(other.part, MAX_SHEET_BYTES), meaning), None)
                ]
                self._note_others(sheet.name, more)
                yield from self._table(first, found)
                return

    def _note_others(self, name: str, others: Sequence[str]) -> None:
        if others:
            words = (
                f'only the sheet "{excerpt(name, 31)}" is read, not {plural(len(others), "other")},'
                f' such as "{excerpt(others[0], 31)}"'
            )
            self._noted.add(0, "SHEETS_IGNORED", words)

    def _table(self, header: Row, rest: Iterator[Row]) -> Iterator[Rows]:
        columns = self._columns(header)
        numbers: list[int] = []
        lines: list[bytes] = []
        given = batch = 0
        for row in rest:
            line = self._line(row, columns)
            if line is None:
                continue
            given += len(line)
            if given > allowed(self._size):
                words = "the cells of the workbook repeat one another too often"
                raise Unreadable(Problem("EXPANDS_TOO_FAR", words), row.number)
            numbers.append(row.number)
            lines.append(line)
            batch += len(line)
            if batch >= _BATCH:
                yield Rows(numbers, lines)
                numbers, lines, batch = [], [], 0
        if lines:
            yield Rows(numbers, lines)

    def _columns(self, header: Row) -> Columns:
        if header.failures:
            column, what = header.failures[0]
            place = f"{_letters(column)}{header.number}"
            words = f"the header cell {place} is {_failure(what)}"
            raise Unreadable(Problem("HEADER_INVALID", words), header.number)
        if not header.cells:
            words = f"the header is {plural(header.length, 'character')} long"
            raise Unreadable(Problem("LINE_TOO_LONG", words), header.number)
        cells = [header.cells.get(column, "") for column in range(max(header.cells) + 1)]
        if problem := header_problem(cells):
            raise Unreadable(problem, header.number)
        return Columns(cells)

    def _line(self, row: Row, columns: Columns) -> bytes | None:
        number = row.number
        if row.length > self._max:
            return CutLine(row.length)
        for column, what in row.failures:
            if column < len(columns):
                words = f"the cell {_letters(column)}{number} is {_failure(what)}"
                self._noted.add(number, "CELL_FAILED", words)
                return None
        if row.formulas:
            place = f"{_letters(row.formulas[0])}{number}"
            words = f"the cell {place} is a formula; the value it had when saved is used"
            self._noted.add(number, "CELL_FORMULA", words)
        last = max(row.cells, default=0)
        if last >= len(columns):
            words = f"the cell {_letters(last)}{number} is right of the last column with a name"
            self._noted.add(number, "CELLS_TOO_MANY", words)
            return None
        if not row.cells:
            return None
        line = columns.row([row.cells.get(column, "") for column in range(len(columns))])
        return line if len(line) <= self._max else CutLine(len(line))


def _letters(column: int) -> str:
    """The name of a column, counted from 0."""
    letters = ""
    column += 1
    while column:
        column, place = divmod(column - 1, 26)
        letters = chr(65 + place) + letters
    return letters


def _failure(what: str) -> str:
    return f"the error {excerpt(what, 20)}" if what else "a formula that was never worked out"
