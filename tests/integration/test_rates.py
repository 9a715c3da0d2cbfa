"""Limits of a minute and of watches at once, through the front door, on both databases."""

import asyncio
from collections import Counter
from datetime import UTC, datetime

import grpc
import pytest
from google.rpc import error_details_pb2
from tunesmith.v1 import fine_tune_pb2, tenant_pb2
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.app.admission import Admission
from tunesmith_server.app.presence import Presence
from tunesmith_server.app.rates import Rates
from tunesmith_server.bootstrap import Running
from tunesmith_server.domain.errors import RateLimited
from tunesmith_server.domain.quota import Dimension
from tunesmith_server.domain.tenant import Tenant

from tests.integration.calls import ROWS, Caller, a_tenant, details, jsonl, reason
from tests.unit.domain.builders import NOW

REQUESTS = Dimension.REQUESTS_PER_MINUTE
LATER = datetime(2026, 11, 24, 12, 1, 0, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


async def whoami(caller: Caller) -> str:
    try:
        await caller.tenants.WhoAmI(tenant_pb2.WhoAmIRequest(), metadata=caller.metadata)
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        retry = details(error, error_details_pb2.RetryInfo())
        assert 0 < retry.retry_delay.ToTimedelta().total_seconds() <= 60
        return reason(error)
    return "answered"


@pytest.mark.parametrize("limit", [7, 60])
async def test_two_replicas_together_never_hand_out_more_than_the_limit_and_nearly_all_of_it(
    database_url: str, limit: int
):
    clock, stores = Clock(), [SqlStore(database_url), SqlStore(database_url)]
    tenant = Tenant("acme", NOW, limits={REQUESTS: limit})
    await stores[0].write(lambda tx: tx.system.add_tenant(tenant))
    replicas = [Rates(store, Admission({}), clock) for store in stores]

    async def ask(number: int) -> bool:
        try:
            await replicas[number % 2].take("acme", REQUESTS)
        except RateLimited:
            return False
        return True

    answered = sum(await asyncio.gather(*map(ask, range(4 * limit))))
    assert limit - 2 * (limit // 20) <= answered <= limit
    clock.time = LATER
    assert await ask(0)
    for store in stores:
        await store.close()


async def test_what_was_set_aside_and_not_used_can_be_used_by_others(database_url: str):
    tokens = Dimension.INFERENCE_TOKENS_PER_MINUTE
    store = SqlStore(database_url)
    await store.write(lambda tx: tx.system.add_tenant(Tenant("acme", NOW, limits={tokens: 100})))
    rates = Rates(store, Admission({}), Clock())
    await rates.take("acme", tokens, 100)
    with pytest.raises(RateLimited, match="used up"):
        await rates.take("acme", tokens, 1)
    rates.give_back("acme", tokens, 60)
    await rates.take("acme", tokens, 60)
    with pytest.raises(RateLimited, match="more than the 100 of a whole minute"):
        await rates.take("acme", tokens, 101)
    await store.close()


async def test_a_callers_requests_of_a_minute_are_limited_and_it_is_told_when_to_come_again(
    server: Running,
):
    caller = await a_tenant(server.address, "busy", {"requests_per_minute": 5})
    free = await a_tenant(server.address, "free")
    outcomes = Counter([await whoami(caller) for _ in range(20)])
    # a minute may end in the middle, and then there are five more
    assert outcomes["answered"] in (5, 10)
    assert outcomes["RATE_LIMITED"] == 20 - outcomes["answered"]
    assert [await whoami(free) for _ in range(20)] == ["answered"] * 20


async def test_watches_at_once_are_limited_and_one_that_ends_makes_room(server: Running):
    caller = await a_tenant(server.address, "watching", {"watches": 2})
    await caller.upload(jsonl(ROWS))
    run = await caller.create()
    open_watches = [caller.watch(run.name) for _ in range(2)]
    for watch in open_watches:
        await anext(aiter(watch))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(aiter(caller.watch(run.name)))
    assert reason(caught.value) == "RATE_LIMITED"
    usage = await caller.tenants.GetUsage(
        tenant_pb2.GetUsageRequest(name="tenants/-"), metadata=caller.metadata
    )
    of = {row.dimension: row for row in usage.dimensions}
    assert (of["watches"].used, of["watches"].limit) == (2, 2)
    await caller.fine_tunes.CancelFineTune(
        fine_tune_pb2.CancelFineTuneRequest(name=run.name), metadata=caller.metadata
    )
    for watch in open_watches:  # they end with the run
        async for _ in watch:
            pass
    assert [response async for response in caller.watch(run.name)]


async def test_watches_that_a_dead_process_served_do_not_count_for_long(database_url: str):
    clock, store = Clock(), SqlStore(database_url)
    tenant = Tenant("acme", NOW, limits={Dimension.WATCHES: 1})
    await store.write(lambda tx: tx.system.add_tenant(tenant))
    gone = Presence(store, Admission({}), clock, "gone")
    here = Presence(store, Admission({}), clock, "here")
    dying = gone.watching("acme")
    await dying.__aenter__()
    with pytest.raises(RateLimited):
        await here.watching("acme").__aenter__()
    clock.time = LATER
    async with here.watching("acme"):
        pass
    await store.close()
