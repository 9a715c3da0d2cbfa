"""How far something is, on a terminal; nothing of it in a pipe."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.markup import escape

from tunesmith.cli._session import Session

if TYPE_CHECKING:
    from rich.progress import Progress

_LARGE = 5_000_000
"""Bytes; a smaller file is read before anybody could look at a bar."""
_DRAWN_EVERY = 0.1


@contextmanager
def transfer(session: Session, what: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes on their way; what is to be told how many have come, and of how many."""
    if not session.progress.is_terminal or not total:
        yield lambda come, of: None
        return
    with _bytes(session) as progress:
        task = progress.add_task(escape(what), total=total)
        yield lambda come, of: progress.update(task, completed=come)


@contextmanager
def reading(session: Session, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar of the bytes of a file that are read here; what is to be told how many were."""
    if total < _LARGE:
        yield lambda done: None
        return
    with transfer(session, what, total) as on_progress:
        yield lambda done: on_progress(done, total)


@contextmanager
def rereading(session: Session, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """As `reading`, of a file that is gone through again and again, nobody knows how often.

    It moves when it is told, and not by itself: that takes a thread, and beside a thread no
    processes are forked to share the work.
    """
    if not session.progress.is_terminal or total < _LARGE:
        yield lambda done: None
        return
    with _bytes(session, moving=False) as progress:
        task = progress.add_task(escape(what), total=total)
        times, before, drawn = 1, 0, 0.0

        def on_progress(done: int) -> None:
            nonlocal times, before, drawn
            if done < before:
                times += 1
                progress.reset(task, description=f"{escape(what)}, the {_nth(times)} time")
            progress.update(task, completed=done)
            before = done
            if (now := time.monotonic()) - drawn >= _DRAWN_EVERY or done >= total:
                drawn = now
                progress.refresh()

        yield on_progress


def _nth(number: int) -> str:
    return str(number) + {1: "st", 2: "nd", 3: "rd"}.get(number, "th")


def _bytes(session: Session, *, moving: bool = True) -> "Progress":
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    return Progress(*columns, console=session.progress, transient=True, auto_refresh=moving)


@contextmanager
def waiting(session: Session, words: str) -> Iterator[None]:
    """A sign of life while the service does something of which nobody tells how far it is."""
    if not session.progress.is_terminal:
        yield
        return
    with session.progress.status(escape(words)):
        yield
