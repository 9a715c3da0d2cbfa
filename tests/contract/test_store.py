"""What every store must do, on SQLite and on a real PostgreSQL."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import SQLModel
from tunesmith_server.adapters.sql.engine import make_engine
from tunesmith_server.adapters.sql.migrations import is_current, migrate
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.domain.errors import AlreadyExists, NotFound, PageTokenInvalid
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import FineTuneName, ModelName
from tunesmith_server.domain.states import State
from tunesmith_server.domain.tenant import Tenant
from tunesmith_server.ports import Claim, PageOf, Remembered, Transaction

from tests.unit.domain.builders import NOW, a_run

LEASE = timedelta(seconds=10)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    """A store that knows the tenants acme and other."""
    store = SqlStore(database_url)
    for tenant in ("acme", "other"):
        await store.write(lambda tx, t=tenant: tx.system.add_tenant(Tenant(t, NOW)))  # type: ignore[misc]
    yield store
    await store.close()


def numbered(number: int, **changes: Any) -> FineTune:
    return a_run(
        name=FineTuneName("acme", f"bot-{number}"),
        uid=f"uid-{number}",
        create_time=NOW + timedelta(seconds=number),
        **changes,
    )


def message(text: str) -> Event:
    return Event(Kind.MESSAGE, NOW, text)


async def add(store: SqlStore, run: FineTune, *texts: str) -> FineTune:
    return await store.write(
        lambda tx: tx.of(run.name.tenant).add_fine_tune(run, [message(text) for text in texts])
    )


async def claim(store: SqlStore, owner: str = "me", **changes: Any) -> list[Claim]:
    options: dict[str, Any] = {"now": NOW, "lease": LEASE, "limit": 10} | changes
    return list(await store.write(lambda tx: tx.system.claim(owner, "node", **options)))


async def test_a_run_reads_back_as_it_was_written_with_its_events_numbered(store: SqlStore):
    run = await add(store, a_run(labels={"team": "x"}), "one", "two")
    assert await store.read(lambda tx: tx.of("acme").fine_tune("bot")) == run
    assert (run.version, run.last_event) == (1, 2)
    found = await store.read(lambda tx: tx.of("acme").events(run.uid, after=0, limit=9))
    assert [(event.sequence, event.message) for event in found] == [(1, "one"), (2, "two")]


async def test_a_name_is_taken_once_and_the_transaction_goes_on(store: SqlStore):
    await add(store, a_run())

    def again(tx: Transaction) -> str:
        with pytest.raises(AlreadyExists):
            tx.of("acme").add_fine_tune(a_run(uid="another"), [])
        return tx.of("acme").fine_tune("bot").uid

    assert await store.write(again) == a_run().uid


async def test_another_tenants_rows_are_not_there(store: SqlStore):
    run = await add(store, a_run(), "one")
    for work in (
        lambda tx: tx.of("other").fine_tune("bot"),
        lambda tx: tx.of("nobody").tenant(),
    ):
        with pytest.raises(NotFound):
            await store.read(work)
    assert not await store.read(lambda tx: tx.of("other").events(run.uid, after=0, limit=9))
    assert not await store.read(lambda tx: tx.of("other").fine_tunes(PageOf(10)))


def a_model(number: int, suffix: str, base: str = "ada") -> Model:
    return Model(
        name=ModelName("acme", f"model-{number}"),
        uid=f"model-uid-{number}",
        base_model=base,
        public_name=f"ft:{base}:acme:{suffix}:{number:08}",
        legacy_name=f"{base}:ft-acme:{suffix}-{number}",
        fine_tune="gone",
        digest="sha256:00",
        size_bytes=1,
        create_time=NOW,
        suffix=suffix,
    )


async def test_a_suffix_is_taken_by_runs_that_have_not_ended_and_by_models(store: SqlStore):
    async def taken(suffix: str, base: str | None = None, tenant: str = "acme") -> bool:
        return await store.read(lambda tx: tx.of(tenant).suffix_taken(suffix, base))

    spec = replace(a_run().spec, suffix="bot", metadata={"suffix": "trap"})
    run = await add(store, numbered(1, spec=spec))
    await store.write(lambda tx: tx.of("acme").add_model(a_model(1, "made", "curie")))
    assert [await taken(suffix) for suffix in ("bot", "made", "trap", "bo", "b%t", "")] == [
        *(True, True, False, False, False, False)
    ]
    assert (await taken("bot", "ada"), await taken("bot", "curie")) == (True, False)
    assert (await taken("made", "ada"), await taken("made", "curie")) == (False, True)
    assert not await taken("bot", tenant="other")
    ended = replace(run, state=State.CANCELLED)
    await store.write(lambda tx: tx.of("acme").put_fine_tune(ended))
    assert not await taken("bot")
    await store.write(lambda tx: tx.of("acme").delete_model("model-1"))
    assert not await taken("made")


async def test_of_many_who_find_a_suffix_free_at_once_one_gets_it(
    store: SqlStore, database_url: str
):
    second = SqlStore(database_url)

    async def take(number: int) -> bool:
        def work(tx: Transaction) -> bool:
            scope = tx.of("acme")
            if scope.suffix_taken("bot", None):
                return False
            scope.add_fine_tune(numbered(number, spec=replace(a_run().spec, suffix="bot")), [])
            return True

        return await (store, second)[number % 2].write(work)

    assert sum(await asyncio.gather(*map(take, range(24)))) == 1
    await second.close()


async def test_events_are_dense_and_in_order_however_many_write_at_once(store: SqlStore):
    run = await add(store, a_run())

    def append(tx: Transaction) -> FineTune:
        scope = tx.of("acme")
        return scope.put_fine_tune(scope.fine_tune("bot"), [message("a"), message("b")])

    await asyncio.gather(*(store.write(append) for _ in range(40)))
    found = await store.read(lambda tx: tx.system.events_of({run.uid: 0}, 1000))
    assert [event.sequence for event in found[run.uid]] == list(range(1, 81))
    assert (await store.read(lambda tx: tx.of("acme").fine_tune("bot"))).version == 41


async def test_a_run_that_talks_much_takes_nothing_from_the_share_of_another(store: SqlStore):
    runs = [await add(store, numbered(n), *(str(i) for i in range(5))) for n in range(3)]
    loud = await add(store, numbered(9), *(str(i) for i in range(100)))
    after = {loud.uid: 90, **{run.uid: n for n, run in enumerate(runs)}, "nobody": 0}
    found = await store.read(lambda tx: tx.system.events_of(after, 4))
    numbers = {uid: [event.sequence for event in events] for uid, events in found.items()}
    assert numbers == {
        loud.uid: [91, 92, 93, 94],
        "uid-0": [1, 2, 3, 4],
        "uid-1": [2, 3, 4, 5],
        "uid-2": [3, 4, 5],
    }
    assert await store.read(lambda tx: tx.system.events_of({}, 4)) == {}


async def test_one_work_that_fails_leaves_its_neighbours_alone(store: SqlStore):
    async def work(number: int) -> str:
        def change(tx: Transaction) -> None:
            tx.of("acme").add_fine_tune(numbered(number), [])
            if number % 2:
                raise ValueError(number)

        try:
            await store.write(change)
        except ValueError:
            return "failed"
        return "done"

    outcomes = Counter(await asyncio.gather(*map(work, range(20))))
    assert outcomes == {"failed": 10, "done": 10}
    kept = await store.read(lambda tx: tx.of("acme").fine_tunes(PageOf(100)))
    assert {run.name.id for _, run in kept} == {f"bot-{n}" for n in range(0, 20, 2)}


async def test_pages_join_up_newest_first_while_rows_are_added(store: SqlStore):
    for number in range(5):
        await add(store, numbered(number))
    seen, after = [], ""
    while found := await store.read(
        lambda tx, after=after: tx.of("acme").fine_tunes(PageOf(2, after))  # type: ignore[misc]
    ):
        seen += [run.name.id for _, run in found]
        after = found[-1][0]
        await add(store, numbered(100 + len(seen)))
    assert seen == ["bot-4", "bot-3", "bot-2", "bot-1", "bot-0"]
    with pytest.raises(PageTokenInvalid):
        await store.read(lambda tx: tx.of("acme").fine_tunes(PageOf(2, "nonsense")))


async def test_a_due_run_is_leased_to_one_and_its_old_fence_changes_nothing(store: SqlStore):
    for number in range(6):
        await add(store, numbered(number, update_time=NOW, state=State.RUNNING))
    claims = await asyncio.gather(*(claim(store, f"owner-{n}", limit=4) for n in range(3)))
    taken = [one.run.uid for some in claims for one in some]
    assert sorted(taken) == sorted(set(taken)) == [f"uid-{n}" for n in range(6)]
    later = NOW + LEASE + timedelta(seconds=1)
    again = await claim(store, "another", now=later)
    assert len(again) == 6
    old = next(one for some in claims for one in some)
    assert await store.write(lambda tx: tx.system.fenced(old)) is None
    assert await store.write(lambda tx: tx.system.fenced(again[0])) == again[0].run


async def test_a_run_that_has_ended_is_never_due_again(store: SqlStore):
    await add(store, a_run(state=State.RUNNING))
    (one,) = await claim(store)
    ended = replace(a_run(), state=State.CANCELLED)
    await store.write(lambda tx: tx.of("acme").put_fine_tune(ended))
    await store.write(lambda tx: tx.system.unclaim(one, due=NOW))
    assert await claim(store, now=NOW + timedelta(days=1)) == []
    assert await store.read(lambda tx: tx.system.active_uids()) == []


async def test_of_many_who_bring_one_request_id_one_is_first(store: SqlStore):
    async def ask(number: int) -> Remembered | None:
        def work(tx: Transaction) -> Remembered | None:
            first = tx.system.remember("acme", "id", Remembered("m", "h", b""), NOW)
            if first is None:
                tx.system.set_answer("acme", "id", str(number).encode())
            return first

        return await store.write(work)

    answers = await asyncio.gather(*map(ask, range(16)))
    assert answers.count(None) == 1
    assert {a.answer for a in answers if a} == {str(answers.index(None)).encode()}
    other = lambda tx: tx.system.remember("other", "id", Remembered("m", "h", b""), NOW)  # noqa: E731
    assert await store.write(other) is None


async def test_what_a_dead_owner_leased_is_taken_over_at_once_and_what_it_gave_back_too(
    store: SqlStore,
):
    await add(store, a_run(state=State.RUNNING))
    await claim(store, "gone")
    assert await claim(store, "me") == []
    assert await store.read(lambda tx: tx.system.lease_owners()) == ["gone"]
    (taken,) = await claim(store, "me", dead=["gone"])
    assert taken.fence == 2
    await store.write(lambda tx: tx.system.abandon("me", NOW))
    assert len(await claim(store, "next")) == 1


async def test_waiting_runs_come_by_priority_and_age_and_never_those_that_are_held(
    store: SqlStore,
):
    await add(store, numbered(0))
    await add(store, numbered(1, spec=replace(a_run().spec, priority=5)))
    await add(store, numbered(2, spec=replace(a_run().spec, hold=True)))
    await add(store, numbered(3, state=State.RUNNING))
    waiting = await store.read(lambda tx: tx.system.waiting(10))
    assert [run.name.id for run in waiting] == ["bot-1", "bot-0"]
    assert len(await store.read(lambda tx: tx.system.waiting(1))) == 1
    before = await store.read(lambda tx: tx.of("acme").queued_before(waiting[1]))
    assert before == 1


async def test_the_migrations_make_just_the_tables_of_the_models(database_url: str):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    assert is_current(database_url)
    migrate(database_url)  # again: nothing to do
    engine = make_engine(database_url, connections=1)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()


async def test_nobody_changes_a_tenant_that_a_write_has_looked_at_until_that_is_done(
    postgres_database: str,
):
    store = SqlStore(postgres_database)
    await store.write(lambda tx: tx.system.add_tenant(Tenant("above", NOW)))
    await store.write(lambda tx: tx.system.add_tenant(Tenant("acme", NOW, parent="above")))
    looked, go, order = threading.Event(), threading.Event(), []

    def look(tx: Transaction) -> None:
        tx.of("acme").chain()
        looked.set()
        assert go.wait(20)
        order.append("looked")

    def change(tx: Transaction) -> None:
        tenant = tx.system.tenant("above", lock=True)
        tx.system.put_tenant(replace(tenant, display_name="changed"))
        order.append("changed")

    first = asyncio.create_task(store.write(look))
    await asyncio.to_thread(looked.wait)
    second = asyncio.create_task(store.write(change))
    engine = make_engine(postgres_database, connections=1)
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with engine.connect() as connection:
        while not second.done() and not connection.execute(waiting).scalar_one():
            connection.rollback()
            await asyncio.sleep(0.01)
    engine.dispose()
    go.set()
    await asyncio.gather(first, second)
    assert order == ["looked", "changed"]
    await store.close()
