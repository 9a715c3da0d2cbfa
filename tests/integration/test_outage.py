"""A database that goes away and comes back while the service runs."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from tunesmith.v1 import common_pb2, fine_tune_pb2
from tunesmith_server.bootstrap import serve
from tunesmith_server.settings import Settings

from tests.contract.proxy import CuttingProxy
from tests.integration.calls import ROWS, Caller, a_tenant, jsonl


@pytest.fixture
def proxy(postgres_database: str) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(postgres_database)
    yield proxy
    proxy.close()


@pytest.fixture
async def far(server_settings: Settings, proxy: CuttingProxy) -> AsyncIterator[Caller]:
    """A caller of a service that sees PostgreSQL through the proxy."""
    settings = server_settings.model_copy(update={"database_url": proxy.url})
    async with serve(settings) as running:
        caller = await a_tenant(running.address, "acme")
        await caller.upload(jsonl(ROWS))
        yield caller


async def answered(caller: Caller, name: str) -> fine_tune_pb2.FineTune:
    """The run, cancelled as soon as the service can."""
    while True:
        try:
            return await caller.cancel(name)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_watch_goes_on_after_the_database_was_away(far: Caller, proxy: CuttingProxy):
    run = await far.create()
    async with asyncio.timeout(60):
        watch = aiter(far.watch(run.name))
        assert (await anext(watch)).HasField("snapshot")
        while not (await anext(watch)).bookmark:
            pass
        proxy.down()
        for _ in range(4):  # each after a while in which others have looked for news
            assert (await anext(watch)).bookmark
        proxy.up()
        await answered(far, run.name)
        states = [e.state_changed.to async for response in watch for e in response.events]
    assert states[-1] == common_pb2.FINE_TUNE_STATE_CANCELLED
