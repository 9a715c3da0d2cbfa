"""What the store does when it closes, when replicas collide, and when the database goes away."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from tunesmith_server.adapters.sql import group_writer
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.app.auth import Keys
from tunesmith_server.domain.access import Role
from tunesmith_server.domain.errors import NotFound, OutcomeUnknown, StorageFull, Unavailable
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.names import FineTuneName
from tunesmith_server.domain.tenant import ApiKey, Tenant
from tunesmith_server.ports import PageOf, Transaction

from tests.contract.proxy import Cut, CuttingProxy
from tests.unit.domain.builders import NOW, a_run


class AClock:
    def now(self) -> Any:
        return NOW


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    store = SqlStore(database_url)
    await store.write(lambda tx: tx.system.add_tenant(Tenant("acme", NOW)))
    yield store
    await store.close()


async def add(store: SqlStore, id: str, *, labels: dict[str, str] | None = None) -> FineTune:
    run = a_run(name=FineTuneName("acme", id), uid=f"uid-{id}", labels=labels or {})
    return await store.write(lambda tx: tx.of("acme").add_fine_tune(run, []))


# closing


async def test_a_store_that_is_closed_says_so_at_once(store: SqlStore):
    await store.close()
    async with asyncio.timeout(5):
        for ask in (store.read, store.peek, store.write):
            with pytest.raises(Unavailable, match="going down"):
                await ask(lambda tx: tx.of("acme").tenant())
        await store.close()  # again: nothing to do


async def test_what_races_with_the_close_is_done_or_refused_and_never_left_waiting(
    database_url: str,
):
    for round in range(10):
        store = SqlStore(database_url)
        tenants = [f"t-{round}-{number}" for number in range(30)]

        async def make(id: str, store: SqlStore = store) -> bool:
            await asyncio.sleep(0)  # half of them come after the close has begun
            try:
                await store.write(lambda tx: tx.system.add_tenant(Tenant(id, NOW)))
            except Unavailable:
                return False
            return True

        async with asyncio.timeout(20):
            begun = [asyncio.ensure_future(make(id)) for id in tenants[:15]]
            await asyncio.sleep(0)
            closing = asyncio.ensure_future(store.close())
            begun += [asyncio.ensure_future(make(id)) for id in tenants[15:]]
            done = await asyncio.gather(*begun)
            await closing
        assert True in done
        assert False in done
        look = SqlStore(database_url)
        there = {tenant.id for _, tenant in await look.read(lambda tx: tx.system.tenants(ALL))}
        await look.close()
        assert {id for id, made in zip(tenants, done, strict=True) if made} == there & {*tenants}


ALL = PageOf(10_000)


# replicas


async def test_of_replicas_that_start_at_once_one_makes_the_admin_key(database_url: str):
    stores = [SqlStore(database_url) for _ in range(3)]
    for number in range(20):
        async with asyncio.timeout(30):
            made = await asyncio.gather(
                *(
                    keys_of(store, f"{number}-{place}").ensure_admin(None)
                    for place, store in enumerate(stores)
                )
            )
        assert [key is None for key in made].count(False) == 1
        with stores[0]._engine.execution_options(writes=True).begin() as connection:
            connection.execute(text("DELETE FROM api_keys"))
    given = "sk-ts-the-same-everywhere"
    made = await asyncio.gather(*(keys_of(store, "given").ensure_admin(given) for store in stores))
    assert [key is None for key in made].count(False) == 1
    for store in stores:
        await store.close()


def keys_of(store: SqlStore, id: str) -> Keys:
    return Keys(store, AClock(), b"secret", lambda: id.rjust(12, "0"))


# conflicts


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_writers_who_wait_for_each_other_both_finish(store: SqlStore):
    for id in ("a", "b"):
        await add(store, id)
    both_hold_one = threading.Barrier(2)
    runs: list[str] = []

    def crossing(first: str, second: str) -> Any:
        tried = False

        def work(tx: Transaction) -> None:
            nonlocal tried
            runs.append(first)
            scope = tx.of("acme")
            mine = scope.fine_tune(first)
            if not tried:  # the second time there is nobody to meet
                tried = True
                both_hold_one.wait(10)
            other = scope.fine_tune(second)
            for run in (mine, other):
                scope.put_fine_tune(run, [Event(Kind.MESSAGE, NOW, first)])

        return work

    async with asyncio.timeout(30):
        await asyncio.gather(store.write(crossing("a", "b")), store.write(crossing("b", "a")))
    assert len(runs) > 2  # one was the victim and ran again
    for id in ("a", "b"):
        found = await store.read(
            lambda tx, id=id: tx.of("acme").events(f"uid-{id}", after=0, limit=9)
        )
        assert sorted(event.message for event in found) == ["a", "b"]


async def test_writers_that_cannot_be_put_in_an_order_run_again_until_they_can(
    postgres_database: str,
):
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(
            f"ALTER DATABASE {name} SET default_transaction_isolation = serializable"  # type: ignore[arg-type, unused-ignore]
        )
    store = SqlStore(postgres_database)
    both_have_looked = threading.Barrier(2)
    runs: list[int] = []

    def first_come(number: int) -> Any:
        def work(tx: Transaction) -> bool:
            runs.append(number)
            there = tx.system.has_api_keys()
            if runs.count(number) == 1:
                both_have_looked.wait(10)
            if not there:
                tx.system.add_platform_key(a_key(number))
            return not there

        return work

    made = await asyncio.gather(*(store.write(first_come(number)) for number in range(2)))
    assert sorted(made) == [False, True]
    assert len(runs) > 2
    await store.close()


def a_key(number: int) -> ApiKey:
    return ApiKey(f"key-{number}", None, Role.PLATFORM_ADMIN, f"hash-{number}", NOW)


# a connection that is lost


@pytest.fixture
def proxy(postgres_database: str) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(postgres_database)
    yield proxy
    proxy.close()


@pytest.fixture
async def far(proxy: CuttingProxy) -> AsyncIterator[SqlStore]:
    """A store that sees PostgreSQL through the proxy."""
    store = SqlStore(proxy.url)
    await store.write(lambda tx: tx.system.add_tenant(Tenant("acme", NOW)))
    yield store
    await store.close()


@pytest.mark.parametrize("cut", Cut)
async def test_a_connection_lost_at_the_commit_leaves_the_outcome_unknown(
    far: SqlStore, proxy: CuttingProxy, cut: Cut
):
    proxy.cut = cut
    with pytest.raises(OutcomeUnknown, match="look before"):
        await add(far, "bot")
    assert proxy.cuts == 1
    # and it is: only a look tells
    if cut is Cut.AFTER:
        assert (await far.read(lambda tx: tx.of("acme").fine_tune("bot"))).version == 1
    else:
        with pytest.raises(NotFound):
            await far.read(lambda tx: tx.of("acme").fine_tune("bot"))


async def test_a_connection_lost_before_the_commit_means_that_nothing_was_done(
    far: SqlStore, proxy: CuttingProxy
):
    proxy.trigger, proxy.cut = b"INSERT INTO fine_tunes", Cut.AFTER
    with pytest.raises(Unavailable, match="try again") as caught:
        await add(far, "bot")
    assert not isinstance(caught.value, OutcomeUnknown)
    assert (await add(far, "bot")).version == 1  # so trying again is right


# SQLite under load


def wal_bytes(sqlite_database: str) -> int:
    return Path(sqlite_database.removeprefix("sqlite:///") + "-wal").stat().st_size


async def test_many_writers_and_a_long_reader_get_along_and_the_log_is_cut_back(
    sqlite_database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(group_writer, "_CUT_EVERY", 0.0)
    store = SqlStore(sqlite_database, wal_bytes=1 << 20)
    await store.write(lambda tx: tx.system.add_tenant(Tenant("acme", NOW)))
    reading, enough = threading.Event(), threading.Event()

    def long_read(tx: Transaction) -> int:
        before = len(tx.of("acme").fine_tunes(ALL))
        reading.set()
        assert enough.wait(60)
        return before - len(tx.of("acme").fine_tunes(ALL))

    long = asyncio.ensure_future(store.read(long_read))
    await asyncio.to_thread(reading.wait, 10)
    label = {"padding": "x" * 1000}

    async def writer(number: int) -> None:
        for step in range(4):
            run = await add(store, f"bot-{number}-{step}", labels=label)
            await store.read(lambda tx, id=run.name.id: tx.of("acme").fine_tune(id))  # type: ignore[misc]

    async with asyncio.timeout(60):
        await asyncio.gather(*map(writer, range(64)))  # no "database is locked"
    assert wal_bytes(sqlite_database) > 1 << 20  # what the reader sees cannot be thrown away
    enough.set()
    assert await long == 0  # one snapshot, whatever was written meanwhile
    await add(store, "last")
    assert wal_bytes(sqlite_database) <= 1 << 20
    assert len(await store.read(lambda tx: tx.of("acme").fine_tunes(ALL))) == 64 * 4 + 1
    await store.close()


async def test_readers_without_a_gap_do_not_let_the_log_grow_for_ever(
    sqlite_database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(group_writer, "_CUT_EVERY", 0.0)
    store = SqlStore(sqlite_database, wal_bytes=1 << 20)
    await store.write(lambda tx: tx.system.add_tenant(Tenant("acme", NOW)))
    writing = True
    handover = [threading.Event(), threading.Event()]

    def overlapping(place: int) -> Any:
        def work(tx: Transaction) -> None:
            tx.of("acme").tenant()
            handover[place].set()  # the other may end now that this one has its snapshot
            handover[1 - place].wait(0.05)
            handover[1 - place].clear()

        return work

    async def reader(place: int) -> None:
        while writing:
            await store.read(overlapping(place))

    readers = [asyncio.ensure_future(reader(place)) for place in range(2)]
    longest = 0
    for number in range(300):
        await add(store, f"bot-{number}", labels={"padding": "x" * 20_000})
        longest = max(longest, wal_bytes(sqlite_database))
    writing = False
    await asyncio.gather(*readers)
    assert longest < 4 << 20  # 300 × 40 kB are 12 MB
    await store.close()


async def test_a_full_disk_fails_what_did_not_fit_and_leaves_the_store_working(
    sqlite_database: str,
):
    store = SqlStore(sqlite_database, connections=2)
    await store.write(lambda tx: tx.system.add_tenant(Tenant("acme", NOW)))

    def limit(pages: int) -> Any:
        return lambda tx: tx.system._connection.exec_driver_sql(
            f"PRAGMA max_page_count={pages}"
        ).scalar()

    await store.write(limit(1))  # as small as it is already

    async def write(number: int) -> str:
        big = {"padding": "x" * (200_000 if number % 2 else 1)}
        try:
            await add(store, f"bot-{number}", labels=big)
        except StorageFull:
            return "full"
        return "done"

    outcomes = await asyncio.gather(*map(write, range(8)))
    kept = {run.name.id for _, run in await store.read(lambda tx: tx.of("acme").fine_tunes(ALL))}
    assert "full" in outcomes
    assert kept == {f"bot-{n}" for n, outcome in enumerate(outcomes) if outcome == "done"}
    await store.write(limit(1 << 30))
    assert (await add(store, "after")).version == 1
    await store.close()
