"""Comma- and tab-separated values: RFC 4180 with a header, read by Python's csv."""

import csv
import re
from collections.abc import Iterator, Sequence
from io import StringIO

from tunesmith.dataset_rules.excerpts import excerpt, plural
from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.sources.columns import Columns, header_problem
from tunesmith.dataset_rules.sources.lines import CutLine, LineSplitter, cut
from tunesmith.dataset_rules.sources.problems import Noted, Unreadable
from tunesmith.dataset_rules.sources.rows import Rows, SourceProblem

_QUOTED_TO_THE_END = re.compile(rb'(?:[^"]++|"")*+"')


class Delimited:
    """The first record names the columns; each other one is a row.

    A record may go over several lines inside of quotes and is numbered by its first. Raises
    Unreadable for a header that names no columns.
    """

    def __init__(self, max_line_bytes: int, delimiter: str) -> None:
        # The limit is the process's own and 128 KiB at first; it is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), max_line_bytes))
        self._max = max_line_bytes
        self._delimiter = delimiter
        self._splitter = LineSplitter(max_line_bytes)
        self._records = _Records(max_line_bytes, delimiter)
        self._noted = Noted()
        self._columns: Columns | None = None

    def feed(self, chunk: bytes) -> Iterator[Rows]:
        """The rows that `chunk` completes."""
        for part in self._splitter.feed(chunk):
            rest = self._records.hold(part) if isinstance(part, bytes) else part
            yield from self._rows(self._records.add(cut(rest)))

    def finish(self) -> Iterator[Rows]:
        """The last row, if the file did not end with a line feed."""
        yield from self._rows(self._records.add(self._splitter.finish()))
        open_since, rest = self._records.finish()
        if open_since:
            words = "the quote that opens in this record is never closed"
            self._noted.add(open_since, "RECORD_INVALID", words)
            if isinstance(rest, CutLine):
                yield Rows((open_since,), (rest,))

    def problems(self) -> Sequence[SourceProblem]:
        """Records that are not well formed, or have more or fewer cells than there are columns."""
        return self._noted.all()

    def _rows(self, records: Sequence[tuple[int, bytes]]) -> Iterator[Rows]:
        start = 0
        while start < len(records):  # as a rule once; once more after each record that is broken
            numbers: list[int] = []
            lines: list[bytes] = []
            start += self._read(records[start:], numbers, lines)
            if lines:
                yield Rows(numbers, lines)

    def _read(
        self, records: Sequence[tuple[int, bytes]], numbers: list[int], lines: list[bytes]
    ) -> int:
        """Read records up to one that is broken; how many that were, with the broken one."""
        sound = len(records)
        for i, (_, record) in enumerate(records):
            if isinstance(record, CutLine):
                sound = i
                break
        block = b"".join(record for _, record in records[:sound])
        try:
            text = block.decode()
        except UnicodeDecodeError as error:
            sound = _record_at(records, error.start)
            text = block[: sum(len(record) for _, record in records[:sound])].decode()
        done = 0
        reader = csv.reader(StringIO(text, newline="\n"), delimiter=self._delimiter, strict=True)
        while done < sound:
            number = records[done][0]
            done += 1
            try:
                cells = next(reader)
            except csv.Error as error:
                self._broken(number, error)
                return done
            if cells:
                self._take(number, cells, numbers, lines)
        if done < len(records):
            number, record = records[done]
            done += 1
            if self._columns is None:
                raise _headless(number, record)
            numbers.append(number)
            lines.append(record if isinstance(record, CutLine) else record.rstrip(b"\r\n"))
        return done

    def _take(self, number: int, cells: list[str], numbers: list[int], lines: list[bytes]) -> None:
        if self._columns is None:
            if problem := header_problem(cells, self._delimiter):
                raise Unreadable(problem, number)
            self._columns = Columns(cells)
            return
        expected = len(self._columns)
        if len(cells) != expected:
            have = f"{plural(len(cells), 'cell')}, but there are {plural(expected, 'column')}"
            if any(cells[expected:]):
                near = excerpt(next(filter(None, cells[expected:])), 20)
                words = f"the record has {have}; the first cell too many is `{near}`"
                self._noted.add(number, "CELLS_TOO_MANY", words)
                return
            if len(cells) < expected:
                self._noted.add(number, "CELLS_MISSING", f"the record has {have}")
        numbers.append(number)
        lines.append(self._columns.row(cells))

    def _broken(self, number: int, error: csv.Error) -> None:
        words = next(
            (words for start, words in _WORDS.items() if str(error).startswith(start)),
            "the record cannot be read",
        )
        if self._columns is None:
            raise Unreadable(Problem("RECORD_INVALID", words), number)
        self._noted.add(number, "RECORD_INVALID", words)


