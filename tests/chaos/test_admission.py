"""Admission while everything happens at once: real server processes, kill -9 in the middle."""

import asyncio
import contextlib
import random
import threading
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy import text
from tunesmith.v1 import common_pb2, fine_tune_pb2
from tunesmith_server.adapters.sql.engine import make_engine
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.app.admission import Admission
from tunesmith_server.bootstrap import UtcClock
from tunesmith_server.domain.states import State
from tunesmith_server.ports import Transaction

from tests.contract.test_quota import recounted
from tests.e2e.daemon import Daemon
from tests.integration.calls import ROWS, Caller, a_tenant, jsonl, reason

LIMIT = 10
_LEDGER = text(
    "SELECT reserved_change FROM ledger WHERE scope = 'tenant:acme'"
    " AND dimension = 'fine_tunes_queued' ORDER BY place"
)
_NOW = text(
    "SELECT (SELECT used + reserved FROM counters WHERE scope = 'tenant:acme'"
    " AND dimension = 'fine_tunes_queued'),"
    " (SELECT count(*) FROM fine_tunes WHERE tenant = 'acme' AND state = 'queued')"
)


class Watcher:
    """Looks at the counter, and at the runs that wait, all the time on a connection of its own."""

    def __init__(self, database_url: str) -> None:
        self._engine = make_engine(database_url, connections=1)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.looks = 0
        self.most = (0, 0)

    def _look(self) -> None:
        with self._engine.connect() as connection:
            while not self._ended.is_set():
                counter, waiting = connection.execute(_NOW).one()
                connection.rollback()
                self.looks += 1
                self.most = max(self.most[0], counter or 0), max(self.most[1], waiting)

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()
            self._engine.dispose()


@contextlib.asynccontextmanager
async def serving(folder: Path, database_url: str, count: int) -> AsyncIterator[list[Daemon]]:
    """So many servers, which start nothing, on one database."""
    settings = {"TUNESMITH_DATABASE_URL": database_url, "TUNESMITH_LOCAL__SLOTS": "0"}
    daemons = [Daemon(folder, **settings) for _ in range(count)]
    try:
        await asyncio.gather(*(daemon.start() for daemon in daemons))
        yield daemons
    finally:
        for daemon in daemons:
            daemon.stop()


async def surely(call: Any) -> Any:
    """What the call comes to, made again as long as the server is away."""
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                return reason(error)
            await asyncio.sleep(0.05)  # the test has a time limit


async def finishing(database_url: str, ended: asyncio.Event) -> int:
    """Start waiting runs and end them, as a scheduler and a dispatcher would; how many."""
    store, admission, clock = SqlStore(database_url), Admission({}), UtcClock()

    def work(tx: Transaction) -> bool:
        scope = tx.of("acme")
        for head in tx.system.waiting(1):
            run = scope.fine_tune(head.name.id)
            if run.state is not State.QUEUED:
                continue
            assert not admission.start(scope, run, "chaos", 100, clock.now())
            preparing, began = run.told(State.PREPARING, now=clock.now(), message="")
            admission.end(scope, preparing, clock.now(), model=False)
            moved, event = preparing.told(State.FAILED, now=clock.now(), message="")
            scope.put_fine_tune(moved, [began, event])
            return True
        return False

    count = 0
    while not ended.is_set():
        count += await store.write(work)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await ended.wait()
    await store.close()
    return count


