"""Text of other encodings as UTF-8, piece by piece."""

import codecs
from collections.abc import Iterator
from typing import Final

from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.sources.problems import Unreadable

NEEDED: Final = 4
"""So many bytes are enough to tell the encoding."""

_WINDOW = 2**19


class Transcoder:
    """Takes text in UTF-8 or UTF-16 and gives it in UTF-8, without a byte order mark.

    A half character of UTF-16 becomes three bytes that are not UTF-8, so that the rules find it on
    its line.
    """

    def __init__(self, head: bytes) -> None:
        """`head`: the first bytes, `NEEDED` at least or all. Raises Unreadable."""
        self.encoding, mark = _detected(head)
        self.marked = bool(mark)
        """Whether there is a byte order mark."""
        self._skip = len(mark)
        self._decoder: codecs.IncrementalDecoder | None = None
        if self.encoding != "utf-8":
            self._decoder = codecs.getincrementaldecoder(self.encoding)("surrogatepass")

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The same text in UTF-8."""
        if self._skip:
            self._skip, chunk = max(0, self._skip - len(chunk)), chunk[self._skip :]
        if self._decoder is None:
            yield chunk
            return
        for start in range(0, len(chunk), _WINDOW):
            text = self._decoder.decode(chunk[start : start + _WINDOW])
            yield text.encode("utf-8", "surrogatepass")

    def finish(self) -> bytes:
        """What was held back. Raises Unreadable if the file ends within a character."""
        if self._decoder is None:
            return b""
        held, _ = self._decoder.getstate()
        if len(held) == 2:  # half a pair
            return self._decoder.decode(b"", True).encode("utf-8", "surrogatepass")
        if held:
            words = f"the file is {NAMES[self.encoding]} and ends within a character"
            raise Unreadable(Problem("ENCODING_INVALID", words))
        return b""


NAMES: Final = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16, little-endian",
    "utf-16-be": "UTF-16, big-endian",
}


def _detected(head: bytes) -> tuple[str, bytes]:
    """The encoding of a text that begins so, and its byte order mark."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8", codecs.BOM_UTF8
    # before UTF-16, whose mark is the beginning of this one
    if head.startswith(codecs.BOM_UTF32_LE):
        raise _unsupported("UTF-32, little-endian")
    if head.startswith(codecs.BOM_UTF32_BE):
        raise _unsupported("UTF-32, big-endian")
    if head.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le", codecs.BOM_UTF16_LE
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be", codecs.BOM_UTF16_BE
    match [bool(byte) for byte in head[:4]]:
        case [True, False, True, False]:
            return "utf-16-le", b""
        case [False, True, False, True]:
            return "utf-16-be", b""
        case [True, False, False, False]:
            raise _unsupported("UTF-32, little-endian")
        case [False, False, False, True]:
            raise _unsupported("UTF-32, big-endian")
    return "utf-8", b""


def _unsupported(name: str) -> Unreadable:
    return Unreadable(Problem("ENCODING_INVALID", f"the file is {name} text"))
