"""What a trainer is given of a dataset version: its rows as clean JSONL, on this machine."""

import asyncio
import re
import time
from datetime import timedelta
from pathlib import Path

from tunesmith.dataset_rules import Format, Shape, normalise

from tunesmith_server.adapters.scratch import ScratchFolders
from tunesmith_server.domain.fine_tune import DatasetVersion
from tunesmith_server.ports import Blobs, Keep

_BATCH = 500
_NAME = re.compile(r"([0-9a-f]{64})(\.[a-z]+)?\.jsonl")


class TrainingData:
    """Files made from blobs, each kept for as long as a version has its bytes."""

    def __init__(self, blobs: Blobs, folder: Path) -> None:
        self._blobs = blobs
        self._folder = folder
        self._scratch = ScratchFolders(folder / "unfinished")  # to be moved from without a copy

    async def file(self, version: DatasetVersion) -> Path:
        """The version as clean JSONL. Kept, since its name is its content and how that is read."""
        # told to the rules, since there is no name here that could tell as at the upload
        format = Format(version.format or Format.JSONL)
        ending = ".jsonl" if format is Format.JSONL else f".{format}.jsonl"
        path = self._folder / f"{version.digest}{ending}"
        if await asyncio.to_thread(path.exists):
            return path
        async with self._scratch.new() as scratch:
            raw, clean = scratch / "raw", scratch / "clean"
            await self._blobs.fetch(version.digest, raw)
            await asyncio.to_thread(normalise, raw, clean, Shape(version.shape), format=format)
            await asyncio.to_thread(clean.rename, path)
        return path

    async def sweep(self, keep: Keep, older_than: timedelta) -> int:
        """Remove files of digests that no version has any more; how many.

        A run has a file of its own by then, see `LocalBackend`; a young one it may still be taking.
        """
        await self._scratch.sweep()
        old = await asyncio.to_thread(self._older, time.time() - older_than.total_seconds())
        gone = 0
        for start in range(0, len(old), _BATCH):
            batch = old[start : start + _BATCH]
            digests = [digest for _, digest in batch]
            kept = await keep(digests) if callable(keep) else keep
            for path, digest in batch:
                if digest not in kept:
                    await asyncio.to_thread(path.unlink, missing_ok=True)
                    gone += 1
        return gone

    def _older(self, moment: float) -> list[tuple[Path, str]]:
        """Files made before a moment, in seconds since the epoch, and the digests they are of."""
        if not self._folder.is_dir():
            return []
        named = ((path, _NAME.fullmatch(path.name)) for path in self._folder.iterdir())
        return [(path, name[1]) for path, name in named if name and path.stat().st_mtime < moment]