@pytest.mark.parametrize("creates", [64, pytest.param(256, marks=pytest.mark.slow)])
async def test_a_limit_is_never_passed_while_runs_come_end_and_a_server_is_killed(
    tmp_path: Path, database_url: str, creates: int
):
    on_postgres = database_url.startswith("postgresql")
    chance = random.Random(creates)
    async with serving(tmp_path, database_url, 2 if on_postgres else 1) as daemons:
        first = await a_tenant(daemons[0].address, "acme", {"fine_tunes_queued": LIMIT})
        await first.upload(jsonl(ROWS))
        callers = [Caller(daemon.address, first.key) for daemon in daemons]
        admitted: list[str] = []
        some = asyncio.Event()

        async def ask(number: int) -> str:
            id, request_id = f"bot-{number}", str(uuid.uuid4())
            caller = chance.choice(callers)
            run = await surely(lambda: caller.create(fine_tune_id=id, request_id=request_id))
            if isinstance(run, str):
                return run
            admitted.append(run.name)
            if len(admitted) == LIMIT:
                some.set()
            if chance.random() < 0.75:
                await surely(lambda: chance.choice(callers).cancel(run.name))
            return "admitted"

        async def killing() -> None:
            await some.wait()
            daemons[-1].kill()
            await daemons[-1].start()

        watcher, ended = Watcher(database_url), asyncio.Event()
        with watcher.looking():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(killing())
                finisher = (
                    tasks.create_task(finishing(database_url, ended)) if on_postgres else None
                )
                outcomes = Counter(await asyncio.gather(*map(ask, range(creates))))
                # whoever was refused asks again, so that the limit is met to the end
                outcomes += Counter(
                    await asyncio.gather(*map(ask, range(creates, creates + 2 * LIMIT)))
                )
                ended.set()
        assert set(outcomes) == {"admitted", "QUOTA_EXCEEDED"}
        assert watcher.looks > 20
        assert max(watcher.most) <= LIMIT, watcher.most
        assert min(watcher.most) > 0
        for name in admitted:  # whatever was acknowledged is there
            assert (await first.get(name)).name == name
        assert len(admitted) == outcomes["admitted"] >= LIMIT
        if finisher:
            assert finisher.result() > 0
        usage = (await first.usage())["fine_tunes_queued"]
        states = Counter([(await first.get(name)).status.state for name in admitted])
        assert usage.reserved == states[common_pb2.FINE_TUNE_STATE_QUEUED] <= LIMIT
    engine = make_engine(database_url, connections=1)
    with engine.connect() as connection:
        level, highest = 0, 0
        for (change,) in connection.execute(_LEDGER):  # in the order of the transactions
            level += change
            highest = max(highest, level)
            assert 0 <= level <= LIMIT
    engine.dispose()
    assert highest == LIMIT  # else nothing was proved
    recounted(database_url)


async def test_one_request_id_makes_one_run_however_often_and_wherever_it_comes(
    tmp_path: Path, postgres_database: str
):
    request_id = str(uuid.uuid4())
    async with serving(tmp_path, postgres_database, 2) as daemons:
        first = await a_tenant(daemons[0].address, "acme")
        other = await a_tenant(daemons[0].address, "other")
        for caller in (first, other):
            await caller.upload(jsonl(ROWS))
        callers = [Caller(daemon.address, first.key) for daemon in daemons]

        async def ask(number: int) -> bytes:
            run = await callers[number % 2].create(request_id=request_id)
            return run.SerializeToString(deterministic=True)

        answers = set(await asyncio.gather(*map(ask, range(64))))
        assert len(answers) == 1
        daemons[0].kill()
        daemons[1].stop()
        await asyncio.gather(*(daemon.start() for daemon in daemons))
        answers |= {await surely(lambda: ask(0)), await surely(lambda: ask(1))}
        assert len(answers) == 1
        for caller in callers:
            assert (
                await surely(
                    lambda caller=caller: caller.create(request_id=request_id, suffix="other")
                )
                == "REQUEST_ID_REUSED"
            )
            request = fine_tune_pb2.ListFineTunesRequest(parent="tenants/-")
            listed = await caller.fine_tunes.ListFineTunes(request, metadata=caller.metadata)
            assert len(listed.fine_tunes) == 1
        theirs = await surely(lambda: other.create(request_id=request_id))
        assert theirs.name.startswith("tenants/other/")
        assert (await other.usage())["fine_tunes_created_per_day"].used == 1
        assert (await first.usage())["fine_tunes_created_per_day"].used == 1
