"""Bytes into lines, in bounded memory, whatever the sizes of the pieces they come in."""

from collections.abc import Iterator
from io import BytesIO

_WINDOW = 2**20
"""How much is cut at once (bytes); bounds memory when a caller hands over a huge piece."""


class CutLine(bytes):
    """Stands for a line over the limit: empty, so that it never decodes, but knows its length."""

    length: int

    def __new__(cls, length: int) -> "CutLine":
        """The stand-in for a line of `length` bytes."""
        line = super().__new__(cls)
        line.length = length
        return line


class LineSplitter:
    """Cuts a stream of bytes at line feeds.

    The line ends stay on the lines: JSON takes them for white space. A line over `max_line_bytes`
    (without its line feed) is not kept: a `CutLine` takes its place. Windows line ends are counted.
    """

    def __init__(self, max_line_bytes: int) -> None:
        self._max = max_line_bytes
        self._held = bytearray()
        self._dropped_bytes = 0
        self._lines = 0
        self.crlf_count = 0
        """Lines that ended with carriage return and line feed."""
        self.crlf_first_line = 0
        """The first of those, counted from 1; 0 if there is none."""

    def feed(self, chunk: bytes) -> Iterator[list[bytes]]:
        """The lines that `chunk` completes, in batches."""
        if len(chunk) <= _WINDOW:
            yield self._cut(chunk)
            return
        for start in range(0, len(chunk), _WINDOW):
            yield self._cut(chunk[start : start + _WINDOW])

    def finish(self) -> list[bytes]:
        """The last line, if the stream did not end with a line feed."""
        if self._dropped_bytes:
            return [CutLine(self._dropped_bytes)]
        return [bytes(self._held)] if self._held else []

    def _cut(self, window: bytes) -> list[bytes]:
        end = window.rfind(b"\n") + 1
        if not end:
            self._hold(window)
            return []
        block = bytes(self._held) + window[:end]
        # Twice as fast as split, and JSON does not mind the line feeds that stay on.
        lines = BytesIO(block).readlines()
        if self._dropped_bytes:
            lines[0] = CutLine(self._dropped_bytes + len(lines[0]) - 1)
        if len(block) > self._max:
            lines = [
                CutLine(len(line) - 1) if len(line) > self._max + 1 else line for line in lines
            ]
        if b"\r" in block:
            self._count_crlf(lines)
        self._lines += len(lines)
        self._held, self._dropped_bytes = bytearray(), 0
        self._hold(window[end:])
        return lines

    def _hold(self, piece: bytes) -> None:
        """Keep the beginning of a line, or only its length once it is over the limit."""
        if self._dropped_bytes:
            self._dropped_bytes += len(piece)
        elif len(self._held) + len(piece) > self._max:
            self._dropped_bytes = len(self._held) + len(piece)
            self._held = bytearray()
        else:
            self._held += piece

    def _count_crlf(self, lines: list[bytes]) -> None:
        ended = [number for number, line in enumerate(lines, 1) if line.endswith(b"\r\n")]
        if ended and not self.crlf_count:
            self.crlf_first_line = self._lines + ended[0]
        self.crlf_count += len(ended)
