"""A ZIP archive that nobody vouches for, read within bounds."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, Final

from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.sources.expansion import FREE_BYTES, RATIO, allowed
from tunesmith.dataset_rules.sources.problems import Unreadable

MAX_BYTES: Final = 64 * 2**20
"""The largest workbook that is read; Excel's million rows of short texts take half of it."""
SMALL_PART: Final = 8 * 2**20
"""The most (bytes, unpacked) of a part that is not rows or texts."""

_TOO_FAR = f"the workbook unpacks to more than {FREE_BYTES >> 20} MiB and {RATIO} times its size"
_PIECE = 2**16
_AT_ONCE = 2**20
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    NotImplementedError,  # zipfile's, for a way of packing that it does not know
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What zipfile raises for archives that are broken, encrypted or absurd."""


class Archive:
    """The parts of an archive. What cannot be read raises Unreadable."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._left = allowed(size)
        try:
            self._zip = zipfile.ZipFile(_Frugal(file))
        except _BROKEN as error:
            raise Unreadable(_broken("the ZIP archive is broken")) from error

    def __contains__(self, name: str) -> bool:
        return name in self._zip.NameToInfo

    def read(self, name: str) -> bytes:
        """A small part as a whole."""
        return b"".join(self.pieces(name, SMALL_PART))

    def pieces(self, name: str, limit: int) -> Iterator[bytes]:
        """A part, piece by piece; `limit` is the most it may unpack to."""
        info = self._zip.NameToInfo.get(name)
        if info is None:
            raise Unreadable(_broken(f"the workbook has no part {name[:60]!r}"))
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unreadable(_broken("the workbook is compressed in an unusual way"))
        if info.flag_bits & 1:
            raise Unreadable(_broken("the workbook is encrypted"))
        # zipfile reads no further than the archive says that the part goes
        if info.file_size > limit:
            words = f"a part of the workbook unpacks to {info.file_size:,} bytes"
            raise Unreadable(_expanding(words))
        try:
            with self._zip.open(info) as part:
                while piece := part.read(_PIECE):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise Unreadable(_expanding(_TOO_FAR))
                    yield piece
        except _BROKEN as error:
            raise Unreadable(_broken("the ZIP archive is broken")) from error


class _Frugal:
    """A file that gives little at once: zipfile takes the whole directory in one piece."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size if 0 <= size <= _AT_ONCE else _AT_ONCE + 1)
        if len(data) > _AT_ONCE:
            raise zipfile.BadZipFile("a directory over a mebibyte")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _broken(what: str) -> Problem:
    return Problem("WORKBOOK_BROKEN", what)


def _expanding(what: str) -> Problem:
    return Problem("EXPANDS_TOO_FAR", what)
