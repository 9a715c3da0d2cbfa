"""How far something is, on a terminal; nothing of it in a pipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.markup import escape

from tunesmith.cli._session import Session

_LARGE = 5_000_000
"""Bytes; a smaller file is read before anybody could look at a bar."""


@contextmanager
def transfer(session: Session, what: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes on their way; what is to be told how many have come, and of how many."""
    if not session.progress.is_terminal or not total:
        yield lambda come, of: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=session.progress, transient=True) as progress:
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
def working(session: Session, words: str) -> Iterator[None]:
    """A sign that stands still while something is done here of which nobody tells how far it is.

    A moving one takes a thread, and beside a thread no processes are forked to share the work.
    """
    from rich.live import Live
    from rich.text import Text

    if not session.progress.is_terminal:
        yield
        return
    with Live(Text(f"{words} …"), console=session.progress, auto_refresh=False, transient=True):
        yield


@contextmanager
def waiting(session: Session, words: str) -> Iterator[None]:
    """A sign of life while the service does something of which nobody tells how far it is."""
    if not session.progress.is_terminal:
        yield
        return
    with session.progress.status(escape(words)):
        yield
