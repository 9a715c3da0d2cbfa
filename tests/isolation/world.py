"""Two tenants with the same things in both: one that calls, and one that nobody may see into."""

import asyncio
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from sqlalchemy import Engine, NullPool, create_engine, make_url, select
from sqlmodel import SQLModel
from tunesmith.v1 import catalog_pb2, dataset_pb2, fine_tune_pb2, model_pb2, tenant_pb2
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import KeptCheckpoint, Model
from tunesmith_server.domain.names import ModelName
from tunesmith_server.domain.public_names import LegacyName, PublicName, short_id
from tunesmith_server.ports import Transaction

from tests.integration import uploads
from tests.integration.calls import ADMIN_KEY, Caller, another_key, jsonl

MARK = "zzf"
"""In the name and the content of everything foreign, and in nothing else."""
FOREIGN, OWN, NOBODY = f"{MARK}-tenant", "acme", "nobody"
PARTNER = "partner"
"""A tenant that shares models with each of the two, and they with it."""
_BASE = "tiny-random"
_ADMINISTRATOR = tenant_pb2.ROLE_TENANT_ADMIN
_numbers = itertools.count()


@dataclass
class Side:
    """One tenant, and what it has of every kind."""

    tenant: str
    caller: Caller
    names: dict[str, str] = field(default_factory=dict)
    """Kind → name of one there is, such as `FineTune` → `tenants/acme/fineTunes/run`."""
    other_names: dict[str, list[str]] = field(default_factory=dict)
    """Kind → other texts that stand for the same."""
    uids: set[str] = field(default_factory=set)


