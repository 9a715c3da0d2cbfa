"""The Store port: transactions are plain functions, run in threads.

SQLite has one writer, so its writes go through one thread, which commits all that wait together:
one fsync for many. Each work has a savepoint, so one that fails hurts no neighbour. PostgreSQL has
as many writers as connections; a work that a conflict undid runs again.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tunesmith_server.adapters.sql.engine import (
    is_sqlite,
    make_engine,
    may_rerun,
    translate,
    translated,
)
from tunesmith_server.adapters.sql.transaction import SqlTransaction
from tunesmith_server.domain.errors import Unavailable
from tunesmith_server.ports import Transaction

T = TypeVar("T")

_GROUP = 64
_RERUNS = 10


@dataclass
class _Job:
    work: Callable[[Transaction], Any]
    done: "Future[Any]"


class SqlStore:
    """Keeps what the platform knows in SQLite or PostgreSQL."""

    def __init__(self, url: str, *, connections: int = 10) -> None:
        self._sqlite = is_sqlite(url)
        self._engine = make_engine(url, connections=connections)
        self._writing = self._engine.execution_options(writes=True)
        self._reading = (
            self._engine
            if self._sqlite
            else self._engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        )
        self._here: Connection | None = None
        self._threads = ThreadPoolExecutor(connections - 1, thread_name_prefix="store")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        if self._sqlite:
            self._writer = threading.Thread(
                target=self._write_groups, name="store-writer", daemon=True
            )
            self._writer.start()

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on one consistent snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, work)

    async def peek(self, work: Callable[[Transaction], T]) -> T:
        """As `read`, for a few look-ups by key: on SQLite they cost less than a thread would."""
        if not self._sqlite:
            return await self.read(work)
        with translated():
            if self._here is None:
                self._here = self._engine.connect()  # kept: taking one from the pool costs more
            with self._here.begin():
                return work(SqlTransaction(self._here, writes=False))

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a write transaction and return once it is durable."""
        if self._sqlite:
            done: Future[T] = Future()
            self._jobs.put(_Job(work, done))
            return await asyncio.wrap_future(done)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._write, work)

    async def close(self) -> None:
        """End the threads and the connections, after what was asked for is done."""
        if self._writer:
            self._jobs.put(None)
            await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._threads.shutdown)
        if self._here:
            self._here.close()
        self._engine.dispose()

    def _read(self, work: Callable[[Transaction], T]) -> T:
        with translated(), self._reading.begin() as connection:
            return work(SqlTransaction(connection, writes=False))

    def _write(self, work: Callable[[Transaction], T]) -> T:
        for _ in range(_RERUNS):
            try:
                with translated(), self._writing.begin() as connection:
                    return work(SqlTransaction(connection, writes=True))
            except (SQLAlchemyError, Unavailable) as error:
                if not may_rerun(error) and not may_rerun(error.__cause__ or error):
                    raise
        raise Unavailable("too many conflicting changes at once; try again", retry_after=1)

    def _write_groups(self) -> None:
        while job := self._jobs.get():
            group = [job]
            last = False
            while len(group) < _GROUP and not self._jobs.empty():
                following = self._jobs.get()
                if following is None:
                    last = True
                    break
                group.append(following)
            self._commit([job for job in group if job.done.set_running_or_notify_cancel()])
            if last:
                return

    def _commit(self, group: list[_Job]) -> None:
        outcomes: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            with translated(), self._writing.begin() as connection:
                for job in group:
                    driver: Any = connection.connection.driver_connection
                    driver.execute("SAVEPOINT job")
                    try:
                        value = job.work(SqlTransaction(connection, writes=True))
                    except Exception as error:  # the work's own: its savepoint is undone
                        driver.execute("ROLLBACK TO job")
                        sql = isinstance(error, SQLAlchemyError)
                        outcomes.append((job, None, translate(error) if sql else error))  # type: ignore[arg-type]
                    else:
                        outcomes.append((job, value, None))
                    driver.execute("RELEASE job")
        except BaseException as error:  # the commit's: nothing of the group is durable
            outcomes = [(job, None, error) for job in group]
        for job, value, failure in outcomes:
            if failure is None:
                job.done.set_result(value)
            else:
                job.done.set_exception(failure)
