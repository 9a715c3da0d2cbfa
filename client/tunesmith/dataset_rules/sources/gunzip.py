"""Gzip, unpacked piece by piece within bounds."""

import zlib
from collections.abc import Iterator
from typing import Final

from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.sources.expansion import FREE_BYTES, RATIO, allowed
from tunesmith.dataset_rules.sources.problems import Unreadable

_PIECE = 2**20
_BLOCK = 2**16
"""Data is unpacked in blocks of so many bytes, counted from the beginning of the file: so what
comes out before a fault is the same, whatever the sizes of the pieces that came in."""
_GZIP: Final = 31  # zlib's sign for a gzip header and trailer
_MAGIC: Final = b"\x1f\x8b"


class Gunzip:
    """Unpacks a stream of one or more gzip members, as `gzip -d` does.

    Raises Unreadable where the data is broken, followed by something else, or expands too far.
    """

    def __init__(self) -> None:
        self._held = b""
        self._member = zlib.decompressobj(_GZIP)
        self._fresh = True
        """Whether the member has not had a byte yet."""
        self._between = b""
        """What came after the last member: zeros, or the beginning of the next one."""
        self._members = 0
        self._packed = 0
        self._unpacked = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What `chunk` unpacks to, in pieces of a mebibyte at most."""
        data = self._held + chunk
        whole = len(data) - len(data) % _BLOCK
        self._held = data[whole:]
        for start in range(0, whole, _BLOCK):
            yield from self._unpack(data[start : start + _BLOCK])

    def finish(self) -> Iterator[bytes]:
        """What is left. Raises Unreadable if the data breaks off."""
        yield from self._unpack(self._held)
        if not self._fresh or not self._members:
            raise Unreadable(_broken("breaks off before its end"))
        if self._between:
            raise self._trailing()

    def _unpack(self, block: bytes) -> Iterator[bytes]:
        self._packed += len(block)
        rest, more = block, False
        while rest or more:
            if self._fresh and self._members:
                rest = self._next_member(rest)
                if not rest:
                    return
            self._fresh = False
            try:
                piece = self._member.decompress(rest, _PIECE)
            except zlib.error as error:
                raise Unreadable(_broken(f"is broken ({_reason(error)})")) from error
            self._unpacked += len(piece)
            if self._unpacked > allowed(self._packed):
                raise self._expanding()
            if piece:
                yield piece
            if self._member.eof:
                rest, more = self._member.unused_data, False
                self._member, self._fresh = zlib.decompressobj(_GZIP), True
                self._members += 1
            else:
                # a full piece may have left more of it inside, even of the last byte
                rest, more = self._member.unconsumed_tail, len(piece) == _PIECE

    def _expanding(self) -> Unreadable:
        words = (
            f"the gzip data unpacks to more than {FREE_BYTES >> 20} MiB and {RATIO} times its size"
        )
        return Unreadable(Problem("EXPANDS_TOO_FAR", words))

    def _next_member(self, rest: bytes) -> bytes:
        """`rest` from the beginning of the next member on; empty if that has not come yet."""
        if not self._between:
            rest = rest.lstrip(b"\0")  # some writers fill up the last block
        rest = self._between + rest
        self._between = b""
        if len(rest) < len(_MAGIC) and _MAGIC.startswith(rest):
            self._between = rest
            return b""
        if not rest.startswith(_MAGIC):
            raise self._trailing()
        return rest

    def _trailing(self) -> Unreadable:
        return Unreadable(_broken("is followed by something that is not gzip"))


def _broken(what: str) -> Problem:
    return Problem("GZIP_BROKEN", f"the gzip data {what}")


def _reason(error: zlib.error) -> str:
    """The cause in zlib's words, which stand after the last colon."""
    return str(error).rpartition(": ")[2]