@dataclass
class World:
    """An installation with two tenants in it."""

    url: str
    admin: Caller
    own: Side
    foreign: Side
    source: str
    """The URI of a file that every tenant may import."""

    def foreign_marks(self) -> list[str]:
        """Texts that are found only in what is foreign."""
        return [MARK, *sorted(self.foreign.uids)]

    def foreign_rows(self) -> dict[str, list[str]]:
        """Every row that is foreign or speaks of something foreign, but for what the caller did."""
        marks = self.foreign_marks()
        found: dict[str, list[str]] = {}
        for table, rows in dump(self.url).items():
            found[table] = [
                text
                for row in rows
                if any(mark in (text := repr(row)) for mark in marks)
                and row.get("tenant") != self.own.tenant
                and not (table == "audit" and row["tenant"] == "")
            ]
        return found

    async def model(self, side: Side, id: str, content: str = "", training_digest: str = "") -> str:
        """A tuned model's record, as a run that succeeded leaves it: its uid."""
        uid, made = str(uuid.uuid4()), datetime.now(UTC)
        parts = (_BASE, side.tenant, f"{content or 'even'}-{id}")
        record = Model(
            name=ModelName(side.tenant, id),
            uid=uid,
            base_model=_BASE,
            public_name=str(PublicName(*parts, short_id(uid))),
            legacy_name=str(LegacyName(*parts, made.replace(microsecond=0))),
            fine_tune="run",
            digest="sha256:0",
            size_bytes=1,
            create_time=made,
            suffix=content,
            display_name=content,
            training_digest=training_digest,
            checkpoints=(KeptCheckpoint(1, 1, 1, "sha256:0"),),
        )
        store = SqlStore(self.url, connections=2)
        await store.write(lambda tx: tx.of(side.tenant).add_model(record))
        await store.close()
        return uid

    async def dataset(self, side: Side, id: str, content: str = "") -> str:
        """A dataset of two rows: its uid."""
        rows = [
            {"prompt": f"{content}{number} ->", "completion": f" {content}{number}"}
            for number in (1, next(_numbers) + 2)
        ]
        return str((await side.caller.upload(jsonl(rows), id=id)).uid)

    async def upload(self, side: Side) -> str:
        """An upload that broke off right after its header and may go on: its request_id."""
        head = uploads.header(f"half-{next(_numbers)}")
        begun = asyncio.Event()

        async def parts() -> AsyncIterator[dataset_pb2.UploadDatasetRequest]:
            yield dataset_pb2.UploadDatasetRequest(header=head)
            await begun.wait()

        call = side.caller.datasets.UploadDataset(parts(), metadata=side.caller.metadata)
        while True:
            try:
                await uploads.arrived(side.caller, head.request_id)
                break
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.NOT_FOUND
        call.cancel()
        begun.set()
        return head.request_id

    async def run(self, side: Side, id: str, content: str = "", *, ended: bool = False) -> str:
        """A run that waits, or was cancelled: its uid.

        It is held, since tenants that wait for slots do meet: each waits because of the other.
        """
        run = await side.caller.create(
            fine_tune_id=id,
            training_dataset=f"{content}{'-' if content else ''}set",
            placement=fine_tune_pb2.Placement(hold=True),
        )
        if ended:
            request = fine_tune_pb2.CancelFineTuneRequest(name=run.name)
            await side.caller.fine_tunes.CancelFineTune(request, metadata=side.caller.metadata)
        return run.uid

    async def checkpoints(self, side: Side, id: str) -> None:
        """Two, as the trainer tells of them."""
        store = SqlStore(self.url, connections=2)
        now = datetime.now(UTC)
        told = [
            Event(
                Kind.CHECKPOINT,
                now,
                f"Checkpoint {step}",
                data={"step": step, "values": {}, "size_bytes": 1, "digest": "sha256:0"},
            )
            for step in (1, 2)
        ]

        def work(tx: Transaction) -> FineTune:
            scope = tx.of(side.tenant)
            return scope.put_fine_tune(scope.fine_tune(id), told)

        await store.write(work)
        await store.close()

    async def shares(self, side: Side, dash: str) -> str:
        """Offers of the side to its partner, and one that it accepted: a model it was offered."""
        for id in ("model", "other-model"):
            await self.share(side, f"{dash}{id}", PARTNER)
        partner = Side(PARTNER, await another_key(self.admin, PARTNER, _ADMINISTRATOR))
        for id in ("offer", "lent"):
            await self.model(partner, f"{dash}{id}", dash.strip("-"))
            await self.share(partner, f"{dash}{id}", side.tenant)
        lent = model_pb2.AcceptShareRequest(
            tenant=f"tenants/{side.tenant}", model=f"tenants/{PARTNER}/models/{dash}lent"
        )
        await side.caller.models.AcceptShare(lent, metadata=side.caller.metadata)
        return f"tenants/{PARTNER}/models/{dash}offer"

    async def share(self, side: Side, id: str, tenant: str) -> str:
        """An offer of a model: the model's name."""
        request = model_pb2.ShareModelRequest(
            name=f"tenants/{side.tenant}/models/{id}", tenant=f"tenants/{tenant}"
        )
        await side.caller.models.ShareModel(request, metadata=side.caller.metadata)
        return request.name

    async def key(self, side: Side, content: str = "") -> str:
        """A key: its name."""
        request = tenant_pb2.CreateApiKeyRequest(
            parent=f"tenants/{side.tenant}",
            api_key=tenant_pb2.ApiKey(role=tenant_pb2.ROLE_VIEWER, display_name=content),
        )
        made = await self.admin.tenants.CreateApiKey(request, metadata=self.admin.metadata)
        return str(made.api_key.name)

    async def fresh(self, side: Side, kind: str) -> str:
        """Another one of a kind, that may be deleted: its name."""
        id = f"{MARK + '-' if side is self.foreign else ''}fresh-{next(_numbers)}"
        match kind:
            case "FineTune" | "waiting FineTune":
                content = MARK if side is self.foreign else ""
                await self.run(side, id, content, ended=kind == "FineTune")
                return f"tenants/{side.tenant}/fineTunes/{id}"
            case "Dataset":
                await self.dataset(side, id)
                return f"tenants/{side.tenant}/datasets/{id}"
            case "Model":
                await self.model(side, id)
                return f"tenants/{side.tenant}/models/{id}"
            case "shared Model":
                await self.model(side, id)
                return await self.share(side, id, PARTNER)
            case "ApiKey":
                return await self.key(side)
            case "Tenant":
                await make_tenant(self.admin, id)
                return f"tenants/{id}"
            case "BaseModel":
                base = catalog_pb2.CreateBaseModelRequest(
                    base_model_id=id, base_model=catalog_pb2.BaseModel(source=_BASE)
                )
                await self.admin.catalogue.CreateBaseModel(base, metadata=self.admin.metadata)
                return f"baseModels/{id}"
        raise AssertionError(f"there is no way yet to make a {kind}")


