"""One file of any format: unpacked, transcoded and cut into rows."""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.sources import magic
from tunesmith.dataset_rules.sources.delimited import Delimited
from tunesmith.dataset_rules.sources.detection import detect
from tunesmith.dataset_rules.sources.encoding import Transcoder
from tunesmith.dataset_rules.sources.formats import TITLES, Format, format_of_name
from tunesmith.dataset_rules.sources.gunzip import Gunzip
from tunesmith.dataset_rules.sources.json_lines import JsonLines
from tunesmith.dataset_rules.sources.json_values import JsonValues
from tunesmith.dataset_rules.sources.problems import Unreadable
from tunesmith.dataset_rules.sources.rows import Rows, SourceProblem
from tunesmith.dataset_rules.sources.text_lines import TextLines
from tunesmith.dataset_rules.sources.workbook import Workbook

_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b")) + b"\x7f"
_MARKUP: Final = {b"<!doctype html": "a web page", b"<html": "a web page", b"<?xml": "XML"}


class _Reader(Protocol):
    """Cuts the content of a file into rows; may raise Unreadable."""

    def feed(self, chunk: bytes) -> Iterator[Rows]: ...

    def finish(self) -> Iterator[Rows]: ...

    def problems(self) -> Sequence[SourceProblem]: ...


class FileSource:
    """Reads a file: gzip and a ZIP archive by their first bytes, then encoding, then format."""

    def __init__(self, max_line_bytes: int, format: Format | None, file_name: str) -> None:
        self._max = max_line_bytes
        self._told = format
        self._name = file_name
        self._head = b""
        """What has come so far of what the next decision needs."""
        self._gunzip: Gunzip | None = None
        self._packing_known = False
        self._transcoder: Transcoder | None = None
        self._reader: _Reader | None = None
        self._format = format
        self._problems: list[SourceProblem] = []
        self._stopped = False

    @property
    def format(self) -> Format | None:
        """As told or detected; None as long as too little has been read."""
        return self._format

    @property
    def encoding(self) -> str:
        """Of the text, as Python calls it; empty for a workbook, or while it is not known."""
        return self._transcoder.encoding if self._transcoder else ""

    def feed(self, chunk: bytes) -> Iterator[Rows]:
        """The rows that `chunk` completes."""
        if self._stopped or not chunk:
            return
        try:
            yield from self._file(chunk, last=False)
        except Unreadable as reason:
            self._stop(reason)

    def finish(self) -> Iterator[Rows]:
        """The rows that were left; no more pieces can come."""
        if self._stopped:
            return
        try:
            yield from self._file(b"", last=True)
        except Unreadable as reason:
            self._stop(reason)

    def problems(self) -> Sequence[SourceProblem]:
        """What was found so far: by line, what is about the whole file last."""
        found = [*self._problems, *(self._reader.problems() if self._reader else ())]
        return sorted(found, key=lambda found: (not found.line, found.line))

    def _stop(self, reason: Unreadable) -> None:
        self._stopped = True
        self._problems.append(SourceProblem(reason.line, reason.problem))

    def _file(self, chunk: bytes, *, last: bool) -> Iterator[Rows]:
        """The bytes as they come: packed or not."""
        if not self._packing_known:
            self._head += chunk
            if len(self._head) < 2 and not last:
                return
            chunk, self._head, self._packing_known = self._head, b"", True
            if magic.is_gzip(chunk):
                self._gunzip = Gunzip()
        if self._gunzip is None:
            yield from self._content(chunk, last=last)
            return
        for piece in self._gunzip.feed(chunk):
            yield from self._content(piece, last=False)
        if last:
            for piece in self._gunzip.finish():
                yield from self._content(piece, last=False)
            yield from self._content(b"", last=True)

    def _content(self, chunk: bytes, *, last: bool) -> Iterator[Rows]:
        """The bytes of the file proper: a workbook or text."""
        if self._transcoder is None and self._reader is None:
            self._head += chunk
            if len(self._head) < magic.NEEDED and not last:
                return
            chunk, self._head = self._head, b""
            self._open(chunk[: magic.NEEDED])
        if self._transcoder is None:
            yield from self._rows(chunk, last=last)
            return
        for text in self._transcoder.feed(chunk):
            yield from self._text(text, last=False)
        if last:
            yield from self._text(self._transcoder.finish(), last=True)

    def _open(self, head: bytes) -> None:
        """Decide between a workbook and text. Raises Unreadable if it is neither."""
        if magic.is_zip(head):
            if self._told not in (None, Format.XLSX):
                raise _unsupported(f"a ZIP archive or an Excel workbook, not {TITLES[self._told]}")
            self._note_name(Format.XLSX)
            self._format, self._reader = Format.XLSX, Workbook(self._max)
            return
        name = magic.foreign(head)
        if name is None and magic.is_gzip(head):
            name = "gzip inside of gzip"
        if name is None and self._told is Format.XLSX:
            name = "not an Excel workbook"
        if name is not None:
            raise _unsupported(name)
        self._transcoder = Transcoder(head)
        if self._told is None and self._transcoder.encoding == "utf-8":
            self._refuse_other_text(head)

    def _refuse_other_text(self, head: bytes) -> None:
        """Raises Unreadable for markup and for binary data of no known kind."""
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if format_of_name(self._name) is not Format.TXT:
            for begin, name in _MARKUP.items():
                if start.lower().startswith(begin):
                    raise _unsupported(name)
        controls = len(head) - len(head.translate(None, _CONTROLS))
        if controls > 1 and not start.startswith((b"{", b"[")):
            raise _unsupported("binary data of an unknown kind")

    def _text(self, text: bytes, *, last: bool) -> Iterator[Rows]:
        """Text in UTF-8."""
        if self._reader is None:
            self._head += text
            if self._told is None:
                detected = detect(self._head, complete=last, file_name=self._name)
                if detected is None:
                    return
                self._format = detected.format
                if detected.mismatch:
                    self._note(0, "FORMAT_MISMATCH", detected.mismatch)
            assert self._transcoder is not None
            assert self._format is not None
            if self._transcoder.marked and self._transcoder.encoding == "utf-8":
                self._note(1, "BOM", "the file begins with a byte order mark")
            self._reader = self._reader_of(self._format)
            text, self._head = self._head, b""
        yield from self._rows(text, last=last)

    def _rows(self, chunk: bytes, *, last: bool) -> Iterator[Rows]:
        assert self._reader is not None
        if chunk:
            yield from self._reader.feed(chunk)
        if last:
            yield from self._reader.finish()

    def _reader_of(self, format: Format) -> _Reader:
        match format:
            case Format.JSON:
                return JsonValues(self._max)
            case Format.CSV:
                return Delimited(self._max, ",")
            case Format.TSV:
                return Delimited(self._max, "\t")
            case Format.TXT:
                return TextLines(self._max)
        return JsonLines(self._max)

    def _note_name(self, found: Format) -> None:
        said = format_of_name(self._name)
        if self._told is None and said not in (None, found):
            words = f"the file's name stands for {TITLES[said]}, but it is {TITLES[found]}"
            self._note(0, "FORMAT_MISMATCH", words)

    def _note(self, line: int, code: str, message: str) -> None:
        self._problems.append(SourceProblem(line, Problem(code, message)))


def _unsupported(name: str) -> Unreadable:
    return Unreadable(Problem("FORMAT_UNSUPPORTED", f"the file is {name}"))
