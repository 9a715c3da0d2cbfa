"""The blobs of one store: a local folder, an S3-compatible bucket, or memory for tests."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Container, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import obstore
from obstore.store import LocalStore, MemoryStore, ObjectStore, S3Store

from tunesmith_server.adapters.blobs import files
from tunesmith_server.adapters.blobs.faults import BlobCorrupt, BlobMissing, translated
from tunesmith_server.adapters.blobs.keys import (
    digest_of,
    key_of,
    part_key,
    part_of,
)
from tunesmith_server.adapters.blobs.parts import (
    FilePartWriter,
    ObjectPartWriter,
    PartWriter,
    chain,
)
from tunesmith_server.adapters.blobs.writers import CHUNK, BlobWriter, FileWriter, ObjectWriter
from tunesmith_server.ports import BlobRef, Keep

_PAGE = 500


class Blobs:
    """The blobs of one store; see `ports.Blobs`. Safe for many tasks and processes at once.

    Raises StorageFull where there is no room and Unavailable where the store cannot be used.
    """

    def __init__(self, store: ObjectStore, *, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder
        self._parts_held: set[str] = set()

    @classmethod
    def open(cls, url: str, settings: Mapping[str, Any] | None = None) -> Self:
        """The store at `url`: `s3://bucket/prefix`, `file:///folder`, `memory:` or a plain path.

        `settings` are obstore's for S3: `endpoint`, `region`, `access_key_id`, and so on. The
        folder of a local store is made if it is not there.
        """
        if url.startswith("s3://"):
            return cls(S3Store.from_url(url.rstrip("/"), **(settings or {})))
        if url == "memory:":
            return cls(MemoryStore())
        if "://" in url and not url.startswith("file://"):
            raise ValueError(f"no blob store for {url!r}: use s3://bucket/prefix or a folder")
        path = unquote(urlsplit(url).path) if url.startswith("file://") else url
        folder = Path(path).absolute()
        with translated("open"):
            folder.mkdir(parents=True, exist_ok=True)
            return cls(LocalStore(folder, mkdir=False), folder=folder)

    def writer(self) -> AbstractAsyncContextManager[BlobWriter]:
        """A writer; without a commit nothing remains of what was written."""
        if self._folder is not None:
            return FileWriter(self._folder)
        return ObjectWriter(self._store)

    def part(self, uid: str) -> AbstractAsyncContextManager[PartWriter]:
        """A writer that goes on with what has arrived of an upload; `uid` is ours, a UUID.

        Without a commit, what was written stays. RequestInProgress where another has it open.
        """
        if self._folder is not None:
            return FilePartWriter(self._folder, uid)
        return ObjectPartWriter(self._store, uid, self._parts_held)

    async def part_size(self, uid: str) -> int:
        """How much has arrived of an upload, in bytes; 0 if nothing has."""
        if self._folder is not None:
            with translated("read"):
                return await asyncio.to_thread(files.size_of, self._folder / part_key(uid))
        return sum((await chain(self._store, uid))[0].values())

    async def put_file(self, path: Path) -> BlobRef:
        """Keep a copy of a file; OSError if it cannot be read."""
        async with self.writer() as writer:
            file = await asyncio.to_thread(path.open, "rb")
            with file:
                while chunk := await asyncio.to_thread(file.read, CHUNK):
                    await writer.write(chunk)
            return await writer.commit()

    async def exists(self, digest: str) -> bool:
        """Whether there is a blob of this digest."""
        try:
            await self.size(digest)
        except BlobMissing:
            return False
        return True

    async def size(self, digest: str) -> int:
        """The size of a blob in bytes; BlobMissing."""
        with translated("read", blob=True):
            return (await obstore.head_async(self._store, key_of(digest)))["size"]

    async def read(
        self, digest: str, offset: int = 0, chunk_size: int = CHUNK
    ) -> AsyncIterator[bytes]:
        """The bytes of a blob from `offset` on, in pieces of about `chunk_size`; BlobMissing.

        Does not verify the digest: a reader of a part cannot. `fetch` does.
        """
        key = key_of(digest)
        if offset and offset >= await self.size(digest):
            return
        with translated("read", blob=True):
            result = await obstore.get_async(
                self._store, key, options={"range": {"offset": offset}} if offset else None
            )
            async for chunk in result.stream(min_chunk_size=chunk_size):
                yield bytes(chunk)

    async def fetch(self, digest: str, to_path: Path) -> None:
        """Put a blob at `to_path`, verified: all of it or nothing; BlobMissing, BlobCorrupt.

        On the same file system as a local store it is a hard link, so it must not be changed.
        """
        partial = to_path.with_name(f".{uuid.uuid4().hex}.partial")
        try:
            if not await self._link(digest, partial):
                await self._copy(digest, partial)
            with translated("read"):
                actual = await asyncio.to_thread(files.sha256_of, partial)
            if actual != digest:
                raise BlobCorrupt(f"the blob {digest} has the digest {actual}")
            with translated("copy from"):
                await asyncio.to_thread(os.replace, partial, to_path)
        finally:
            # Also after success: renaming a file onto another link of itself leaves both (POSIX).
            await asyncio.shield(asyncio.to_thread(partial.unlink, missing_ok=True))

    async def delete(self, digest: str) -> None:
        """Remove a blob; harmless if there is none."""
        with suppress(BlobMissing), translated("delete from", blob=True):
            await obstore.delete_async(self._store, key_of(digest))

    def local_path(self, digest: str) -> Path | None:
        """Where a blob lies on this machine, to be read only; None in any other kind of store."""
        return None if self._folder is None else self._folder / key_of(digest)

    async def sweep(
        self, keep: Keep, older_than: timedelta, keep_parts: Keep = frozenset()
    ) -> list[str]:
        """Remove blobs that nothing refers to and remains of broken uploads; the keys removed.

        Only what is older than `older_than` goes: a blob is committed before the row that refers to
        it. A commit of content that is already there makes the blob young again. `keep` is asked
        about digests, `keep_parts` about the uids of uploads that may go on.
        """
        now = datetime.now(UTC)
        removed: list[str] = []
        async for keys in self._older(now - older_than):
            for key in await _unkept(keys, keep, keep_parts):
                if await self._remove_if_old(key, now - older_than):
                    removed.append(key)
        return removed

    async def _older(self, than: datetime) -> AsyncIterator[list[str]]:
        """Objects of ours that were last written before a moment, a page at a time."""
        for prefix in ("sha256", "tmp", "parts"):
            with translated("list"):
                async for page in obstore.list(self._store, prefix, chunk_size=_PAGE):
                    yield [item["path"] for item in page if item["last_modified"] < than]

    async def _remove_if_old(self, key: str, before: datetime) -> bool:
        """Remove an object, unless it was written again since it was listed."""
        if self._folder is not None:
            with translated("delete from"):
                return await asyncio.to_thread(
                    files.remove_if_old, self._folder, key, before.timestamp()
                )
        with suppress(BlobMissing), translated("delete from", blob=True):
            if (await obstore.head_async(self._store, key))["last_modified"] < before:
                await obstore.delete_async(self._store, key)
                return True
        return False

    async def _link(self, digest: str, path: Path) -> bool:
        source = self.local_path(digest)
        if source is None:
            return False
        try:
            await asyncio.to_thread(os.link, source, path)
        except OSError:  # another file system, or no blob: the copy will tell
            return False
        return True

    async def _copy(self, digest: str, path: Path) -> None:
        with translated("copy from"):
            file = await asyncio.to_thread(path.open, "wb")
            with file:
                async for chunk in self.read(digest):
                    await asyncio.to_thread(file.write, chunk)


async def _unkept(keys: Sequence[str], keep: Keep, keep_parts: Keep) -> list[str]:
    """What the sweeper may take of some objects: never a thing that we did not make."""
    digests = {key: digest for key in keys if (digest := digest_of(key))}
    parts = {key: uid for key in keys if (uid := part_of(key))}
    kept = await _kept(keep, list(digests.values()))
    kept_parts = await _kept(keep_parts, list(set(parts.values())))
    return [
        key
        for key in keys
        if key.startswith("tmp/")
        or (key in digests and digests[key] not in kept)
        or (key in parts and parts[key] not in kept_parts)
    ]


async def _kept(keep: Keep, what: Sequence[str]) -> Container[str]:
    if not what:
        return ()
    return await keep(what) if callable(keep) else keep
