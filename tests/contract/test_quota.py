"""Counters, holds and the ledger, on SQLite and on a real PostgreSQL: never over, always equal."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tunesmith_server.adapters.sql.engine import make_engine
from tunesmith_server.adapters.sql.quota import COUNTERS, Book, recount
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.domain.quota import Ask, Dimension, Hold, tenant_scope
from tunesmith_server.domain.tenant import Tenant
from tunesmith_server.ports import Transaction, Usage

from tests.unit.domain.builders import NOW

QUEUED = Dimension.FINE_TUNES_QUEUED
TOKENS = Dimension.TRAINED_TOKENS_PER_MONTH
PLACE = Hold(tenant_scope("acme"), QUEUED, "", 1)
BUDGET = Hold(tenant_scope("acme"), TOKENS, "2026-11", 5)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    """A store that knows the tenant acme."""
    store = SqlStore(database_url)
    await store.write(lambda tx: tx.system.add_tenant(Tenant("acme", NOW)))
    yield store
    await store.close()


async def usage(store: SqlStore, hold: Hold) -> Usage:
    key = (hold.scope, hold.dimension, hold.period)
    found = await store.read(lambda tx: tx.of("acme").usage([key]))
    return found.get(key, Usage(0, 0))


def reserving(subject: str, asks: Sequence[Ask], spend: Sequence[Ask] = ()) -> Any:
    return lambda tx: tx.of("acme").reserve(subject, asks, NOW, spend=spend)


def recounted(database_url: str) -> None:
    """Counters, ledger and holds agree."""
    engine = make_engine(database_url, connections=1)
    with engine.connect() as connection:
        found = recount(connection)
        for row in connection.execute(COUNTERS.select()):
            assert found.get((row.scope, row.dimension, row.period), (0, 0)) == (
                row.used,
                row.reserved,
            )
    engine.dispose()


async def test_exactly_as_many_holds_are_taken_as_the_limit_allows_from_two_stores(
    store: SqlStore, database_url: str
):
    second = SqlStore(database_url)

    async def take(number: int) -> bool:
        one = (store, second)[number % 2]
        return not await one.write(reserving(f"run-{number}", [Ask(PLACE, 10)]))

    assert sum(await asyncio.gather(*map(take, range(64)))) == 10
    assert await usage(store, PLACE) == Usage(0, 10)
    await second.close()
    recounted(database_url)


async def test_all_is_taken_or_nothing_and_every_limit_in_the_way_is_told(
    store: SqlStore, database_url: str
):
    daily = Hold(tenant_scope("acme"), Dimension.FINE_TUNES_CREATED_PER_DAY, "2026-11-24", 1)
    asks = [Ask(PLACE, 1), Ask(BUDGET, 4)]
    found = await store.write(reserving("run", asks, [Ask(daily, 0)]))
    assert [(v.dimension, v.asked, v.limit) for v in found] == [
        (daily.dimension, 1, 0),
        (TOKENS, 5, 4),
    ]
    for hold in (PLACE, BUDGET, daily):
        assert await usage(store, hold) == Usage(0, 0)
    assert await store.read(lambda tx: tx.of("acme").held("run")) == []
    recounted(database_url)


async def test_what_is_spent_counts_at_once_and_is_never_given_back(store: SqlStore):
    daily = Hold(tenant_scope("acme"), Dimension.FINE_TUNES_CREATED_PER_DAY, "2026-11-24", 1)
    for number in range(3):
        assert not await store.write(reserving(f"run-{number}", [], [Ask(daily, 3)]))
    assert await store.write(reserving("run-4", [], [Ask(daily, 3)]))
    await store.write(lambda tx: tx.of("acme").release("run-1", [daily.dimension], NOW))
    assert await usage(store, daily) == Usage(3, 0)


async def test_what_is_held_already_is_not_asked_for_again(store: SqlStore):
    for _ in range(3):
        assert not await store.write(reserving("run", [Ask(PLACE, 1)]))
    assert await usage(store, PLACE) == Usage(0, 1)


async def test_runs_that_begin_and_end_at_once_do_not_get_in_each_others_way(
    store: SqlStore, database_url: str
):
    def end(number: int) -> Any:
        def work(tx: Transaction) -> None:
            tx.of("acme").settle(f"run-{number}", {TOKENS: 3}, NOW)
            tx.of("acme").release(f"run-{number}", [QUEUED], NOW)

        return work

    asks = [Ask(PLACE), Ask(BUDGET)]
    await asyncio.gather(*(store.write(reserving(f"run-{n}", asks)) for n in range(20)))
    async with asyncio.timeout(20):
        await asyncio.gather(
            *(store.write(end(n)) for n in range(20)),
            *(store.write(reserving(f"run-{n}", asks)) for n in range(20, 40)),
        )
    assert await usage(store, BUDGET) == Usage(60, 100)
    recounted(database_url)


async def test_what_is_released_or_settled_twice_counts_once(store: SqlStore):
    def work(tx: Transaction) -> None:
        scope = tx.of("acme")
        scope.reserve("run", [Ask(replace(PLACE, amount=5))], NOW)
        scope.settle("run", {QUEUED: 3}, NOW)
        scope.settle("run", {QUEUED: 3}, NOW)
        scope.release("run", [QUEUED], NOW)

    await store.write(work)
    assert await usage(store, PLACE) == Usage(3, 0)


async def test_the_bill_lists_the_newest_entry_first_and_its_sums_are_the_counter(store: SqlStore):
    from tunesmith_server.ports import PageOf

    await store.write(reserving("run", [Ask(BUDGET)]))
    await store.write(lambda tx: tx.of("acme").settle("run", {TOKENS: 2}, NOW))
    entries = [e for _, e in await store.read(lambda tx: tx.of("acme").ledger(PageOf(10)))]
    assert [(e.kind, e.used_change, e.reserved_change) for e in entries] == [
        ("settle", 2, -5),
        ("reserve", 0, 5),
    ]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "spend", "settle", "release"]),
        st.integers(0, 3),
        st.integers(0, 9),
        st.integers(0, 15),
    ),
    max_size=25,
)


def test_whatever_happens_the_counters_equal_a_recount_and_stay_within_the_limit(
    sqlite_database: str,
):
    engine = make_engine(sqlite_database, connections=1).execution_options(writes=True)

    @given(STEPS)
    @settings(deadline=None)  # `make test-many` asks for 10,000 examples
    def holds(steps: list[tuple[str, int, int, int]]) -> None:
        with engine.connect() as connection, connection.begin() as transaction:
            book = Book(connection, "acme", "acme")
            for what, run, amount, limit in steps:
                subject = f"run-{run}"
                before = _taken(connection)
                ask = Ask(replace(PLACE, amount=amount), limit)
                if what == "reserve":
                    refused = book.reserve(subject, [ask], NOW)
                elif what == "spend":
                    refused = book.reserve(subject, [], NOW, [ask])
                elif what == "settle":
                    refused = []
                    held = sum(h.amount for h in book.held(subject))
                    book.settle(subject, {QUEUED: min(amount, held)}, NOW)
                else:
                    refused = []
                    book.release(subject, [QUEUED], NOW)
                after = _taken(connection)
                if after > before:
                    assert what in ("reserve", "spend")
                    assert after <= limit
                if refused:
                    assert after == before
                counters = {
                    (row.scope, row.dimension, row.period): (row.used, row.reserved)
                    for row in connection.execute(COUNTERS.select())
                }
                found = recount(connection)
                assert all(counters[key] == found.get(key, (0, 0)) for key in counters)
                assert all(reserved >= 0 for _, reserved in counters.values())
            transaction.rollback()

    holds()
    engine.dispose()


def _taken(connection: Any) -> int:
    return sum(row.used + row.reserved for row in connection.execute(COUNTERS.select()))
