"""Uploads that may go on: what has arrived stays, over lost connections and lost processes.

In a folder a part is one file, appended to and locked. In an object store it is a row of objects,
each under the offset at which it begins and made only if there is none: of two that go on from the
same offset one finds it taken.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from tunesmith_server.adapters.blobs.faults import busy, translated
from tunesmith_server.adapters.blobs.files import PartFile
from tunesmith_server.adapters.blobs.keys import key_of, part_key
from tunesmith_server.adapters.blobs.writers import CHUNK, BlobWriter, ObjectWriter
from tunesmith_server.domain.errors import RequestInProgress, Unavailable
from tunesmith_server.ports import BlobRef

SYNCED_EVERY: Final = 8 * 2**20
"""How much is lost at most where power or a process is lost (bytes)."""


class PartWriter(BlobWriter):
    """A writer that goes on where what has arrived ends, and leaves it there if not committed.

    What is there is to be read by `kept` first, all of it, since the digest is of the whole.
    """

    def __init__(self) -> None:
        super().__init__()
        self._start = 0
        self._gone = False
        self._storing: asyncio.Future[None] | None = None

    @property
    def offset(self) -> int:
        """How much has arrived, in bytes; nothing once it is a blob."""
        if self._ref is not None or self._gone:
            return 0
        return max(self._start, self._size) + self._pending_bytes

    async def kept(self) -> AsyncIterator[bytes]:
        """What had arrived before."""
        while self._size < self._start:
            piece = await self._read(self._size)
            await asyncio.to_thread(self._hash.update, piece)
            self._size += len(piece)
            yield piece

    async def write(self, chunk: bytes) -> None:
        """Add a piece of any size."""
        if self._size < self._start:
            raise RuntimeError("what had arrived before was not read")
        await super().write(chunk)

    async def discard(self) -> None:
        """Keep nothing of it."""
        await self._settle()
        self._pending, self._pending_bytes, self._gone = [], 0, True
        await asyncio.shield(self._remove())

    async def _end(self) -> None:
        await asyncio.shield(self._leave())

    async def _leave(self) -> None:
        await self._settle()
        try:
            if self._ref is None and not self._gone and self._size >= self._start:
                await self._flush()
        finally:
            await self._close()

    async def _settle(self) -> None:
        """Wait for what a cancelled task was writing: its thread goes on."""
        if self._storing is not None:
            with suppress(Exception):
                await self._storing

    async def _store_piece(self, piece: bytes) -> None:
        self._storing = asyncio.ensure_future(self._append(self._size - len(piece), piece))
        await asyncio.shield(self._storing)

    @abstractmethod
    async def _append(self, offset: int, piece: bytes) -> None:
        """Hash and store some bytes at the end, which is at `offset`."""

    @abstractmethod
    async def _read(self, offset: int) -> bytes:
        """Some bytes of what had arrived, from `offset` on."""

    @abstractmethod
    async def _remove(self) -> None:
        """Remove what has arrived."""

    @abstractmethod
    async def _close(self) -> None:
        """Let somebody else go on."""


class FilePartWriter(PartWriter):
    """A part in a folder."""

    def __init__(self, folder: Path, uid: str) -> None:
        super().__init__()
        self._file = PartFile(folder, uid)
        self._unsynced = 0

    async def __aenter__(self) -> "FilePartWriter":
        opening = asyncio.ensure_future(asyncio.to_thread(self._file.open))
        try:
            with translated("write to"):
                self._start = await asyncio.shield(opening)
        except BaseException:  # nobody will leave it: a cancelled task's thread still locks it
            await asyncio.shield(self._close_after(opening))
            raise
        return self

    async def _append(self, offset: int, piece: bytes) -> None:
        with translated("write to"):
            await asyncio.to_thread(self._hash_and_append, piece)

    def _hash_and_append(self, piece: bytes) -> None:
        self._hash.update(piece)
        self._file.append(piece)
        self._unsynced += len(piece)
        if self._unsynced >= SYNCED_EVERY:
            self._file.sync()
            self._unsynced = 0

    async def _read(self, offset: int) -> bytes:
        with translated("read"):
            return await asyncio.to_thread(self._file.read, offset, CHUNK)

    async def _become_blob(self) -> BlobRef:
        ref = await self._flushed()
        with translated("write to"):
            await asyncio.to_thread(self._file.keep, key_of(ref.digest))
        return ref

    async def _remove(self) -> None:
        await asyncio.to_thread(self._file.discard)

    async def _close(self) -> None:
        with translated("write to"):
            await asyncio.to_thread(self._file.leave)

    async def _close_after(self, opening: "asyncio.Future[int]") -> None:
        with suppress(OSError):
            await opening
            await self._close()


class ObjectPartWriter(PartWriter):
    """A part in an object store.

    Committing sends the bytes a second time, from the store to the store: S3 joins objects itself
    only within one multipart upload, which would have to live as long as the part.
    """

    _AT_ONCE = SYNCED_EVERY  # an object is worth a request from some mebibytes on

    def __init__(self, store: ObjectStore, uid: str, held: set[str]) -> None:
        """`held` are the uids of the parts that this process has open."""
        super().__init__()
        self._store = store
        self._uid = uid
        self._held = held
        self._offsets: list[int] = []

    async def __aenter__(self) -> "ObjectPartWriter":
        if self._uid in self._held:
            raise busy()
        self._held.add(self._uid)
        try:
            objects, strays = await chain(self._store, self._uid)
            for stray in strays:  # behind a gap, which a lost write of two at once may have left
                await self._delete(stray)
        except BaseException:
            self._held.discard(self._uid)
            raise
        self._offsets = list(objects)
        self._start = sum(objects.values())
        return self

    async def _become_blob(self) -> BlobRef:
        async with ObjectWriter(self._store) as whole:
            for offset in self._offsets:
                await whole.write(await self._read(offset))
            for piece in self._pending:  # never an object of its own
                await asyncio.to_thread(self._hash.update, piece)
                await whole.write(piece)
            ref = await whole.commit()
        if ref.digest != self._hash.hexdigest():  # a store without If-None-Match, two at once
            await self.discard()
            raise Unavailable("the upload was spoilt; send it again", retry_after=1)
        self._ref = ref  # before anything else can be cancelled: nothing of it is pending any more
        self._pending, self._pending_bytes = [], 0
        await asyncio.shield(self._remove())
        return ref

    async def _append(self, offset: int, piece: bytes) -> None:
        await asyncio.to_thread(self._hash.update, piece)
        try:
            with translated("write to"):
                await obstore.put_async(
                    self._store, _object(self._uid, offset), piece, mode="create"
                )
        except RequestInProgress:
            self._gone = True  # another stream has gone on from here
            raise
        self._offsets.append(offset)

    async def _read(self, offset: int) -> bytes:
        with translated("read"):
            found = await obstore.get_async(self._store, _object(self._uid, offset))
            return bytes(await found.bytes_async())

    async def _remove(self) -> None:
        for offset in self._offsets:
            await self._delete(offset)
        self._offsets = []

    async def _delete(self, offset: int) -> None:
        with suppress(OSError, BaseError):
            await obstore.delete_async(self._store, _object(self._uid, offset))

    async def _close(self) -> None:
        self._held.discard(self._uid)


async def chain(store: ObjectStore, uid: str) -> tuple[dict[int, int], list[int]]:
    """The objects of a part that join up from the beginning, size by offset; offsets of others."""
    found: dict[int, int] = {}
    prefix = f"{part_key(uid)}/"
    with translated("list"):
        async for page in obstore.list(store, prefix):
            found |= {int(item["path"].rpartition("/")[2]): item["size"] for item in page}
    joined: dict[int, int] = {}
    end = 0
    for offset in sorted(found):
        if offset != end:
            break
        joined[offset] = found[offset]
        end += found[offset]
    return joined, sorted(found.keys() - joined.keys())


def _object(uid: str, offset: int) -> str:
    return f"{part_key(uid)}/{offset:020}"
