"""A file as pieces of whole lines, read in order here or side by side on several cores."""

import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from tunesmith.dataset_rules.catalogue import RULES
from tunesmith.dataset_rules.findings import Problem, Severity
from tunesmith.dataset_rules.fixes.batch import Batch
from tunesmith.dataset_rules.fixes.rows import read_lines, read_piece, read_whole_piece
from tunesmith.dataset_rules.inspector import MAX_LINE_BYTES
from tunesmith.dataset_rules.shapes import Shape
from tunesmith.dataset_rules.sources import Format, open_source

PIECE = 2**20
"""Bytes; a piece ends with the line in which it is full."""
_WORTH_CORES = 8 * PIECE
_MOST_CORES = 4
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = 2**25
"""Bytes; the most that glibc takes for either."""
T = TypeVar("T")
OnProgress = Callable[[int], object]
"""Told the bytes of the file that were read, from its beginning each time it is gone through."""


def no_progress(done: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Piece:
    """Some lines of a file: a place in it, or the lines themselves where it is no JSON lines."""

    path: str
    offset: int = 0
    size: int = 0
    lines: Sequence[bytes] = ()
    numbers: Sequence[int] = ()
    """The line of the file on which each of `lines` begins; empty for a place in the file, whose
    lines are all of the file's."""

    def rows(self, shape: Shape, *, keep_nul: bool, whole: bool = False) -> Batch:
        """Its rows, mended; `whole` if they were decoded in one go when they were read before."""
        if whole and not self.lines:
            return read_whole_piece(self.data())
        if self.lines:
            return read_lines(self.lines, shape, keep_nul=keep_nul)
        return read_piece(self.data(), shape, keep_nul=keep_nul)

    def all_lines(self) -> Sequence[bytes]:
        """Its lines, one by one."""
        return self.lines or BytesIO(self.data()).readlines()

    def data(self) -> bytes:
        """The bytes at its place."""
        with open(self.path, "rb", buffering=0) as file:
            file.seek(self.offset)
            parts = []
            left = self.size
            while left and (part := file.read(left)):
                parts.append(part)
                left -= len(part)
            return b"".join(parts)


@dataclass(frozen=True)
class File:
    """A file of rows, of any format."""

    path: str
    format: Format | None
    format_told: Format | None = None
    plain: bool = True
    """Whether its bytes are JSON lines, so that it can be cut anywhere between two of them."""
    errors: list[tuple[int, Problem]] = field(default_factory=list, compare=False)
    """What ended the reading of a file of another format before its end, once it was read."""
    on_progress: OnProgress = field(default=no_progress, compare=False)

    @classmethod
    def open(
        cls,
        path: str | Path,
        format: Format | None = None,
        on_progress: OnProgress = no_progress,
    ) -> "File":
        """Look at the beginning of a file, and see what it is."""
        with Path(path).open("rb") as file:
            source = open_source(
                max_line_bytes=MAX_LINE_BYTES, format=format, file_name=Path(path).name
            )
            head = file.read(2**16)
            for _ in source.feed(head):
                pass
            if source.format is None:
                for _ in source.finish():
                    pass
        plain = source.format is Format.JSONL and not head.startswith(_NOT_TEXT)
        return cls(str(path), source.format, format, plain, on_progress=on_progress)

    def pieces(self) -> Iterator[Piece]:
        """All of it, in order."""
        return self._cut() if self.plain else self._read()

    def line_number(self, index: int, place: int) -> int:
        """The line of the file on which a line of piece number `index` begins, both from 0.

        Reads the file up to there: for a word about a row, not for every one.
        """
        pieces = self.pieces()
        # a piece without numbers has all lines of the file
        earlier = islice(pieces, index)
        before = sum(each.data().count(b"\n") for each in earlier if not each.numbers)
        piece = next(pieces)
        return piece.numbers[place] if piece.numbers else before + place + 1

    @property
    def can_be_shared(self) -> bool:
        """Whether it is worth more than one core."""
        return self.plain and Path(self.path).stat().st_size >= _WORTH_CORES

    def _cut(self) -> Iterator[Piece]:
        with open(self.path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            start = 0
            while start < end:
                file.seek(min(start + PIECE, end))
                file.readline(MAX_LINE_BYTES + 2)
                stop = file.tell()
                yield Piece(self.path, start, stop - start)
                start = stop
                self.on_progress(stop)

    def _read(self) -> Iterator[Piece]:
        source = open_source(
            max_line_bytes=MAX_LINE_BYTES,
            format=self.format_told,
            file_name=Path(self.path).name,
        )
        with open(self.path, "rb") as file:
            while chunk := file.read(PIECE):
                for rows in source.feed(chunk):
                    yield Piece(self.path, lines=rows.lines, numbers=rows.numbers)
                self.on_progress(file.tell())
            for rows in source.finish():
                yield Piece(self.path, lines=rows.lines, numbers=rows.numbers)
        self.errors[:] = [
            (found.line, found.problem)
            for found in source.problems()
            if RULES[found.problem.code].severity is Severity.ERROR
        ]


_NOT_TEXT = (b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff")
"""gzip and UTF-16: JSON lines after all, but not as bytes."""


class Desk:
    """Does the work on pieces, in their order; beside each other if it has cores for that."""

    def __init__(self, pool: ProcessPoolExecutor | None = None, cores: int = 1) -> None:
        self._pool = pool
        self._cores = cores

    def each(self, work: Callable[..., T], jobs: Iterator[tuple[Any, ...]]) -> Iterator[T]:
        """What `work` returns for each job, in the order of the jobs."""
        if self._pool is None:
            for job in jobs:
                yield work(*job)
            return
        waiting: deque[Future[T]] = deque()
        for job in jobs:
            waiting.append(self._pool.submit(work, *job))
            if len(waiting) > 2 * self._cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def desk(file: File, cores: int | None = None) -> Iterator[Desk]:
    """A desk for `file`: with one core it works right here.

    More cores are forked processes, which is safe only where no other thread runs and only Linux
    does well; elsewhere one core does it all, with the same result.
    """
    if cores is None:
        cores = min(len(os.sched_getaffinity(0)), _MOST_CORES) if _can_fork() else 1
    if cores < 2 or not file.can_be_shared:
        yield Desk()
        return
    with ProcessPoolExecutor(cores, get_context("fork"), initializer=_keep_memory) as pool:
        yield Desk(pool, cores)


def _keep_memory() -> None:
    """In a process of the pool: do not give memory back after each piece.

    The next one takes as many megabytes again, and to have the system map and clear them each time
    was a tenth of all the work.
    """
    with suppress(OSError, AttributeError):  # not glibc: it is but slower
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)


def _can_fork() -> bool:
    return hasattr(os, "sched_getaffinity") and threading.active_count() == 1
