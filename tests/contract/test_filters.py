"""Filters in the store, on SQLite and on a real PostgreSQL."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url, select, text
from tunesmith_server.adapters.sql.documents import encoded, paged
from tunesmith_server.adapters.sql.engine import make_engine
from tunesmith_server.adapters.sql.filters import filtered
from tunesmith_server.adapters.sql.migrations import _config, migrate
from tunesmith_server.adapters.sql.runs import RUNS
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.adapters.sql.system import TENANTS
from tunesmith_server.app import filters
from tunesmith_server.domain.audit import AuditRecord
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.filter_parser import parse
from tunesmith_server.domain.filters import Fields
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import DatasetName, FineTuneName, ModelName
from tunesmith_server.domain.quota import Ask, Dimension, Hold, tenant_scope
from tunesmith_server.domain.states import State
from tunesmith_server.domain.tenant import Suspension, Tenant
from tunesmith_server.ports import PageOf

from tests.unit.domain.builders import NOW, a_run


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    store = SqlStore(database_url)
    await store.write(lambda tx: tx.system.add_tenant(Tenant("acme", NOW, labels={"tier": "gold"})))
    await store.write(lambda tx: tx.system.add_tenant(Tenant("other", NOW)))
    yield store
    await store.close()


def page(text: str, fields: Fields, limit: int = 100, after: str = "") -> PageOf:
    return PageOf(limit, after, parse(text, fields))


async def add(store: SqlStore, number: int, **changes: Any) -> FineTune:
    run = a_run(
        name=FineTuneName("acme", f"bot-{number}"),
        uid=f"uid-{number}",
        create_time=NOW + timedelta(minutes=number),
        **changes,
    )
    return await store.write(lambda tx: tx.of("acme").add_fine_tune(run, []))


async def runs(store: SqlStore, text: str, tenant: str = "acme") -> list[str]:
    of = page(text, filters.FINE_TUNES)
    found = await store.read(lambda tx: tx.of(tenant).fine_tunes(of))
    return [run.name.id for _, run in found]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", [3, 2, 1, 0]),
        ("state = RUNNING", [2]),
        ("state != running", [3, 1, 0]),
        ("labels.team = search", [2, 0]),
        ("labels.team != search", [1]),  # not those that have no team: what is not there
        ("labels:team", [2, 1, 0]),
        ("labels.team:*", [2, 1, 0]),
        ('labels.team = ""', []),
        ('labels.a/b.c-d = "it\'s \\"100 %\\" é"', [1]),
        ("labels.a = x", []),  # a/b.c-d is one key
        ("create_time > 2026-11-24T12:01:00Z", [3, 2]),
        (
            "create_time >= 2026-11-24T14:01:00+02:00 AND create_time != 2026-11-24T12:02:00Z",
            [3, 1],
        ),
        ("create_time = 2026-11-24T12:00:00.000000Z", [0]),
        ("create_time < 2026-11-24T12:00:00.000001Z", [0]),
        ("labels.team = search AND state = queued AND create_time <= 2026-11-24T12:02:00Z", [0]),
    ],
)
async def test_a_filter_lets_through_what_it_says(store: SqlStore, text: str, numbers: list[int]):
    await add(store, 0, labels={"team": "search"})
    await add(store, 1, labels={"team": "chat", "a/b.c-d": 'it\'s "100 %" é'})
    await add(store, 2, labels={"team": "search", "x": "y"}, state=State.RUNNING)
    await add(store, 3)
    assert await runs(store, text) == [f"bot-{number}" for number in numbers]
    assert await runs(store, text, "other") == []


async def test_a_filter_goes_before_the_limit_of_the_page(store: SqlStore):
    for number in range(30):
        await add(store, number, labels={"odd": str(number % 2)})
    seen, after = [], ""
    while found := await store.read(
        lambda tx, after=after: tx.of("acme").fine_tunes(  # type: ignore[misc]
            page("labels.odd = 1", filters.FINE_TUNES, 4, after)
        )
    ):
        assert len(found) in (4, 3)
        seen += [run.name.id for _, run in found]
        after = found[-1][0]
    assert seen == [f"bot-{number}" for number in range(29, 0, -2)]


async def test_a_change_of_a_run_is_seen_by_filters(store: SqlStore):
    run = await add(store, 0, labels={"team": "search"})
    moved = replace(run, state=State.CANCELLED, labels={"team": "chat"})
    await store.write(lambda tx: tx.of("acme").put_fine_tune(moved))
    assert await runs(store, "labels.team = chat AND state = CANCELLED") == ["bot-0"]
    assert await runs(store, "labels.team = search") == []


async def test_labels_that_a_database_cannot_read_harm_no_list(store: SqlStore):
    await add(store, 0, labels={"team": "sea\0rch"})
    await add(store, 1, labels={"team": "chat"})
    assert await runs(store, "labels.team = chat") == ["bot-1"]
    assert await runs(store, "labels:team") == ["bot-1", "bot-0"]
    kept = await store.read(lambda tx: tx.of("acme").fine_tune("bot-0"))
    assert kept.labels == {"team": "sea\0rch"}


def a_dataset(id: str, state: DatasetState = DatasetState.READY, **labels: str) -> Dataset:
    name = DatasetName("acme", id)
    return Dataset(name, f"uid-{id}", "ab" * 32, state, 1, 1, "chat", {}, NOW, NOW, labels=labels)


async def test_datasets_models_and_tenants_are_filtered_too(store: SqlStore):
    await store.write(lambda tx: tx.of("acme").put_dataset(a_dataset("good", team="search")))
    invalid = a_dataset("bad", DatasetState.INVALID)
    await store.write(lambda tx: tx.of("acme").put_dataset(invalid))
    for text_, expected in (
        ("state = INVALID", ["bad"]),
        ("state = DATASET_STATE_PROCESSING", []),
        ("labels.team = search", ["good"]),
    ):
        of = page(text_, filters.DATASETS)
        found = await store.read(lambda tx, of=of: tx.of("acme").datasets(of))  # type: ignore[misc]
        assert [dataset.name.id for _, dataset in found] == expected
    mended = replace(invalid, state=DatasetState.READY, labels={"team": "search"})
    await store.write(lambda tx: tx.of("acme").put_dataset(mended))
    of = page("state = ready AND labels.team = search", filters.DATASETS)
    assert len(await store.read(lambda tx: tx.of("acme").datasets(of))) == 2

    for base in ("ada", "curie"):
        model = Model(
            ModelName("acme", base), base, base, f"p:{base}", f"l:{base}", "bot", "", 1, NOW
        )
        await store.write(lambda tx, m=model: tx.of("acme").add_model(m))  # type: ignore[misc]
    of = page("base_model = baseModels/ada", filters.MODELS)
    models = await store.read(lambda tx: tx.of("acme").models(of))
    assert [model.name.id for _, model in models] == ["ada"]

    for text_, expected in (
        ("labels.tier = gold", ["acme"]),
        ("state = TENANT_STATE_ACTIVE", ["other", "acme"]),
        ("state = suspended", []),
    ):
        of = page(text_, filters.TENANTS)
        tenants = await store.read(lambda tx, of=of: tx.system.tenants(of))  # type: ignore[misc]
        assert [tenant.id for _, tenant in tenants] == expected
    changed = Tenant("other", NOW, labels={"tier": "gold"})
    await store.write(lambda tx: tx.system.put_tenant(changed))
    of = page("labels.tier = gold", filters.TENANTS)
    assert len(await store.read(lambda tx: tx.system.tenants(of))) == 2


async def test_a_suspended_tenant_is_found_as_such(store: SqlStore):
    suspended = Tenant("other", NOW, suspension=Suspension(NOW))
    await store.write(lambda tx: tx.system.put_tenant(suspended))
    of = page("state = SUSPENDED", filters.TENANTS)
    tenants = await store.read(lambda tx: tx.system.tenants(of))
    assert [tenant.id for _, tenant in tenants] == ["other"]


async def test_audit_events_and_the_bill_are_filtered_before_the_limit_too(store: SqlStore):
    records = [
        AuditRecord(
            time=NOW + timedelta(minutes=number),
            tenant="acme",
            principal=f"key-{number % 2}",
            method="FineTuneService/CreateFineTune",
            resource="",
            result="QUOTA_EXCEEDED" if number % 3 else "OK",
        )
        for number in range(12)
    ]
    await store.write(lambda tx: tx.system.add_audit(records))
    text_ = "principal = key-1 AND result = OK AND time > 2026-11-24T12:03:00Z"
    of = page(text_, filters.AUDIT_EVENTS, limit=1)
    for tenant in ("acme", None):
        found = await store.read(lambda tx, t=tenant: tx.system.audit(t, of))  # type: ignore[misc]
        assert [record for _, record in found] == [records[9]]

    scope = tenant_scope("acme")
    asks = [
        Ask(Hold(scope, dimension, "", 1), None)
        for dimension in (Dimension.FINE_TUNES_QUEUED, Dimension.DATASETS)
    ]
    for number in range(6):
        await store.write(
            lambda tx, n=number: tx.of("acme").reserve(  # type: ignore[misc]
                f"run-{n}", asks, NOW + timedelta(minutes=n)
            )
        )
    of = page("dimension = datasets AND time <= 2026-11-24T12:01:00Z", filters.LEDGER, limit=2)
    entries = await store.read(lambda tx: tx.of("acme").ledger(of))
    assert [(e.subject, e.dimension) for _, e in entries] == [
        ("run-1", Dimension.DATASETS),
        ("run-0", Dimension.DATASETS),
    ]


def test_a_filtered_page_still_follows_the_index_of_the_page(sqlite_database: str):
    of = page("labels.team = x AND state = QUEUED", filters.FINE_TUNES, after="")
    statement = select(RUNS).where(RUNS.c.tenant == "acme")
    engine = make_engine(sqlite_database, connections=1)
    query = paged(filtered(statement, RUNS, of.filter), RUNS, of).compile(
        engine, compile_kwargs={"literal_binds": True}
    )
    with engine.connect() as connection:
        plan = [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
    engine.dispose()
    assert len(plan) == 1  # no sort besides
    assert "ix_fine_tunes_page (tenant=?)" in plan[0]


@pytest.fixture(params=["sqlite", "postgresql"])
def old_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the schema from before there were columns to filter by."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    if request.param == "postgresql":
        server = make_url(request.getfixturevalue("postgres_url"))
        name = f"old_{uuid.uuid4().hex}"
        with psycopg.connect(server.render_as_string(False), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type, unused-ignore]
        url = server.set(database=name).render_as_string(False)
    config = _config(url)
    before = ScriptDirectory.from_config(config).get_revision("0003").down_revision
    command.upgrade(config, str(before))
    return url


async def test_rows_from_before_the_migration_can_be_filtered(old_database: str):
    engine = make_engine(old_database, connections=1)
    with engine.execution_options(writes=True).begin() as connection:
        tenant, dataset = Tenant("acme", NOW, labels={"a": "b"}), a_dataset("old", team="search")
        connection.execute(
            text("INSERT INTO tenants (id, create_time, document) VALUES ('acme', :at, :document)"),
            {"at": at(connection), "document": encoded(tenant)},
        )
        rows = [
            {"id": f"old-{number}", "at": at(connection), "document": encoded(dataset)}
            for number in range(1200)  # more than a batch
        ]
        connection.execute(
            text(
                "INSERT INTO datasets (tenant, id, create_time, document)"
                " VALUES ('acme', :id, :at, :document)"
            ),
            rows,
        )
    engine.dispose()
    migrate(old_database)
    store = SqlStore(old_database)
    of = page("state = READY AND labels.team = search", filters.DATASETS, 5000)
    assert len(await store.read(lambda tx: tx.of("acme").datasets(of))) == 1200
    of = page("state = ACTIVE AND labels.a = b", filters.TENANTS)
    assert len(await store.read(lambda tx: tx.system.tenants(of))) == 1
    await store.close()


def at(connection: Any) -> Any:
    """NOW, as the driver takes it."""
    if connection.dialect.name == "sqlite":
        return NOW.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return NOW


values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(values, values)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_label_is_found_by_exactly_its_own_value(database_url: str, kept: str, asked: str):
    engine = make_engine(database_url, connections=1).execution_options(writes=True)
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(
            text("INSERT INTO tenants (id, create_time, document) VALUES ('t', :at, '')"),
            {"at": at(connection)},
        )
        connection.execute(TENANTS.update().values(labels={"k": kept}))
        of = parse(f"labels.k = {escaped(asked)}", filters.TENANTS)
        found = connection.execute(filtered(select(TENANTS.c.id), TENANTS, of)).all()
        assert bool(found) == (kept == asked)
        transaction.rollback()
    engine.dispose()


def escaped(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
