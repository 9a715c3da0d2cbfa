"""`make bench`: what the service costs over a gRPC handler that does nothing, as ratios.

Both servers are processes of their own on loopback; this process makes the load. What counts is the
CPU time of the server per call or per delivered message, so that a busy machine disturbs little.
Rounds of bare and service take turns; the middle one of each is shown, with the range of ratios.
A ratio of 0.5 means: the service takes twice the CPU of doing nothing. Bounded to a minute.
"""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import quota
import statements
import uvloop
from servers import ADMIN_KEY, Cost, Server, bare, tunesmithd
from tunesmith import AsyncClient
from tunesmith.v1 import fine_tune_pb2, fine_tune_pb2_grpc
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.ports import Transaction

ROUNDS = 5
SECONDS = 1.0
CALLERS = 16
WATCHERS = 200
WRITES, EVENTS_A_WRITE, PAUSE = 40, 25, 0.1
ROWS = b'{"prompt": "1 + 1 =", "completion": " 2"}\n{"prompt": "2 + 2 =", "completion": " 4"}\n'

Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Spent:
    """What a number of calls, or of messages, took."""

    count: int
    cpu: float
    wall: float

    @property
    def microseconds(self) -> float:
        """CPU time of the server for one."""
        return self.cpu / self.count * 1e6


async def main() -> None:
    """Measure and print."""
    began = time.monotonic()
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {CALLERS} callers at once\n")
    print(f"{'':22} {'bare':>8} {'service':>8} {'':6} {'ratio':>6}   range")
    with tempfile.TemporaryDirectory(prefix="tunesmith-bench-") as folder:
        data = Path(folder)
        with bare() as limit, tunesmithd(data) as service:
            key = await _tenant(service)
            async with (
                AsyncClient(limit.address, key) as idle,
                AsyncClient(service.address, key) as acme,
            ):
                await acme.datasets.upload(ROWS, id="sums", file_name="sums.jsonl")
                run = await acme.fine_tunes.create("sums", "tiny-random")
                async for event in acme.fine_tunes.watch(run.name):
                    if event.WhichOneof("detail") == "admission" and event.admission.wait_reason:
                        break  # it has been told what it waits for: nothing more is written to it
                # the fan-out goes first, before there are thousands of runs
                await _fan_out(limit, service, acme, idle, data, run.name)
                await _compare(
                    "GetFineTune",
                    (limit, lambda: idle.fine_tunes.get(run.name)),
                    (service, lambda: acme.fine_tunes.get(run.name)),
                )
                create = await _compare(
                    "CreateFineTune",
                    (limit, lambda: idle.fine_tunes.create("sums", "tiny-random")),
                    (service, lambda: acme.fine_tunes.create("sums", "tiny-random")),
                )
                await _at_rest(service)
        cost = await quota.measure(data)
        floor, count = await statements.measure(data)
    print(
        f"Quota: {cost.share:.0%} of a create's transaction ({cost.whole:.0f} µs in one process), "
        f"{cost.share * cost.whole / create:.0%} of CreateFineTune"
    )
    print(
        f"Statements: the {count:.0f} of a create take {floor:.0f} µs of SQLite's own driver, "
        f"{floor / create:.0%} of CreateFineTune"
    )
    print(f"\nCPU microseconds of the server for one; {time.monotonic() - began:.0f} s in all.")


async def _tenant(service: Server) -> str:
    async with AsyncClient(service.address, ADMIN_KEY) as admin:
        await admin.tenants.create("acme", limits={"fine_tunes_queued": 1_000_000_000})
        return (await admin.keys.create("acme", "editor")).secret


async def _compare(name: str, limit: tuple[Server, Call], service: tuple[Server, Call]) -> float:
    """Print both; CPU microseconds of the service for one call."""
    for _, call in (limit, service):  # connections, caches
        await asyncio.gather(*(call() for _ in range(CALLERS)))
    pairs = [(await _calls(*limit), await _calls(*service)) for _ in range(ROUNDS)]
    rate = statistics.median(second.count / second.wall for _, second in pairs)
    _show(name, pairs, f"{rate:,.0f} calls/s")
    return statistics.median(second.microseconds for _, second in pairs)


async def _calls(server: Server, call: Call) -> Spent:
    """As many calls as CALLERS make in SECONDS."""
    end = time.perf_counter() + SECONDS
    counts = [0] * CALLERS

    async def caller(number: int) -> None:
        while time.perf_counter() < end:
            await call()
            counts[number] += 1

    with Cost(server) as cost:
        await asyncio.gather(*map(caller, range(CALLERS)))
    return Spent(sum(counts), cost.cpu, cost.wall)