async def make_tenant(admin: Caller, id: str, **values: Any) -> None:
    request = tenant_pb2.CreateTenantRequest(tenant_id=id, tenant=tenant_pb2.Tenant(**values))
    await admin.tenants.CreateTenant(request, metadata=admin.metadata)


async def build(address: str, url: str, sources: Path, *, below: bool = False) -> World:
    """The two tenants, each with at least two of every kind, and a bill and a history.

    `sources` is the folder that files may be imported from. With `below` the foreign one is a child
    of the other, which pays its bill and sees no more.
    """
    admin = Caller(address, ADMIN_KEY)
    sides = []
    await make_tenant(admin, PARTNER)
    for tenant in (OWN, FOREIGN):
        parent = f"tenants/{OWN}" if below and tenant == FOREIGN else ""
        await make_tenant(
            admin, tenant, display_name=tenant, labels={"of": tenant}, parent_tenant=parent
        )
        key = await another_key(admin, tenant, _ADMINISTRATOR)
        sides.append(Side(tenant, key))
    source = sources / "rows.jsonl"
    await asyncio.to_thread(_write, source)
    world = World(url, admin, *sides, source.as_uri())
    await _fill(world, world.own, "")
    await _fill(world, world.foreign, MARK)
    return world


def _write(source: Path) -> None:
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(uploads.rows(1000))


async def _fill(world: World, side: Side, content: str) -> None:
    tenant = f"tenants/{side.tenant}"
    dash = f"{content}-" if content else ""
    for id in ("set", "other-set", "set"):  # one has two versions
        side.uids.add(await world.dataset(side, f"{dash}{id}", content))
    named = dataset_pb2.GetDatasetRequest(name=f"{tenant}/datasets/{dash}set")
    data = (await side.caller.datasets.GetDataset(named, metadata=side.caller.metadata)).dataset
    for id in ("run", "other-run"):
        side.uids.add(await world.run(side, f"{dash}{id}", content))
        await world.checkpoints(side, f"{dash}{id}")
    for id in ("model", "other-model"):
        side.uids.add(await world.model(side, f"{dash}{id}", content, data.digest))
    await world.run(side, f"{dash}ended", content, ended=True)
    keys = [await world.key(side, content) for _ in range(2)]
    side.uids |= {key.rpartition("/")[2] for key in keys}
    side.names = {
        "Tenant": tenant,
        "FineTune": f"{tenant}/fineTunes/{dash}run",
        "Dataset": f"{tenant}/datasets/{dash}set",
        "Model": f"{tenant}/models/{dash}model",
        "ApiKey": keys[0],
        "Alias": f"{tenant}/aliases/{dash}alias",
        "Checkpoint": f"{tenant}/fineTunes/{dash}run/checkpoints/1",
        "BaseModel": f"baseModels/{_BASE}",
        "Connection": "connections/none",
        "Upload": await world.upload(side),
        "Source": world.source,
        "Partner": f"tenants/{PARTNER}",
        "Offer": await world.shares(side, dash),
    }
    request = model_pb2.GetModelRequest(name=side.names["Model"])
    model = (await side.caller.models.GetModel(request, metadata=side.caller.metadata)).model
    side.other_names = {
        "Model": [
            model.public_name,
            model.legacy_name,
            model.checkpoints[0].public_name,
            model.checkpoints[0].model,
        ],
        "Dataset": [f"{dash}set"],
        "BaseModel": [model.public_name],
    }


def dump(url: str) -> dict[str, list[Mapping[str, Any]]]:
    """Every row of every table."""
    with _engine(url).connect() as connection:
        return {
            table.name: [
                dict(row._mapping)
                for row in connection.execute(select(table).order_by(*table.primary_key))
            ]
            for table in SQLModel.metadata.sorted_tables
        }


@cache
def _engine(url: str) -> Engine:
    plain = make_url(url)
    if plain.get_backend_name() == "postgresql":
        plain = plain.set(drivername="postgresql+psycopg")
    return create_engine(plain, poolclass=NullPool)  # so that nothing stays open


def as_text(tables: Mapping[str, list[Mapping[str, Any]]]) -> str:
    """A dump to search in: bytes and JSON within it as the text that they hold."""
    return json.dumps(tables, default=_plain, ensure_ascii=False)


def _plain(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
