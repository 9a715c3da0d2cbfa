"""Folders for what is only needed while something is made of it."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path


class ScratchFolders:
    """The Scratch port: folders of this machine, each locked by the process that works in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def new(self) -> AsyncIterator[Path]:
        """A folder of one's own for as long as the block lasts."""
        path, lock = self._made()
        try:
            yield path
        finally:
            await asyncio.shield(asyncio.to_thread(_remove, path, lock))

    async def sweep(self) -> None:
        """Remove what processes that were killed have left behind."""
        await asyncio.to_thread(self._sweep)

    def _made(self) -> tuple[Path, int]:
        """A new folder and the descriptor that holds its lock."""
        self._folder.mkdir(parents=True, exist_ok=True)
        while True:
            path = Path(tempfile.mkdtemp(dir=self._folder))
            lock = _locked(path)
            if lock is not None:  # else another process has just taken it for a remnant
                return path, lock

    def _sweep(self) -> None:
        with suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                lock = _locked(path)
                if lock is not None:
                    _remove(path, lock)


def _locked(path: Path) -> int | None:
    """A descriptor that holds the folder's lock; None if it is another's, or gone.

    The lock goes with the process, however that ends.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    os.close(descriptor)
    return None


def _remove(path: Path, lock: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)
