"""Versions from before there was a table of them, and what was made from which."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text
from tunesmith_server.adapters.sql.engine import make_engine
from tunesmith_server.adapters.sql.migrations import _config, migrate
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import DatasetName, ModelName
from tunesmith_server.domain.tenant import Tenant
from tunesmith_server.ports import PageOf

from tests.unit.domain.builders import NOW, a_run


def a_version(number: int, digest: str, id: str = "set") -> Dataset:
    return Dataset(
        name=DatasetName("acme", id),
        uid=f"uid-{id}",
        digest=digest * 64,
        state=DatasetState.READY,
        size_bytes=1,
        example_count=1,
        shape="chat",
        report={},
        create_time=NOW,
        version_time=NOW,
        version=number,
    )


def a_model(id: str, training: str = "", validation: str = "") -> Model:
    return Model(
        name=ModelName("acme", id),
        uid=f"uid-{id}",
        base_model="ada",
        public_name=f"public-{id}",
        legacy_name=f"legacy-{id}",
        fine_tune="gone",
        digest="sha256:00",
        size_bytes=1,
        create_time=NOW,
        training_digest=training * 64,
        validation_digest=validation * 64,
    )


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    store = SqlStore(database_url)
    await store.write(lambda tx: tx.system.add_tenant(Tenant("acme", NOW)))
    await store.write(lambda tx: tx.system.add_tenant(Tenant("other", NOW)))
    yield store
    await store.close()


async def test_rows_of_the_release_before_become_versions(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'old.db'}"
    command.upgrade(_config(url), "0003")
    first, second = a_version(1, "a"), a_version(2, "b")
    third = replace(second, version=3, digest=first.digest)  # which had no row of its own
    model = a_model("m", training="a")
    engine = make_engine(url, connections=1)
    with engine.begin() as connection:
        tenant = {"id": "acme", "time": NOW, "document": _encoded(Tenant("acme", NOW))}
        connection.execute(
            text("INSERT INTO tenants (id, create_time, document) VALUES (:id, :time, :document)"),
            tenant,
        )
        connection.execute(
            text(
                "INSERT INTO datasets (tenant, id, create_time, document)"
                " VALUES ('acme', 'set', :time, :document)"
            ),
            {"time": NOW, "document": _encoded(third)},
        )
        for version in (first, second):
            connection.execute(
                text(
                    "INSERT INTO dataset_versions (tenant, id, digest, document)"
                    " VALUES ('acme', 'set', :digest, :document)"
                ),
                {"digest": version.digest, "document": _encoded(version)},
            )
        connection.execute(
            text(
                "INSERT INTO models (tenant, id, public_name, legacy_name, create_time, document)"
                " VALUES ('acme', 'm', 'p', 'l', :time, :document)"
            ),
            {"time": NOW, "document": _encoded(model)},
        )
    engine.dispose()
    migrate(url)
    store = SqlStore(url)
    found = await store.read(lambda tx: tx.of("acme").dataset_versions("set", PageOf(10)))
    assert [version for _, version in found] == [third, second, first]
    made = await store.read(lambda tx: tx.of("acme").descendants("set", PageOf(10)))
    assert [id for _, id in made] == ["m"]
    await store.close()


def _encoded(value: object) -> str:
    import msgspec

    return json.dumps(json.loads(msgspec.json.encode(value)))


async def test_descendants_are_the_models_made_with_any_version(store: SqlStore):
    for version in (a_version(1, "a"), a_version(2, "b"), a_version(1, "c", "another")):
        await store.write(lambda tx, v=version: tx.of("acme").put_dataset(v))  # type: ignore[misc]
    for model in (
        a_model("trained", training="a"),
        a_model("validated", training="c", validation="b"),
        a_model("neither", training="c"),
    ):
        await store.write(lambda tx, m=model: tx.of("acme").add_model(m))  # type: ignore[misc]
    found = await store.read(lambda tx: tx.of("acme").descendants("set", PageOf(10)))
    assert {id for _, id in found} == {"trained", "validated"}
    page = await store.read(lambda tx: tx.of("acme").descendants("set", PageOf(1)))
    rest = await store.read(lambda tx: tx.of("acme").descendants("set", PageOf(9, page[0][0])))
    assert [id for _, id in (*page, *rest)] == [id for _, id in found]
    assert not await store.read(lambda tx: tx.of("other").descendants("set", PageOf(10)))


async def test_bytes_are_referred_to_by_every_version_and_by_runs_that_have_not_ended(
    store: SqlStore,
):
    for version in (a_version(1, "a"), a_version(2, "b")):
        await store.write(lambda tx, v=version: tx.of("acme").put_dataset(v))  # type: ignore[misc]
    run = await store.write(lambda tx: tx.of("acme").add_fine_tune(a_run(), []))
    pinned = run.resolved.training.digest
    asked = ["a" * 64, "b" * 64, "c" * 64, pinned]
    found = await store.read(lambda tx: tx.system.referred_to(asked))
    assert found == {"a" * 64, "b" * 64, pinned}
    await store.write(lambda tx: tx.of("acme").delete_dataset("set"))
    assert await store.read(lambda tx: tx.system.referred_to(asked)) == {pinned}
