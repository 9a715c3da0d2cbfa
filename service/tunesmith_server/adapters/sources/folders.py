"""Files in folders of this machine that an operator has opened for imports."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from tunesmith_server.adapters.sources.faults import refused
from tunesmith_server.domain.errors import InvalidArgument, SourceUnreadable
from tunesmith_server.ports import Source

_CHUNK = 2**20
_LOCAL = ("", "localhost")


class Folders:
    """Reads files within some folders."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = tuple(folders)

    @asynccontextmanager
    async def open(self, uri: str, tenant: str) -> AsyncIterator[Source]:
        """The file at a `file:` URI."""
        path = self._path(uri, tenant)
        try:
            file, size = await asyncio.to_thread(self._opened, path, tenant)
        except OSError as error:
            raise SourceUnreadable(uri, f"cannot be read: {error.strerror}") from None
        with file:
            yield Source(path.name, size, _chunks(uri, file, size))

    def _path(self, uri: str, tenant: str) -> Path:
        parts = urlsplit(uri)
        if parts.netloc not in _LOCAL or parts.query or parts.fragment:
            raise refused("is not of the form file:///folder/file")
        text = unquote(parts.path)
        path = Path(os.path.normpath(text))
        # as it is spelled first: of files elsewhere nobody shall learn whether they are there
        if "\0" in text or not any(path.is_relative_to(root) for root in self._roots(tenant)):
            raise _outside()
        return path

    def _opened(self, path: Path, tenant: str) -> tuple[BinaryIO, int]:
        """The open file and its size.

        A path may lead anywhere by links, and change while it is looked at. So the file is only
        pointed at first, which opens no device and no pipe, and read if it lies in a folder.
        """
        pointer = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            itself = f"/proc/self/fd/{pointer}"
            place = Path(os.readlink(itself))
            if not any(place.is_relative_to(root.resolve()) for root in self._roots(tenant)):
                raise _outside()
            found = os.fstat(pointer)
            if not stat.S_ISREG(found.st_mode):
                raise refused("names no file")
            return open(itself, "rb", buffering=0), found.st_size  # the caller does
        finally:
            os.close(pointer)

    def _roots(self, tenant: str) -> list[Path]:
        return [Path(folder.replace("{tenant}", tenant)) for folder in self._folders]


async def _chunks(uri: str, file: BinaryIO, size: int) -> AsyncIterator[bytes]:
    came = 0
    try:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            came += len(chunk)
            yield chunk
    except OSError as error:
        raise SourceUnreadable(uri, f"cannot be read: {error.strerror}") from None
    if came != size:
        raise SourceUnreadable(uri, "was changed while it was read; import it again")


def _outside() -> InvalidArgument:
    return refused(
        "is in no folder that may be imported from; an operator opens one with "
        "TUNESMITH_IMPORTS__FILE_ROOTS"
    )
