"""A watch that no fault makes lose or repeat an event."""

import asyncio

import grpc
import pytest
from google.rpc import code_pb2
from tunesmith import AsyncClient, InvalidArgumentError, NotFoundError, UnavailableError
from tunesmith import _watch as watching

from tests.fakes.servicer import KEY, FakeService, a_status, not_found, serving, some_events

RUN = "tenants/acme/fineTunes/r1"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(watching, "_LONGEST_PAUSE", 0.01)


async def sequences(client: AsyncClient, cursor: str = "") -> list[int]:
    return [event.sequence async for event in client.fine_tunes.watch("r1", cursor=cursor)]


@pytest.mark.parametrize("after", range(1, 11))
@pytest.mark.parametrize("fault", ["cut_watch_after", "close_watch_after"])
async def test_every_event_comes_once_and_in_order_wherever_the_stream_is_cut(
    client: AsyncClient, service: FakeService, fault: str, after: int
):
    service.events = some_events(10)
    setattr(service.faults, fault, after)
    assert await sequences(client) == list(range(1, 11))


@pytest.mark.parametrize("code", ["UNAVAILABLE", "CANCELLED", "INTERNAL", "UNKNOWN"])
async def test_a_cut_is_taken_up_whatever_the_transport_calls_it(
    client: AsyncClient, service: FakeService, code: str
):
    service.events = some_events(4)
    service.faults.cut_watch_after = 1
    service.faults.cut_code = grpc.StatusCode[code]
    assert await sequences(client) == [1, 2, 3, 4]


async def test_a_service_that_repeats_events_is_not_believed(
    client: AsyncClient, service: FakeService
):
    service.events = some_events(9)
    service.faults.cut_watch_after, service.faults.repeat_events = 4, True
    assert await sequences(client) == list(range(1, 10))


async def test_a_service_that_is_away_for_a_while_loses_no_watcher(service: FakeService):
    async with AsyncClient(service.address, KEY) as client:
        service.events = some_events(6)
        service.faults.cut_watch_after = service.faults.cuts = 1
        busy = a_status(code_pb2.UNAVAILABLE, "starting", "BACKEND_UNAVAILABLE")
        events = client.fine_tunes.watch("r1")
        first = await anext(events)
        service.faults.fail["WatchFineTune"] = [busy] * 3
        assert [first.sequence] + [e.sequence async for e in events] == [1, 2, 3, 4, 5, 6]
        assert service.calls["WatchFineTune"] == 5


async def test_a_restart_on_the_same_port_goes_unnoticed():
    service = FakeService(events=some_events(8))
    service.faults.hang_watch = True
    async with serving(service):
        address = service.address
        client = AsyncClient(address, KEY)
        events = client.fine_tunes.watch("r1")
        waiting = asyncio.ensure_future(anext(events))
        while not service.watches_open:  # noqa: ASYNC110  # the test has a deadline
            await asyncio.sleep(0.01)
    service.faults.hang_watch = False
    async with serving(service, address):
        assert (await waiting).sequence == 1
        assert [event.sequence async for event in events] == [2, 3, 4, 5, 6, 7, 8]
    await client.close()


async def test_the_cursor_goes_on_in_another_watch_and_never_passes_an_unseen_event(
    client: AsyncClient, service: FakeService
):
    service.events = some_events(8)
    for taken in range(1, 9):
        events = client.fine_tunes.watch("r1")
        seen = [(await anext(events)).sequence for _ in range(taken)]
        await events.aclose()
        rest = await sequences(client, events.cursor)
        assert sorted({*seen, *rest}) == list(range(1, 9))
        assert rest[:1] <= [taken + 1]


async def test_the_snapshot_comes_with_the_first_event(client: AsyncClient, service: FakeService):
    await client.fine_tunes.create("d", "ada", id="r1")
    service.events = some_events(2)
    events = client.fine_tunes.watch("r1")
    assert events.snapshot is None
    await anext(events)
    assert events.snapshot is not None
    assert events.snapshot.name == RUN
    await events.aclose()


async def test_leaving_a_watch_ends_the_call(client: AsyncClient, service: FakeService):
    service.faults.hang_watch = True
    watch = client.fine_tunes.watch("r1")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await anext(watch)
    await watch.aclose()
    async with asyncio.timeout(5):
        while service.watches_open:  # noqa: ASYNC110  # nothing tells of it but the count
            await asyncio.sleep(0.01)


async def test_a_watch_gives_up_when_nothing_comes_any_more(
    client: AsyncClient, service: FakeService
):
    away = a_status(code_pb2.UNAVAILABLE, "away", "BACKEND_UNAVAILABLE")
    service.faults.fail["WatchFineTune"] = [away] * 1000
    with pytest.raises(UnavailableError, match="away"):
        async for _ in client.fine_tunes.watch("r1", give_up_after=0.1):
            pass
    assert service.calls["WatchFineTune"] > 2


async def test_what_the_service_means_is_not_tried_again(client: AsyncClient, service: FakeService):
    expired = a_status(code_pb2.OUT_OF_RANGE, "too old", "CURSOR_EXPIRED")
    service.faults.fail["WatchFineTune"] = [expired]
    with pytest.raises(InvalidArgumentError) as caught:
        await sequences(client, "c1")
    assert caught.value.reason == "CURSOR_EXPIRED"
    service.faults.fail["WatchFineTune"] = [not_found(RUN)]
    with pytest.raises(NotFoundError):
        await sequences(client)
    assert service.calls["WatchFineTune"] == 2


async def test_wait_ends_with_the_run_or_with_its_timeout(
    client: AsyncClient, service: FakeService
):
    await client.fine_tunes.create("d", "ada", id="r1")
    service.events = some_events(3)
    assert (await client.fine_tunes.wait("r1")).name == RUN
    service.faults.hang_watch = True
    with pytest.raises(TimeoutError, match="has not ended within"):
        await client.fine_tunes.wait("r1", timeout=0.3)


def test_pauses_double_with_chance_up_to_a_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(watching, "_FIRST_PAUSE", 0.1)
    monkeypatch.setattr(watching, "_LONGEST_PAUSE", 5.0)
    for failures in range(100):
        longest = min(5.0, 0.1 * 2**failures)
        assert longest / 2 <= watching.backoff(failures) <= longest
