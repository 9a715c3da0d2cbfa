"""SQLite's one writer: commits together what waits together, one fsync for many."""

import asyncio
import contextlib
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from tunesmith_server.adapters.sql.engine import BUSY_TIMEOUT_MS, transaction, translate
from tunesmith_server.adapters.sql.transaction import SqlTransaction
from tunesmith_server.ports import Transaction

T = TypeVar("T")

WAL_BYTES = 64 << 20
"""The write-ahead log is cut back to nothing when it is longer than this."""

_GROUP = 64
_LONGEST_HERE = 0.004
"""Seconds after which a group that runs in the event loop takes no more work."""
_CUT_WAITS_MS = 100
_CUT_EVERY = 1.0
"""Seconds between tries to cut the log back while a long reader holds it."""


@dataclass
class _Job:
    work: Callable[[Transaction], Any]
    brief: bool
    done: "asyncio.Future[Any]"


@dataclass
class _Outcome:
    job: _Job
    value: Any = None
    error: BaseException | None = None


class GroupWriter:
    """Runs works one after the other, each in a savepoint of a transaction that it may share.

    A work that fails hurts no neighbour. Beginning and committing wait, for a lock or the disk, and
    are done in a thread. So are works of any length; but brief ones run in the event loop itself:
    each of their statements takes microseconds, and to hand the interpreter's lock from one thread
    to the other and back at each of them costs several times that.

    To be used within one event loop. What was put in before `close` is done.
    """

    def __init__(self, engine: Engine, *, wal_bytes: int = WAL_BYTES) -> None:
        self._engine = engine.execution_options(writes=True)
        self._wal = f"{engine.url.database}-wal"
        self._wal_bytes = wal_bytes
        self._cut_at = 0.0
        self._jobs: deque[_Job] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._writing: asyncio.Task[None] | None = None

    def put(self, work: Callable[[Transaction], T], *, brief: bool) -> "asyncio.Future[T]":
        """What `work` returns, once it is durable."""
        loop = asyncio.get_running_loop()
        job = _Job(work, brief, loop.create_future())
        self._jobs.append(job)
        if self._writing is None or self._writing.done():
            self._writing = loop.create_task(self._write())
        return job.done

    async def close(self) -> None:
        """Do what was put in, and no more."""
        if self._writing:
            await self._writing
        self._thread.shutdown()

    async def _write(self) -> None:
        while self._jobs:
            if self._jobs[0].brief:
                outcomes = await self._commit_here()
            else:
                outcomes = await self._aside(self._commit, list(self._next(brief=False)))
            for outcome in outcomes:
                if outcome.job.done.done():
                    continue  # its caller is gone
                if outcome.error is None:
                    outcome.job.done.set_result(outcome.value)
                else:
                    outcome.job.done.set_exception(outcome.error)

    async def _commit_here(self) -> list[_Outcome]:
        """Run brief works in this thread and commit them in the other."""
        group: list[_Job] = []
        scope = contextlib.ExitStack()
        try:
            connection = await self._aside(scope.enter_context, transaction(self._engine))
            ends = monotonic() + _LONGEST_HERE
            outcomes = []
            for job in self._next(brief=True):
                group.append(job)
                outcomes.append(_run(connection, job))
                if monotonic() > ends:
                    break
            await self._aside(self._end, scope)
        except _AllUndone as undone:
            await self._aside(scope.__exit__, type(undone), undone, None)
            return await self._aside(self._one_by_one, group, undone)
        except BaseException as error:  # nothing of the group is known to be durable
            group = group or list(self._next(brief=True))
            return [_Outcome(job, error=error) for job in group]
        return outcomes

    def _end(self, scope: contextlib.ExitStack) -> None:
        scope.close()
        self._cut_log()

    def _commit(self, group: list[_Job]) -> list[_Outcome]:
        try:
            with transaction(self._engine) as connection:
                outcomes = [_run(connection, job) for job in group]
        except _AllUndone as undone:
            return self._one_by_one(group, undone)
        except BaseException as error:  # nothing of the group is known to be durable
            return [_Outcome(job, error=error) for job in group]
        self._cut_log()
        return outcomes

    def _one_by_one(self, group: list[_Job], undone: "_AllUndone") -> list[_Outcome]:
        """Each in a transaction of its own, so that it fails for those alone who are the cause."""
        if len(group) == 1:
            return [_Outcome(group[0], error=_translated(undone.cause))]
        return [outcome for job in group for outcome in self._commit([job])]

    def _next(self, *, brief: bool) -> Iterable[_Job]:
        """The next works of one kind, taken out of the queue."""
        for _ in range(_GROUP):
            if not self._jobs or self._jobs[0].brief is not brief:
                return
            job = self._jobs.popleft()
            if not job.done.cancelled():
                yield job

    async def _aside(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run `work` in the thread, to its end even if nobody waits for it any more."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _cut_log(self) -> None:
        """Start the write-ahead log anew when it has grown long.

        SQLite itself does so only at a moment at which nobody reads, and there may be none: readers
        that overlap without a gap would let the log grow for ever. The wait is short, since every
        writer waits with it: a reader that is longer still lets the log grow while it reads.
        """
        with contextlib.suppress(OSError, sqlite3.Error, SQLAlchemyError):
            if os.stat(self._wal).st_size <= self._wal_bytes or monotonic() < self._cut_at:
                return
            self._cut_at = monotonic() + _CUT_EVERY
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(f"PRAGMA busy_timeout={_CUT_WAITS_MS}")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
                cursor.close()
            finally:
                connection.close()


class _AllUndone(Exception):
    """SQLite gave up the whole transaction by itself, as it does when the disk is full."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


def _run(connection: Connection, job: _Job) -> _Outcome:
    """One work in a savepoint of its own; _AllUndone where more than the savepoint is lost."""
    driver: Any = connection.connection.driver_connection
    # by the driver: a savepoint of SQLAlchemy's costs as much as a small write
    driver.execute("SAVEPOINT job")
    try:
        outcome = _Outcome(job, job.work(SqlTransaction(connection, writes=True)))
    except Exception as error:
        if not driver.in_transaction:
            raise _AllUndone(_first(error)) from error
        driver.execute("ROLLBACK TO job")
        outcome = _Outcome(job, error=_translated(error))
    driver.execute("RELEASE job")
    return outcome


def _first(error: Exception) -> Exception:
    """The error that came first: those after it only say that the savepoint is gone."""
    first, earlier = error, error.__context__
    while earlier:
        if isinstance(earlier, SQLAlchemyError):
            first = earlier
        earlier = earlier.__context__
    return first


def _translated(error: Exception) -> Exception:
    return translate(error) if isinstance(error, SQLAlchemyError) else error
