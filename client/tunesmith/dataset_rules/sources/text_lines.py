"""Plain text: one completion a line."""

from collections.abc import Iterator, Sequence

import msgspec

from tunesmith.dataset_rules.sources.lines import CutLine, LineSplitter, cut
from tunesmith.dataset_rules.sources.rows import Rows, SourceProblem

_encode = msgspec.json.Encoder().encode


class TextLines:
    """Each line that is not blank is an example without a prompt, for open-ended generation."""

    def __init__(self, max_line_bytes: int) -> None:
        self._splitter = LineSplitter(max_line_bytes)
        self._lines = 0

    def feed(self, chunk: bytes) -> Iterator[Rows]:
        """The rows that `chunk` completes."""
        for part in self._splitter.feed(chunk):
            yield from self._rows(cut(part))

    def finish(self) -> Iterator[Rows]:
        """The last line, if the file did not end with a line feed."""
        yield from self._rows(self._splitter.finish())

    def problems(self) -> Sequence[SourceProblem]:
        """None: any text will do."""
        return ()

    def _rows(self, lines: Sequence[bytes]) -> Iterator[Rows]:
        numbers: list[int] = []
        rows: list[bytes] = []
        for number, line in enumerate(lines, self._lines + 1):
            if isinstance(line, CutLine) or line.strip():
                numbers.append(number)
                rows.append(_row(line))
        self._lines += len(lines)
        if rows:
            yield Rows(numbers, rows)


def _row(line: bytes) -> bytes:
    if isinstance(line, CutLine):
        return line
    text = line.removesuffix(b"\n").removesuffix(b"\r")
    try:
        return _encode({"prompt": "", "completion": text.decode()})
    except UnicodeDecodeError:
        return text  # the rules say which byte it is
