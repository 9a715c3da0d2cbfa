"""Bytes into lines, in bounded memory, whatever the sizes of the pieces they come in."""

from collections.abc import Iterator, Sequence
from io import BytesIO

_WINDOW = 2**17
"""How much is handed on at once (bytes): what is made of it stays in the processor's cache, and
memory is bounded when a caller hands over a huge piece."""


class CutLine(bytes):
    """Stands for a line over the limit: empty, so that it never decodes, but knows its length."""

    length: int

    def __new__(cls, length: int) -> "CutLine":
        """The stand-in for a line of `length` bytes."""
        line = super().__new__(cls)
        line.length = length
        return line


class LineSplitter:
    """Cuts a stream of bytes at line feeds: into blocks of whole lines, not further than needed.

    The line ends stay on the lines: JSON takes them for white space. A line over `max_line_bytes`
    (without its line feed) is not kept: a `CutLine` takes its place, in a list of lines instead of
    a block. So do blocks with carriage returns: Windows line ends are counted.
    """

    def __init__(self, max_line_bytes: int) -> None:
        self._max = max_line_bytes
        self._held = bytearray()
        self._dropped_bytes = 0
        self.lines = 0
        """How many lines came before the next part; whoever numbers them keeps it up to date."""
        self.crlf_count = 0
        """Lines that ended with carriage return and line feed."""
        self.crlf_first_line = 0
        """The first of those, counted from 1; 0 if there is none."""

    def feed(self, chunk: bytes) -> Iterator[bytes | list[bytes]]:
        """The lines that `chunk` completes, as blocks, or as lists where one was too long."""
        at = 0
        while at < len(chunk):
            end = chunk.rfind(b"\n", at, at + _WINDOW) + 1
            if end:
                yield self._cut(chunk[at:end])
            else:
                end = at + _WINDOW
                self._hold(chunk[at:end])
            at = end

    def finish(self) -> list[bytes]:
        """The last line, if the stream did not end with a line feed."""
        if self._dropped_bytes:
            return [CutLine(self._dropped_bytes)]
        return [bytes(self._held)] if self._held else []

    def _cut(self, block: bytes) -> bytes | list[bytes]:
        if self._held:
            block, self._held = bytes(self._held) + block, bytearray()
        dropped, self._dropped_bytes = self._dropped_bytes, 0
        if not dropped and len(block) <= self._max and b"\r" not in block:
            return block
        lines = BytesIO(block).readlines()
        if dropped:
            lines[0] = CutLine(dropped + len(lines[0]) - 1)
        lines = [CutLine(len(line) - 1) if len(line) > self._max + 1 else line for line in lines]
        if b"\r" in block:
            self._count_crlf(lines)
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
            self.crlf_first_line = self.lines + ended[0]
        self.crlf_count += len(ended)


def cut(part: bytes | Sequence[bytes]) -> Sequence[bytes]:
    """The lines of what a `LineSplitter` gives, each with its line end."""
    return BytesIO(part).readlines() if isinstance(part, bytes) else part
