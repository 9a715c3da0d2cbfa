"""The client against the real service, on each database."""

import asyncio
import uuid

import pytest
from tunesmith import (
    AsyncClient,
    AuthenticationError,
    Client,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
)
from tunesmith.v1 import common_pb2, dataset_pb2
from tunesmith_server.bootstrap import Running

from tests.integration.calls import ADMIN_KEY, ROWS, Caller, jsonl


async def test_from_a_tenant_to_a_watched_run(server: Running):
    async with AsyncClient(server.address, ADMIN_KEY) as admin:
        tenant = await admin.tenants.create("acme", limits={"fine_tunes_queued": 5})
        key = await admin.keys.create("acme", "editor")
        assert tenant.name == "tenants/acme"
    async with AsyncClient(server.address, key.secret) as client:
        assert (await client.whoami()).tenant == "tenants/acme"
        dataset = await client.datasets.upload(jsonl(ROWS), id="numbers")
        assert dataset.state == dataset_pb2.DATASET_STATE_READY
        run = await client.fine_tunes.create("numbers", "tiny-random", n_epochs=2, id="r1")
        events = client.fine_tunes.watch("r1")
        first = await anext(events)
        assert first.sequence == 1
        assert events.snapshot is not None
        assert events.snapshot.name == run.name
        await client.fine_tunes.cancel("r1")
        rest = [event.sequence async for event in events]
        assert rest == list(range(2, len(rest) + 2))
        again = [event.sequence async for event in client.fine_tunes.events("r1")]
        assert again == [1, *rest]
        ended = await client.fine_tunes.wait("r1")
        assert ended.status.state == common_pb2.FINE_TUNE_STATE_CANCELLED


async def test_the_blocking_client_does_the_same(acme: Caller):
    def use() -> None:
        with Client(acme.address, acme.key) as client:
            names = [client.fine_tunes.create("numbers", "tiny-random").name for _ in range(2)]
            assert {run.name for run in client.fine_tunes.list()} == set(names)
            for name in names:
                client.fine_tunes.cancel(name)
                sequences = [event.sequence for event in client.fine_tunes.watch(name)]
                assert sequences == list(range(1, len(sequences) + 1))
            assert [d.name for d in client.datasets.list()] == ["tenants/acme/datasets/numbers"]
            assert "baseModels/ada" in {base.name for base in client.base_models.list()}

    await asyncio.to_thread(use)


async def test_what_is_wrong_arrives_as_its_exception(server: Running, acme: Caller):
    async with AsyncClient(acme.address, acme.key) as client:
        with pytest.raises(InvalidArgumentError) as unknown:
            await client.fine_tunes.create("numbers", "nope")
        assert unknown.value.reason == "BASE_MODEL_UNKNOWN"
        with pytest.raises(InvalidArgumentError) as wrong:
            await client.fine_tunes.create("numbers", "tiny-random", n_epochs=900, batch_size=0)
        assert len(wrong.value.violations) == 2
        with pytest.raises(NotFoundError):
            await client.fine_tunes.create("tenants/globex/datasets/numbers", "tiny-random")
        with pytest.raises(NotFoundError):
            await anext(client.fine_tunes.watch("nope"))
        bad = await client.datasets.upload(b"{oops\n", id="bad")
        assert bad.state == dataset_pb2.DATASET_STATE_INVALID
        assert [finding.line async for finding in client.datasets.validate("bad")][-1] == 1
        with pytest.raises(ConflictError) as invalid:
            await client.fine_tunes.create("bad", "tiny-random")
        assert invalid.value.reason == "DATASET_NOT_READY"
        with pytest.raises(PermissionDeniedError):
            await client.tenants.create("globex")
    async with AsyncClient(server.address, "sk-ts-nobody") as nobody:
        with pytest.raises(AuthenticationError):
            await nobody.whoami()


async def test_the_same_request_id_makes_one_run(acme: Caller):
    request_id = str(uuid.uuid4())
    async with AsyncClient(acme.address, acme.key) as client:
        first, second = [
            await client.fine_tunes.create("numbers", "tiny-random", request_id=request_id)
            for _ in range(2)
        ]
        assert first.name == second.name
        assert len([run async for run in client.fine_tunes.list()]) == 1
        await client.fine_tunes.create("numbers", "tiny-random", validate_only=True)
        assert len([run async for run in client.fine_tunes.list()]) == 1
