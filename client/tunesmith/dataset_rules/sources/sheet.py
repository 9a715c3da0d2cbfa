"""The cells of one sheet of a workbook, row by row."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tunesmith.dataset_rules.excerpts import excerpt
from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.sources.cell_text import Kind, number_text, unescaped
from tunesmith.dataset_rules.sources.problems import Unreadable
from tunesmith.dataset_rules.sources.shared_texts import SharedTexts
from tunesmith.dataset_rules.sources.workbook_xml import WorkbookXml

MAX_ROW: Final = 2**20
MAX_COLUMN: Final = 2**14

_REFERENCE = re.compile("([A-Z]{1,3})([1-9][0-9]{0,6})")


@dataclass(slots=True)
class Row:
    """A row with at least one cell that is not empty."""

    number: int
    cells: dict[int, str] = field(default_factory=dict)
    """Text by column, from 0; empty cells are left out."""
    formulas: list[int] = field(default_factory=list)
    """The columns where the text is what a formula came to."""
    failures: list[tuple[int, str]] = field(default_factory=list)
    """The columns where a formula failed or was never worked out, and what stands there."""
    length: int = 0
    """Characters in all."""


@dataclass(slots=True)
class _RawRow:
    """A row whose shared texts are not looked up yet: each could be as long as a row may be."""

    number: int
    cells: list[tuple[int, str | int]] = field(default_factory=list)
    formulas: list[int] = field(default_factory=list)
    failures: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Meaning:
    """What the cells of a workbook refer to."""

    texts: SharedTexts | None
    kinds: Sequence[Kind]
    """By the number of a cell's style."""
    since_1904: bool
    max_row_length: int
    """Of a longer row (characters) the cells are dropped and the length kept."""

    def of(self, raw: _RawRow) -> Row | None:
        """The row with its texts; None if there are none. Raises Unreadable."""
        row = Row(raw.number, {}, raw.formulas, raw.failures)
        for column, cell in raw.cells:
            text = self._shared(cell, raw.number) if isinstance(cell, int) else cell
            if not text:
                continue
            row.length += len(text)
            if row.length > self.max_row_length:
                row.cells.clear()
            else:
                row.cells[column] = text
        return row if row.length or row.failures else None

    def _shared(self, index: int, number: int) -> str:
        if self.texts is None or not 0 <= index < len(self.texts):
            raise _broken(f"row {number:,} refers to a text that is not there")
        return self.texts[index]


def rows(pieces: Iterable[bytes], meaning: Meaning) -> Iterator[Row]:
    """The rows of a sheet that are not empty, ascending. Raises Unreadable."""
    sheet = _Sheet(meaning)
    for piece in pieces:
        yield from filter(None, map(meaning.of, sheet.feed(piece)))
    yield from filter(None, map(meaning.of, sheet.finish()))


class _Sheet:
    """Takes the events of the XML."""

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._parser = WorkbookXml(self._start, self._end, self._text)
        self._rows: list[_RawRow] = []
        self._row = _RawRow(0)
        self._number = 0
        self._column = -1
        self._type = ""
        self._style = 0
        self._formula = False
        self._reads = False
        self._phonetic = 0
        self._parts: list[str] = []

    def feed(self, piece: bytes) -> list[_RawRow]:
        """The rows that `piece` completes."""
        self._parser.feed(piece)
        found, self._rows = self._rows, []
        return found

    def finish(self) -> list[_RawRow]:
        """The rows that were left."""
        self._parser.finish()
        return self._rows

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "c":
            self._begin_cell(attributes)
        elif name in ("v", "t"):
            self._reads = not self._phonetic
        elif name == "f":
            self._formula = True
        elif name == "row":
            self._begin_row(attributes.get("r", ""))
        elif name == "rPh":
            self._phonetic += 1

    def _end(self, name: str) -> None:
        if name in ("v", "t"):
            self._reads = False
        elif name == "c":
            self._end_cell()
        elif name == "row":
            if self._row.cells or self._row.failures:
                self._rows.append(self._row)
            self._row = _RawRow(0)
        elif name == "rPh":
            self._phonetic -= 1

    def _text(self, characters: str) -> None:
        if self._reads:
            self._parts.append(characters)

    def _begin_row(self, number: str) -> None:
        following = self._number + 1
        if number:
            if not (number.isascii() and number.isdigit()) or len(number) > 7:
                raise _broken(f"a row is numbered {excerpt(number, 20)}")
            following = int(number)
        if not self._number < following <= MAX_ROW:
            raise _broken(f"row {following:,} follows on row {self._number:,}")
        self._number = following
        self._row = _RawRow(following)
        self._column = -1

    def _begin_cell(self, attributes: Mapping[str, str]) -> None:
        self._column += 1
        if reference := attributes.get("r"):
            found = _REFERENCE.fullmatch(reference)
            if found is None:
                raise _broken(f"a cell is named {excerpt(reference, 20)}")
            column = 0
            for letter in found.group(1):
                column = 26 * column + ord(letter) - 64
            if column - 1 < self._column:
                raise _broken(f"the cell {reference} is not in its place")
            self._column = column - 1
        if self._column >= MAX_COLUMN:
            raise _broken(f"row {self._number:,} has more than {MAX_COLUMN:,} columns")
        style = attributes.get("s", "0")
        self._style = int(style) if style.isascii() and style.isdigit() and len(style) < 8 else 0
        self._type = attributes.get("t", "n")
        self._formula = False
        self._parts = []

    def _end_cell(self) -> None:
        raw = "".join(self._parts)
        self._parts = []
        row, column = self._row, self._column
        if self._type == "e":
            row.failures.append((column, raw))
            return
        if self._formula:
            if not raw and self._type != "str":
                row.failures.append((column, ""))
                return
            row.formulas.append(column)
        if (value := self._value(raw)) != "":
            row.cells.append((column, value))

    def _value(self, raw: str) -> str | int:
        match self._type:
            case "s" if raw:
                return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else -1
            case "inlineStr" | "str":
                return unescaped(raw)
            case "b":
                return {"1": "TRUE", "0": "FALSE"}.get(raw, raw)
            case "n" if raw:
                kinds = self._meaning.kinds
                kind = kinds[self._style] if self._style < len(kinds) else Kind.NUMBER
                return number_text(raw, kind, self._meaning.since_1904)
        return raw


def _broken(what: str) -> Unreadable:
    return Unreadable(Problem("WORKBOOK_BROKEN", f"the sheet is broken: {what}"))
