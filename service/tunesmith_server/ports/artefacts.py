"""Bytes under their digest, and the folders of models."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class BlobRef:
    """A blob by its content."""

    digest: str
    size: int


class BlobWriter(Protocol):
    """Receives a blob piece by piece."""

    async def write(self, chunk: bytes) -> None: ...
    async def commit(self) -> BlobRef: ...


class Blobs(Protocol):
    """Keeps bytes under their sha256 (hex). Raises StorageFull and Unavailable."""

    def writer(self) -> AbstractAsyncContextManager[BlobWriter]:
        """A writer; without a commit nothing remains of what was written."""
        ...

    def read(self, digest: str) -> AsyncIterator[bytes]: ...
    async def fetch(self, digest: str, to_path: Path) -> None: ...


class Artefacts(Protocol):
    """Keeps the folders of tuned models, each under its model's uid."""

    async def keep(self, uid: str, folder: Path, digest: str) -> int:
        """Copy a trained model's folder in, verified against `digest`; its size in bytes."""
        ...

    def path(self, uid: str) -> Path: ...
    async def delete(self, uid: str) -> None: ...
