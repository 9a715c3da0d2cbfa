"""Filtered lists through the front door, on both databases."""

import pytest
from tunesmith import AsyncClient, InvalidArgumentError
from tunesmith.v1 import fine_tune_pb2
from tunesmith_server.bootstrap import Running

from tests.integration.calls import ADMIN_KEY, Caller, a_tenant


@pytest.fixture
async def client(acme: Caller):  # type: ignore[no-untyped-def]
    """A client of acme, which has six runs, every second of the team search, one cancelled."""
    async with AsyncClient(acme.address, acme.key) as client:
        for number in range(6):
            await client.fine_tunes.create(
                "numbers",
                "tiny-random",
                id=f"r{number}",
                labels={"team": "search"} if number % 2 else {},
            )
        await client.fine_tunes.cancel("r1")
        yield client


async def test_runs_datasets_models_and_tenants_are_listed_by_filter(client: AsyncClient):
    async def runs(filter: str) -> list[str]:
        return [run.name.rpartition("/")[2] async for run in client.fine_tunes.list(filter=filter)]

    assert await runs("labels.team = search") == ["r5", "r3", "r1"]
    assert await runs("labels.team = search AND state = QUEUED") == ["r5", "r3"]
    assert await runs("state = FINE_TUNE_STATE_CANCELLED") == ["r1"]
    moment = (await client.fine_tunes.get("r3")).create_time.ToJsonString()
    assert await runs(f"create_time > {moment}") == ["r5", "r4"]
    assert len([d async for d in client.datasets.list(filter="state = READY")]) == 1
    assert not [d async for d in client.datasets.list(filter="labels:team")]
    assert not [m async for m in client.models.list(filter="base_model = ada")]
    async with AsyncClient(client.address, ADMIN_KEY) as admin:
        assert [t.name async for t in admin.tenants.list(filter="state = ACTIVE")] == [
            "tenants/acme"
        ]


async def test_the_bill_and_the_audit_are_listed_by_filter(client: AsyncClient):
    whole = 'dimension = "trained_tokens_per_month" AND time >= "2020-01-01T00:00:00Z"'
    entries = [entry async for entry in client.tenants.ledger(filter=whole)]
    assert {entry.dimension for entry in entries} == {"trained_tokens_per_month"}
    none = [e async for e in client.tenants.ledger(filter="time < 2020-01-01T00:00:00Z")]
    assert not none
    async with AsyncClient(client.address, ADMIN_KEY) as admin:
        cancels = 'method = "FineTuneService/CancelFineTune" AND result = OK'
        found = [event async for event in admin.tenants.audit("acme", filter=cancels)]
        assert [event.resource for event in found] == ["tenants/acme/fineTunes/r1"]
        assert not [e async for e in admin.tenants.audit("acme", filter="result = NOT_FOUND")]


async def test_a_filter_that_means_nothing_is_answered_with_where(client: AsyncClient):
    with pytest.raises(InvalidArgumentError, match="at character 1: there is no field") as caught:
        [run async for run in client.fine_tunes.list(filter="stat = QUEUED")]
    assert caught.value.reason == "FIELD_INVALID"
    assert [violation.field for violation in caught.value.violations] == ["filter"]


async def test_a_page_token_is_good_for_its_own_filter_alone(client: AsyncClient, acme: Caller):
    def request(filter: str, token: str = "") -> fine_tune_pb2.ListFineTunesRequest:
        return fine_tune_pb2.ListFineTunesRequest(
            parent="tenants/-", page_size=2, filter=filter, page_token=token
        )

    first = await acme.fine_tunes.ListFineTunes(
        request("labels.team = search"), metadata=acme.metadata
    )
    assert len(first.fine_tunes) == 2
    second = await acme.fine_tunes.ListFineTunes(
        request("labels.team = search", first.next_page_token), metadata=acme.metadata
    )
    assert [run.name for run in second.fine_tunes] == ["tenants/acme/fineTunes/r1"]
    assert not second.next_page_token
    for other in ("", "labels.team = chat"):
        with pytest.raises(Exception, match="for this list and filter"):
            await acme.fine_tunes.ListFineTunes(
                request(other, first.next_page_token), metadata=acme.metadata
            )


async def test_no_filter_reaches_another_tenants_rows(client: AsyncClient, server: Running):
    other = await a_tenant(server.address, "other")
    async with AsyncClient(other.address, other.key) as stranger:
        for filter in ("labels.team = search", "state = QUEUED", 'labels.team = "x\' OR 1=1 --"'):
            assert not [run async for run in stranger.fine_tunes.list(filter=filter)]
