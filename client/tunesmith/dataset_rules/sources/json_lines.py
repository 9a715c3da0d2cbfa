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
        for lines in self._splitter.feed(chunk):
            if lines:
                yield self._numbered(lines)

    def finish(self) -> Iterator[Rows]:
        """The last line, if the file did not end with a line feed."""
        if lines := self._splitter.finish():
            yield self._numbered(lines)

    def problems(self) -> Sequence[SourceProblem]:
        """Windows line ends, if there are any."""
        count = self._splitter.crlf_count
        if not count:
            return ()
        words = f"{plural(count, 'line')} with Windows line ends"
        return (SourceProblem(self._splitter.crlf_first_line, Problem("CRLF", words), count),)

    def _numbered(self, lines: Sequence[bytes]) -> Rows:
        first = self._lines + 1
        self._lines += len(lines)
        return Rows(range(first, first + len(lines)), lines)
