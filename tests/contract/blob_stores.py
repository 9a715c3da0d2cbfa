"""Every kind of store that the `Blobs` port is tested over; of S3 a real server."""

import hashlib
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.store import MemoryStore, ObjectStore, S3Store
from tunesmith_server.adapters.blobs import Blobs

from tests.fakes.s3 import S3Server

AT_ONCE = timedelta(seconds=-1)
"""An age that everything has."""


class Local:
    """A store in a folder, and a view of what lies in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = Blobs.open(str(folder))

    def keys(self) -> set[str]:
        return {str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file()}

    def path(self, digest: str) -> Path:
        path = self.blobs.local_path(digest)
        assert path is not None
        return path

    def spoil(self, key: str) -> None:
        path = self.folder / key
        path.chmod(0o600)
        path.write_bytes(b"spoilt")


class Memory:
    """A store in memory: takes the same way as S3."""

    def __init__(self, _: Path) -> None:
        self.store: ObjectStore = MemoryStore()
        self.blobs = Blobs(self.store)

    def keys(self) -> set[str]:
        return {item["path"] for page in obstore.list(self.store) for item in page}

    def spoil(self, key: str) -> None:
        obstore.put(self.store, key, b"spoilt")


class Bucket(Memory):
    """A store in a bucket of a real S3 server."""

    def __init__(self, server: S3Server) -> None:
        place = f"s3://{server.bucket()}/some/prefix"
        self.store = S3Store.from_url(place, **server.settings)
        self.blobs = Blobs.open(place, server.settings)


Store = Local | Memory


def key_of(content: bytes) -> str:
    """Where a blob of this content lies."""
    digest = hashlib.sha256(content).hexdigest()
    return f"sha256/{digest[:2]}/{digest}"


async def put(blobs: Blobs, content: bytes, piece: int = 300_000) -> str:
    """Keep content that comes in pieces; its digest."""
    async with blobs.writer() as writer:
        for start in range(0, len(content), piece):
            await writer.write(content[start : start + piece])
        return (await writer.commit()).digest


async def whole(blobs: Blobs, digest: str, **options: int) -> bytes:
    """All that there is to read."""
    return b"".join([chunk async for chunk in blobs.read(digest, **options)])