_WORDS = {
    "new-line": "a carriage return without a line feed stands outside of quotes",
    "'": "text stands after a closing quote; a quote within a cell is doubled",
}
"""Python's messages differ from version to version; their first words do not."""


class _Records:
    """Joins lines to records: a line end inside of quotes ends none."""

    def __init__(self, max_bytes: int, delimiter: str) -> None:
        self._max = max_bytes
        d = delimiter.encode()
        field = rb'(?:"(?:[^"]++|"")*+"|[^"%b][^%b]*+|)' % (d, d)
        self._fields = re.compile(rb"%b(?:%b%b)*+" % (field, d, field))
        self._more_fields = re.compile(rb"(?:%b%b)*+" % (d, field))
        self._line = 0
        self._open_since = 0
        self._held = bytearray()
        self._held_bytes = 0

    def add(self, lines: Sequence[bytes]) -> list[tuple[int, bytes]]:
        """The records that `lines` complete, each with the number of its first line."""
        records: list[tuple[int, bytes]] = []
        for line in lines:
            self._line += 1
            if not self._open_since:
                if isinstance(line, CutLine) or b'"' not in line or not self._opens(line):
                    records.append((self._line, line))
                    continue
                self._open_since = self._line
                self._hold(line)
            else:
                self._hold(line)
                if self._closes(line):
                    records.append((self._open_since, self._release()))
        return records

    def hold(self, block: bytes) -> bytes:
        """Take the lines of a block that surely belong to an open record; those that are left."""
        if not self._open_since:
            return block
        quote = block.find(b'"')
        end = len(block) if quote < 0 else block.rfind(b"\n", 0, quote) + 1
        self._line += block.count(b"\n", 0, end)
        self._hold(block[:end])
        return block[end:]

    def finish(self) -> tuple[int, bytes]:
        """The line on which a record began that never ended, or 0, and what is held of it."""
        since = self._open_since
        return since, self._release()

    def _hold(self, line: bytes) -> None:
        self._held_bytes += line.length if isinstance(line, CutLine) else len(line)
        if self._held_bytes > self._max + 1:
            self._held = bytearray()
        else:
            self._held += line

    def _release(self) -> bytes:
        length = self._held_bytes
        record = bytes(self._held) if length <= self._max + 1 else CutLine(length - 1)
        self._open_since, self._held, self._held_bytes = 0, bytearray(), 0
        return record

    def _opens(self, line: bytes) -> bool:
        """Whether `line`, the first of a record, ends inside of quotes."""
        return self._ends_open(line, self._fields.match(line))

    def _closes(self, line: bytes) -> bool:
        """Whether `line`, which begins inside of quotes, ends outside of them."""
        closing = _QUOTED_TO_THE_END.match(line)
        if closing is None:
            return False
        return not self._ends_open(line, self._more_fields.match(line, closing.end()))

    @staticmethod
    def _ends_open(line: bytes, fields: re.Match[bytes] | None) -> bool:
        """After the fields that are whole: an opening quote, else a line end or garbage."""
        return fields is not None and line.startswith(b'"', fields.end())


def _record_at(records: Sequence[tuple[int, bytes]], place: int) -> int:
    """Which of the records, end to end, has the byte at `place`."""
    for i, (_, record) in enumerate(records):
        place -= len(record)
        if place < 0:
            return i
    return len(records)


def _headless(number: int, record: bytes) -> Unreadable:
    if isinstance(record, CutLine):
        words = f"the header is {plural(record.length, 'byte')} long"
        return Unreadable(Problem("LINE_TOO_LONG", words), number)
    return Unreadable(Problem("ENCODING_INVALID", "the header is not UTF-8"), number)
