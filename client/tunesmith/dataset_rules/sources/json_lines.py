"""JSON lines: handed on as they are."""

from collections.abc import Iterator, Sequence

from tunesmith.dataset_rules.excerpts import plural
from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.sources.formats import Format
from tunesmith.dataset_rules.sources.lines import LineSplitter
from tunesmith.dataset_rules.sources.rows import Rows, SourceProblem


class JsonLines:
    """A file with one JSON object a line, or one that is taken for such a file."""

    format = Format.JSONL

    def __init__(self, max_line_bytes: int) -> None:
        self._splitter = LineSplitter(max_line_bytes)
        self._lines = 0

    def feed(self, chunk: bytes) -> Iterator[Rows]:
        """The lines that `chunk` completes."""
        for part in self._splitter.feed(chunk):
            yield from self._numbered(part)

    def finish(self) -> Iterator[Rows]:
        """The last line, if the file did not end with a line feed."""
        if lines := self._splitter.finish():
            yield from self._numbered(lines)

    def problems(self) -> Sequence[SourceProblem]:
        """Windows line ends, if there are any."""
        count = self._splitter.crlf_count
        if not count:
            return ()
        words = f"{plural(count, 'line')} with Windows line ends"
        return (SourceProblem(self._splitter.crlf_first_line, Problem("CRLF", words), count),)

    def _numbered(self, part: bytes | list[bytes]) -> Iterator[Rows]:
        first = self._lines + 1
        if isinstance(part, bytes):
            rows = Rows.of_block(first, part)
        else:
            rows = Rows(range(first, first + len(part)), part)
        yield rows
        # Only now: who reads the rows may find out how many they are faster than by counting.
        self._lines += len(rows)
        self._splitter.lines = self._lines
