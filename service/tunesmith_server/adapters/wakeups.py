"""Hints: within one process by events, between replicas by PostgreSQL's NOTIFY.

NOTIFY is sent on a connection of its own, never in a write transaction, where it would serialise
every commit of the database (measured 6.5 times slower at 32 clients), and at most every 20 ms.
"""

import asyncio
import contextlib

import psycopg
import structlog

log = structlog.get_logger(__name__)

_CHANNEL = "tunesmith_hints"
_COALESCE = 0.02
_TOPICS = ("runs", "work", "queue", "analysis")


class LocalHints:
    """Hints among the tasks of one process."""

    def __init__(self) -> None:
        self._events = {topic: asyncio.Event() for topic in _TOPICS}

    def notify(self, topic: str) -> None:
        """Wake whoever waits for `topic`."""
        self._events[topic].set()

    async def wait(self, topic: str, within: float) -> bool:
        """Whether a hint came since the last return; waits at most `within` seconds."""
        event = self._events[topic]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await event.wait()
        came = event.is_set()
        event.clear()
        return came

    async def run(self) -> None:
        """Nothing to carry: there is one process."""


class PostgresHints(LocalHints):
    """Hints among all processes on one PostgreSQL."""

    def __init__(self, conninfo: str) -> None:
        super().__init__()
        self._conninfo = conninfo
        self._pending: set[str] = set()
        self._send = asyncio.Event()

    def notify(self, topic: str) -> None:
        """Wake whoever waits for `topic`, here and elsewhere."""
        super().notify(topic)
        self._pending.add(topic)
        self._send.set()

    async def run(self) -> None:
        """Send and receive until cancelled; while the database is away, polling does the work."""
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen())
                    tasks.create_task(self._notify())
            except* psycopg.Error as group:
                log.warning("hints_interrupted", error=str(group.exceptions[0]))
                await asyncio.sleep(1)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True
        ) as connection:
            await connection.execute(f"LISTEN {_CHANNEL}")
            async for notice in connection.notifies():
                if notice.payload in self._events:
                    super().notify(notice.payload)

    async def _notify(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True
        ) as connection:
            await connection.execute("SET synchronous_commit = off")
            while True:
                await self._send.wait()
                self._send.clear()
                topics, self._pending = self._pending, set()
                for topic in topics:
                    await connection.execute("SELECT pg_notify(%s, %s)", (_CHANNEL, topic))
                await asyncio.sleep(_COALESCE)
