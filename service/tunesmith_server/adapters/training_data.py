"""Datasets as the trainer reads them: clean JSONL files, made once per version."""

import asyncio
import tempfile
from pathlib import Path

from tunesmith.dataset_rules import Format, Shape, normalise

from tunesmith_server.domain.fine_tune import DatasetVersion
from tunesmith_server.ports import Blobs


class TrainingData:
    """Fetches versions out of the blob store and normalises them."""

    def __init__(self, blobs: Blobs, folder: Path) -> None:
        self._blobs = blobs
        self._folder = folder

    async def file(self, version: DatasetVersion) -> Path:
        """The version as clean JSONL. Kept, since its name is its content and how that is read."""
        # told to the rules, since there is no name here that could tell as at the upload
        format = Format(version.format or Format.JSONL)
        ending = ".jsonl" if format is Format.JSONL else f".{format}.jsonl"
        path = self._folder / f"{version.digest}{ending}"
        if await asyncio.to_thread(path.exists):
            return path
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            raw, clean = Path(scratch, "raw"), Path(scratch, "clean")
            await self._blobs.fetch(version.digest, raw)
            await asyncio.to_thread(normalise, raw, clean, Shape(version.shape), format=format)
            await asyncio.to_thread(clean.rename, path)
        return path
