"""Writing a blob: piece by piece under a temporary name, then to its address at once."""

import asyncio
import hashlib
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Final, Self

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from tunesmith_server.adapters.blobs.faults import translated
from tunesmith_server.adapters.blobs.files import PartialFile
from tunesmith_server.adapters.blobs.keys import key_of, temporary_key
from tunesmith_server.ports import BlobRef

if TYPE_CHECKING:
    from obstore import AsyncWritableFile

CHUNK: Final = 2**20
"""How much is read or written at once (bytes)."""
_PART: Final = 8 * 2**20
"""The size of a part of a multipart upload (bytes); S3 takes at most 10,000 of them."""


class BlobWriter(ABC):
    """Receives a blob piece by piece, hashing it; keeps it on `commit`, else nothing.

    One task writes, one piece after the other.
    """

    _AT_ONCE: ClassVar[int] = CHUNK
    """How much is collected before it is stored (bytes)."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._size = 0
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._ref: BlobRef | None = None

    @property
    def digest(self) -> str:
        """The sha256 of the committed blob, hex."""
        if self._ref is None:
            raise RuntimeError("the blob is not committed yet")
        return self._ref.digest

    async def write(self, chunk: bytes) -> None:
        """Add a piece of any size."""
        if self._ref is not None:
            raise RuntimeError("the blob is committed")
        self._pending.append(chunk)
        self._pending_bytes += len(chunk)
        if self._pending_bytes >= self._AT_ONCE:
            await self._flush()

    async def commit(self) -> BlobRef:
        """Keep the blob. The second time, the same answer."""
        if self._ref is None:
            self._ref = await self._become_blob()
        return self._ref

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._end()

    async def _flush(self) -> None:
        if not self._pending_bytes:
            return
        piece = b"".join(self._pending)
        self._pending, self._pending_bytes = [], 0
        self._size += len(piece)
        await self._store_piece(piece)

    async def _flushed(self) -> BlobRef:
        """Store what is still pending; what has been written in all."""
        await self._flush()
        return BlobRef(self._hash.hexdigest(), self._size)

    @abstractmethod
    async def _store_piece(self, piece: bytes) -> None:
        """Hash and store some bytes, off the event loop."""

    @abstractmethod
    async def _become_blob(self) -> BlobRef:
        """Give all that was written its address."""

    @abstractmethod
    async def _end(self) -> None:
        """Let go of what has no address."""


class FileWriter(BlobWriter):
    """Writes into a local folder. What is committed survives a loss of power."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._file = PartialFile(folder)

    async def _store_piece(self, piece: bytes) -> None:
        with translated("write to"):
            await asyncio.to_thread(self._hash_and_append, piece)

    def _hash_and_append(self, piece: bytes) -> None:
        self._hash.update(piece)
        self._file.append(piece)

    async def _become_blob(self) -> BlobRef:
        ref = await self._flushed()
        with translated("write to"):
            await asyncio.to_thread(self._file.keep, key_of(ref.digest))
        return ref

    async def _end(self) -> None:
        await asyncio.shield(asyncio.to_thread(self._file.discard))


class ObjectWriter(BlobWriter):
    """Writes into an object store: a multipart upload, then a copy to the blob's address.

    S3 copies at most 5 GiB in one request, so that is the largest blob.
    """

    def __init__(self, store: ObjectStore) -> None:
        super().__init__()
        self._store = store
        self._key = temporary_key()
        self._upload: AsyncWritableFile | None = None

    async def _store_piece(self, piece: bytes) -> None:
        await asyncio.to_thread(self._hash.update, piece)
        with translated("write to"):
            await self._opened().write(piece)

    async def _become_blob(self) -> BlobRef:
        ref = await self._flushed()
        with translated("write to"):
            await self._opened().close()
            self._upload = None
            await obstore.copy_async(self._store, self._key, key_of(ref.digest))
        return ref

    def _opened(self) -> "AsyncWritableFile":
        if self._upload is None:
            self._upload = obstore.open_writer_async(self._store, self._key, buffer_size=_PART)
        return self._upload

    async def _end(self) -> None:
        await asyncio.shield(self._remove())

    async def _remove(self) -> None:
        """Remove the temporary object. An upload is completed first: its parts would stay."""
        with suppress(OSError, BaseError):
            if self._upload is not None:
                await self._upload.close()
        with suppress(OSError, BaseError):
            await obstore.delete_async(self._store, self._key)