async def _fan_out(
    limit: Server, service: Server, acme: AsyncClient, idle: AsyncClient, data: Path, name: str
) -> None:
    """One run, many watchers: every event to each, against a bare stream of as many messages."""
    fresh = WRITES * EVENTS_A_WRITE
    last = (await acme.fine_tunes.get(name)).status.last_event_sequence
    store = SqlStore(f"sqlite:///{data / 'tunesmith.db'}")
    stubs = {
        server: fine_tune_pb2_grpc.FineTuneServiceStub(client._calls.transport.channel)
        for server, client in ((limit, idle), (service, acme))
    }
    metadata = acme._calls.transport.target.metadata
    messages, delivered, size, broken = 0, 0, 0, 0

    async def watcher(ready: asyncio.Semaphore) -> None:
        nonlocal messages, delivered, size, broken
        request = fine_tune_pb2.WatchFineTuneRequest(name=name)
        sequence, counting = 0, False
        stream = stubs[service].WatchFineTune(request, metadata=metadata)
        async for response in stream:
            for event in response.events:
                sequence += 1
                broken += event.sequence != sequence
            if counting and response.events:
                messages += 1
                delivered += len(response.events)
                size += response.ByteSize()
            if not counting and sequence == last:
                counting = True
                ready.release()
            if sequence == last + fresh:
                stream.cancel()
                return

    ready = asyncio.Semaphore(0)
    before = service.memory()
    watchers = [asyncio.create_task(watcher(ready)) for _ in range(WATCHERS)]
    for _ in watchers:
        await ready.acquire()
    memory = (service.memory() - before) / WATCHERS
    with Cost(service) as cost:
        for number in range(WRITES):
            await store.write(partial(_append, name=name, number=number))
            await asyncio.sleep(PAUSE)
        await asyncio.gather(*watchers)
    await store.close()
    ours = Spent(messages, cost.cpu, cost.wall)

    each = messages // WATCHERS
    pause = int(cost.wall / each * 1000)
    bare_request = fine_tune_pb2.WatchFineTuneRequest(
        name=f"tenants/x/fineTunes/{each}-{size // messages}-{pause}"
    )

    async def bare_watcher() -> int:
        count = 0
        async for _ in stubs[limit].WatchFineTune(bare_request):
            count += 1
        return count

    with Cost(limit) as cost:
        got = await asyncio.gather(*(bare_watcher() for _ in range(WATCHERS)))
    theirs = Spent(sum(got), cost.cpu, cost.wall)
    wanted = fresh * WATCHERS
    _show(
        f"Watch, 1 run × {WATCHERS}",
        [(theirs, ours)],
        f"{delivered:,} of {wanted:,} events in {messages:,} messages, {broken} out of order, "
        f"{ours.cpu / delivered * 1e6:.1f} µs an event, {memory / 1024:.0f} KiB a watcher",
    )
    if delivered != wanted or broken:
        raise SystemExit("events were lost, or came out of order")


async def _at_rest(service: Server) -> None:
    """What the service spends on the runs that wait, when nobody calls."""
    with Cost(service) as cost:
        await asyncio.sleep(2 * SECONDS)
    print(f"\nAt rest, with all these runs queued: {cost.cpu / cost.wall:.0%} of a core")


def _append(tx: Transaction, name: str, number: int) -> None:
    scope, now = tx.of("acme"), datetime.now(UTC)
    run = scope.fine_tune(name.rpartition("/")[2])
    events = [
        Event(
            Kind.METRICS,
            now,
            f"Step {number * EVENTS_A_WRITE + offset}/1000: training loss=0.1234",
            data={
                "step": number * EVENTS_A_WRITE + offset + 1,
                "epoch": 1,
                "values": {"training_loss": 0.1234, "training_token_accuracy": 0.9},
            },
        )
        for offset in range(EVENTS_A_WRITE)
    ]
    scope.put_fine_tune(replace(run, update_time=now), events)


def _show(name: str, pairs: list[tuple[Spent, Spent]], remark: str) -> None:
    ratios = sorted(limit.microseconds / service.microseconds for limit, service in pairs)
    limit = statistics.median(pair[0].microseconds for pair in pairs)
    service = statistics.median(pair[1].microseconds for pair in pairs)
    print(
        f"{name:22} {limit:8.0f} {service:8.0f} {'µs':6} {statistics.median(ratios):6.2f}"
        f"   {ratios[0]:.2f} to {ratios[-1]:.2f}   {remark}",
        flush=True,
    )


if __name__ == "__main__":
    uvloop.run(main())
