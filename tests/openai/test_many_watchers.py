"""A thousand clients that follow one job: every event to each, in order."""

import asyncio
import json
import resource
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.ports import Transaction

from tests.e2e.daemon import Daemon, free_port
from tests.integration.calls import a_tenant
from tests.openai.catalogue import database_in, prepare
from tests.openai.conformance import works
from tests.openai.conftest import Account
from tests.openai.test_streams import EVENTS, WAITS, a_job, events, frames

pytestmark = pytest.mark.slow

_WATCHERS, _WRITES, _EACH = 1000, 5, 20


@pytest.fixture
def descriptors() -> Iterator[None]:
    """As many open files as that takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@works(EVENTS, "a thousand followers of one job: every event to each, in order")
async def test_a_thousand_clients_follow_one_job(tmp_path: Path, descriptors: None):
    database, port = database_in(tmp_path / "data"), free_port()
    await prepare(database)
    daemon = Daemon(
        tmp_path, TUNESMITH_HTTP__LISTEN=f"127.0.0.1:{port}", TUNESMITH_LOCAL__SLOTS="0"
    )
    await daemon.start()
    store = SqlStore(database)
    try:
        caller = await a_tenant(daemon.address, "acme")
        account = Account("acme", caller, f"http://127.0.0.1:{port}/v1")
        async with account.http() as http:
            job = await a_job(account, http)
            async with events(http, job) as response:
                async for frame in frames(response):
                    if frame.data and frame.message == WAITS:
                        break  # nothing more is written to it but by us
        request = (
            f"GET /v1/fine-tunes/{job}/events?stream=true HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {account.key}\r\n\r\n"
        ).encode()
        following, fresh = asyncio.Semaphore(0), _WRITES * _EACH

        async def follow() -> list[str]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            seen: list[str] = []
            async for line in reader:
                if not line.startswith(b"data: "):
                    continue
                message = json.loads(line[6:])["message"]
                if message == WAITS:
                    following.release()
                elif message.startswith("line "):
                    seen.append(message)
                    if len(seen) == fresh:
                        break
            writer.close()
            return seen

        async with asyncio.timeout(100), asyncio.TaskGroup() as group:
            watchers = [group.create_task(follow()) for _ in range(_WATCHERS)]
            for _ in range(_WATCHERS):
                await following.acquire()
            for number in range(_WRITES):
                await store.write(lambda tx, n=number: _told(tx, job, n))  # type: ignore[misc]
        wanted = [f"line {number}" for number in range(fresh)]
        assert all(watcher.result() == wanted for watcher in watchers)
    finally:
        await store.close()
        daemon.stop()


def _told(tx: Transaction, job: str, number: int) -> None:
    """Some more lines of the job's log."""
    now, first = datetime.now(UTC), number * _EACH
    said = [Event(Kind.MESSAGE, now, f"line {first + n}") for n in range(_EACH)]
    tx.of("acme").put_fine_tune(tx.of("acme").fine_tune(job), said)
