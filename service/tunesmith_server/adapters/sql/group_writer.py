"""SQLite's one writer: a thread that commits together what waits together, one fsync for many."""

import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tunesmith_server.adapters.sql.engine import BUSY_TIMEOUT_MS, transaction, translate
from tunesmith_server.adapters.sql.transaction import SqlTransaction
from tunesmith_server.ports import Transaction

T = TypeVar("T")

WAL_BYTES = 64 << 20
"""The write-ahead log is cut back to nothing when it is longer than this."""

_GROUP = 64
_CUT_WAITS_MS = 100
_CUT_EVERY = 1.0
"""Seconds between tries to cut the log back while a long reader holds it."""


@dataclass
class _Job:
    work: Callable[[Transaction], Any]
    done: "Future[Any]"


class GroupWriter:
    """Runs works one after the other, each in a savepoint of a transaction that it may share.

    A work that fails hurts no neighbour. What was put in before `close` is done; the owner puts
    nothing in afterwards.
    """

    def __init__(self, engine: Engine, *, wal_bytes: int = WAL_BYTES) -> None:
        self._engine = engine.execution_options(writes=True)
        self._wal = f"{engine.url.database}-wal"
        self._wal_bytes = wal_bytes
        self._cut_at = 0.0
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def put(self, work: Callable[[Transaction], T]) -> "Future[T]":
        """What `work` returns, once it is durable."""
        done: Future[T] = Future()
        self._jobs.put(_Job(work, done))
        return done

    def finish(self) -> None:
        """Do what was put in, and no more."""
        self._jobs.put(None)

    def join(self) -> None:
        """Wait for the end that `finish` asks for."""
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last and (job := self._jobs.get()):
            group = [job]
            while len(group) < _GROUP and not self._jobs.empty():
                following = self._jobs.get()
                if following is None:
                    last = True
                    break
                group.append(following)
            self._commit([job for job in group if job.done.set_running_or_notify_cancel()])
            self._cut_log()

    def _commit(self, group: list[_Job]) -> None:
        outcomes: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            with transaction(self._engine) as connection:
                driver: Any = connection.connection.driver_connection
                for job in group:
                    # by the driver: a savepoint of SQLAlchemy's costs as much as a small write
                    driver.execute("SAVEPOINT job")
                    try:
                        value = job.work(SqlTransaction(connection, writes=True))
                    except Exception as error:
                        if not driver.in_transaction:
                            raise _AllUndone(_first(error)) from error
                        driver.execute("ROLLBACK TO job")
                        outcomes.append((job, None, _translated(error)))
                    else:
                        outcomes.append((job, value, None))
                    driver.execute("RELEASE job")
        except _AllUndone as undone:
            if len(group) > 1:
                for job in group:  # so that it fails for those alone who are the cause
                    self._commit([job])
                return
            outcomes = [(group[0], None, _translated(undone.cause))]
        except BaseException as error:  # nothing of the group is known to be durable
            outcomes = [(job, None, error) for job in group]
        for job, value, failure in outcomes:
            if failure is None:
                job.done.set_result(value)
            else:
                job.done.set_exception(failure)

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
