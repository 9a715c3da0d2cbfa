"""The Store port: transactions are plain functions, run in threads.

SQLite has one writer, so its writes go through one thread. PostgreSQL has as many writers as
connections; a work that a conflict undid runs again.
"""

import asyncio
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import sleep
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tunesmith_server.adapters.sql.engine import (
    is_sqlite,
    make_engine,
    may_rerun,
    transaction,
    translated,
)
from tunesmith_server.adapters.sql.group_writer import WAL_BYTES, GroupWriter
from tunesmith_server.adapters.sql.transaction import SqlTransaction
from tunesmith_server.domain.errors import Unavailable
from tunesmith_server.ports import Transaction

T = TypeVar("T")

_RERUNS = 10
_LONGEST_PAUSE = 0.25
_CLOSED = "the service is going down; try again"


class SqlStore:
    """Keeps what the platform knows in SQLite or PostgreSQL."""

    def __init__(self, url: str, *, connections: int = 10, wal_bytes: int = WAL_BYTES) -> None:
        self._sqlite = sqlite = is_sqlite(url)
        # one a thread; on SQLite also the writer's, and one that `peek` keeps
        self._engine = make_engine(url, connections=connections + 1 if sqlite else connections)
        self._writing = self._engine.execution_options(writes=True)
        self._reading = (
            self._engine
            if sqlite
            else self._engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        )
        self._here: Connection | None = None
        self._threads = ThreadPoolExecutor(connections - 1, thread_name_prefix="store")
        self._writer = GroupWriter(self._engine, wal_bytes=wal_bytes) if sqlite else None
        self._open = True
        self._gate = threading.Lock()  # no work gets in behind the one that ends the threads

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on one consistent snapshot."""
        return await asyncio.wrap_future(self._submit(self._read, work))

    async def peek(self, work: Callable[[Transaction], T]) -> T:
        """As `read`, for a few look-ups by key: on SQLite they cost less than a thread would."""
        if not self._sqlite:
            return await self.read(work)
        if not self._open:
            raise Unavailable(_CLOSED, retry_after=1)
        with translated():
            connection = self._here or self._open_here()
            driver: Any = connection.connection.driver_connection
            driver.execute("BEGIN")
            try:
                return work(SqlTransaction(connection, writes=False))
            finally:
                driver.execute("ROLLBACK")

    def _open_here(self) -> Connection:
        """The connection of `peek`: taking one from the pool each time costs more than the look.

        So do SQLAlchemy's transactions. It is told of one that lasts, and the driver begins and
        ends those that count.
        """
        connection = self._here = self._engine.connect()
        connection.begin()
        driver: Any = connection.connection.driver_connection
        driver.execute("ROLLBACK")
        return connection

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a write transaction and return once it is durable."""
        return await self._written(work, brief=False)

    async def jot(self, work: Callable[[Transaction], T]) -> T:
        """As `write`, for a few rows by key: on SQLite they cost less than a thread would."""
        return await self._written(work, brief=True)

    async def _written(self, work: Callable[[Transaction], T], *, brief: bool) -> T:
        if not self._writer:
            return await asyncio.wrap_future(self._submit(self._write, work))
        if not self._open:
            raise Unavailable(_CLOSED, retry_after=1)
        return await self._writer.put(work, brief=brief)

    async def close(self) -> None:
        """End the threads and the connections, after what was asked for is done."""
        with self._gate:
            self._open = False
        if self._writer:
            await self._writer.close()
        await asyncio.to_thread(self._threads.shutdown)
        if self._here:
            self._here.close()
        self._engine.dispose()

    def _submit(
        self, run: Callable[[Callable[[Transaction], T]], T], work: Callable[[Transaction], T]
    ) -> "Future[T]":
        with self._gate:
            if not self._open:
                raise Unavailable(_CLOSED, retry_after=1)
            return self._threads.submit(run, work)

    def _read(self, work: Callable[[Transaction], T]) -> T:
        with translated(), self._reading.begin() as connection:
            return work(SqlTransaction(connection, writes=False))

    def _write(self, work: Callable[[Transaction], T]) -> T:
        for run in range(_RERUNS):
            try:
                with transaction(self._writing) as connection:
                    return work(SqlTransaction(connection, writes=True))
            except (SQLAlchemyError, Unavailable) as error:
                if not may_rerun(error) and not may_rerun(error.__cause__ or error):
                    raise
            # apart, so that those who met once do not meet again
            sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.005 * 2**run)))
        raise Unavailable("too many conflicting changes at once; try again", retry_after=1)
