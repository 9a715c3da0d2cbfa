"""Bytes under their digest, and the folders of models."""

from collections.abc import AsyncIterator, Awaitable, Callable, Container, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
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


class PartWriter(BlobWriter, Protocol):
    """Receives a blob in several goes: see `Blobs.part`."""

    @property
    def offset(self) -> int:
        """How much has arrived, in bytes; nothing once it is a blob, or discarded."""
        ...

    def kept(self) -> AsyncIterator[bytes]:
        """What had arrived before: to be read, all of it, before anything is written."""
        ...

    async def discard(self) -> None:
        """Keep nothing of it."""
        ...


Keep = Container[str] | Callable[[Sequence[str]], Awaitable[Container[str]]]
"""What is referred to, or a question which of some are."""


class Blobs(Protocol):
    """Keeps bytes under their sha256 (hex). Raises StorageFull and Unavailable."""

    def writer(self) -> AbstractAsyncContextManager[BlobWriter]:
        """A writer; without a commit nothing remains of what was written."""
        ...

    def part(self, uid: str) -> AbstractAsyncContextManager[PartWriter]:
        """A writer that goes on with what has arrived of an upload, a UUID of ours.

        Without a commit, what was written stays, over the loss of the process. RequestInProgress
        where another has it open.
        """
        ...

    async def put_file(self, path: Path) -> BlobRef:
        """Keep a copy of a file; OSError if it cannot be read."""
        ...

    async def part_size(self, uid: str) -> int:
        """How much has arrived of an upload, in bytes; 0 if nothing has."""
        ...

    def read(self, digest: str, offset: int = 0) -> AsyncIterator[bytes]: ...
    async def fetch(self, digest: str, to_path: Path) -> None: ...
    async def sweep(
        self, keep: Keep, older_than: timedelta, keep_parts: Keep = ...
    ) -> Sequence[str]:
        """Remove blobs that nothing refers to and parts that may not go on; the keys removed.

        Of what is older than `older_than` alone: a blob is there before what refers to it. Safe on
        several replicas at once.
        """
        ...


class TrainingFiles(Protocol):
    """Keeps what trainers of this machine are given of datasets."""

    async def sweep(self, keep: Keep, older_than: timedelta) -> int:
        """Remove what was made of digests that nothing refers to, as `Blobs.sweep`; how many."""
        ...


class Artefacts(Protocol):
    """Keeps the folders of tuned models and of their checkpoints, under the model's uid."""

    async def keep(self, uid: str, folder: Path, digest: str) -> int:
        """Copy a trained model's folder in, verified against `digest`; its size in bytes."""
        ...

    async def keep_checkpoint(self, uid: str, step: int, folder: Path) -> BlobRef | None:
        """Copy the adapter out of a checkpoint's folder, verified against its manifest.

        None where there is no whole adapter. The digest is that of what was kept, `sha256:…`.
        """
        ...

    def path(self, uid: str, checkpoint: int | None = None) -> Path:
        """Where a model, or its checkpoint of a step, is if it is kept."""
        ...

    async def delete(self, uid: str) -> None:
        """Remove a model and its checkpoints; harmless if there is none."""
        ...

    async def delete_checkpoint(self, uid: str, step: int) -> None: ...
