"""What is written side by side, in any order, before it is put in order."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from mmap import mmap
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

_open: dict[int, "Draft"] = {}
"""By number. Processes that are forked later inherit it, and with it the files."""
_numbers = count()


class Written(NamedTuple):
    """Where something stands in a draft, in bytes."""

    offset: int
    size: int


class Draft:
    """A nameless file to which a process and its forks write at once, each at a place of its own.

    So what they write need not go through pipes. It can be handed to forks that were made after it,
    as an argument of their work.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._number = next(_numbers)
        self._lock: Any = get_context("fork").Lock() if hasattr(os, "fork") else threading.Lock()
        self._end = mmap(-1, 8)
        """Shared with the forks: where the next that writes is to begin, eight bytes."""

    @classmethod
    @contextmanager
    def beside(cls, folder: Path) -> Iterator["Draft"]:
        """An empty draft on the disk of `folder`, for the time of a block."""
        with tempfile.TemporaryFile(dir=folder) as file:
            draft = cls(file.fileno())
            _open[draft._number] = draft
            try:
                yield draft
            finally:
                del _open[draft._number]

    def __reduce__(self) -> tuple[Any, ...]:
        return _inherited, (self._number,)

    def write(self, content: bytes) -> Written:
        """Write at a free place. OSError if the disk is full."""
        with self._lock:
            offset = int.from_bytes(self._end[:], "big")
            self._end[:] = (offset + len(content)).to_bytes(8, "big")
        view, at = memoryview(content), offset
        while view:
            done = _pwrite(self._fd, view, at)
            view, at = view[done:], at + done
        return Written(offset, len(content))

    def read(self, written: Written) -> bytes:
        """What was written there. OSError if it cannot be read."""
        parts, at, end = [], written.offset, sum(written)
        while at < end:
            part = _pread(self._fd, end - at, at)
            if not part:
                raise OSError("what was written before has gone from the disk")
            parts.append(part)
            at += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _pwrite(fd: int, content: memoryview, at: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(fd, content, at)
    os.lseek(fd, at, os.SEEK_SET)  # Windows, where nothing is forked
    return os.write(fd, content)


def _pread(fd: int, size: int, at: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(fd, size, at)
    os.lseek(fd, at, os.SEEK_SET)
    return os.read(fd, size)


def _inherited(number: int) -> Draft:
    return _open[number]
