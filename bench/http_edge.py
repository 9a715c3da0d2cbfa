"""`make bench-http`: what the OpenAI-compatible HTTP port costs over the gRPC port, as ratios.

The service is a process of its own on loopback; this process makes the load, over raw connections,
so that no client library is in the way. What counts is the CPU time of the service for one call, or
for one event delivered to one watcher. Rounds over gRPC and over HTTP take turns; the middle one of
each is shown, with the range of ratios. A ratio of 2 means: HTTP takes twice the CPU.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import uvloop
from servers import ADMIN_KEY, Cost, Server, tunesmithd
from tunesmith import AsyncClient
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.ports import Transaction

ROUNDS, SECONDS, CALLERS = 5, 1.0, 16
WATCHERS = int(os.environ.get("WATCHERS", "1000"))
WRITES, EVENTS_A_WRITE, PAUSE = 20, 25, 0.25
ROWS = b'{"prompt": "1 + 1 =", "completion": " 2"}\n{"prompt": "2 + 2 =", "completion": " 4"}\n'

Call = Callable[[], Awaitable[object]]


@dataclass
class Connection:
    """A connection that is kept."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes

    @classmethod
    async def to(cls, address: str, key: str) -> Connection:
        """Connect."""
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
        return cls(reader, writer, f"host: {address}\r\nauthorization: Bearer {key}\r\n".encode())

    async def ask(self, verb: str, path: str, body: bytes = b"") -> bytes:
        """One call; its body."""
        self.send(verb, path, body)
        head = await self.reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise SystemExit(f"{verb} {path}: {head.decode()}")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return await self.reader.readexactly(length)

    def send(self, verb: str, path: str, body: bytes = b"") -> None:
        """Only ask."""
        kind = b"content-type: application/json\r\n" if body else b""
        self.writer.write(
            f"{verb} {path} HTTP/1.1\r\n".encode()
            + self.head
            + kind
            + f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )


class Pool:
    """As many connections as there are callers."""

    def __init__(self, connections: list[Connection]) -> None:
        self._free = connections

    async def ask(self, verb: str, path: str, body: bytes = b"") -> bytes:
        """One call on a connection of its own."""
        connection = self._free.pop()
        try:
            return await connection.ask(verb, path, body)
        finally:
            self._free.append(connection)


async def main() -> None:
    """Measure and print."""
    began = time.monotonic()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * WATCHERS + 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, 4096) if most < 0 else most, most))
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {CALLERS} callers at once\n")
    print(f"{'':22} {'gRPC':>8} {'HTTP':>8} {'':6} {'ratio':>6}   range")
    with tempfile.TemporaryDirectory(prefix="tunesmith-bench-") as folder:
        data = Path(folder)
        with tunesmithd(data, http=True) as service:
            async with AsyncClient(service.address, ADMIN_KEY) as admin:
                await admin.tenants.create("acme", limits={"fine_tunes_queued": 1_000_000_000})
                key = (await admin.keys.create("acme", "editor")).secret
            async with AsyncClient(service.address, key) as acme:
                await acme.datasets.upload(ROWS, id="sums", file_name="sums.jsonl")
                await _watch(service, key, acme, data)
                await _calls(service, key, acme)
    print(f"\nCPU microseconds of the service for one; {time.monotonic() - began:.0f} s in all.")


async def _calls(service: Server, key: str, acme: AsyncClient) -> None:
    run = await acme.fine_tunes.create("sums", "tiny-random")
    http = Pool([await Connection.to(service.http_address, key) for _ in range(CALLERS)])
    path = f"/v1/fine_tuning/jobs/{run.name.rpartition('/')[2]}"
    body = json.dumps({"model": "tiny-random", "training_file": "sums"}).encode()

    async def models() -> list[Any]:
        return [model async for model in acme.models.list()]

    await _compare(service, "list models", models, lambda: http.ask("GET", "/v1/models"))
    await _compare(
        service, "get job", lambda: acme.fine_tunes.get(run.name), lambda: http.ask("GET", path)
    )
    await _compare(
        service,
        "create job",
        lambda: acme.fine_tunes.create("sums", "tiny-random"),
        lambda: http.ask("POST", "/v1/fine_tuning/jobs", body),
    )


async def _compare(service: Server, name: str, grpc: Call, http: Call) -> None:
    for call in (grpc, http):
        await asyncio.gather(*(call() for _ in range(CALLERS)))
    pairs = [(await _spent(service, grpc), await _spent(service, http)) for _ in range(ROUNDS)]
    ratios = sorted(second / first for first, second in pairs)
    first, second = (statistics.median(pair[place] for pair in pairs) for place in (0, 1))
    print(
        f"{name:22} {first:8.0f} {second:8.0f} {'µs':6} {statistics.median(ratios):6.2f}"
        f"   {ratios[0]:.2f} to {ratios[-1]:.2f}",
        flush=True,
    )


async def _spent(service: Server, call: Call) -> float:
    """CPU microseconds of the service for one call."""
    end, counts = time.perf_counter() + SECONDS, [0] * CALLERS

    async def caller(number: int) -> None:
        while time.perf_counter() < end:
            await call()
            counts[number] += 1

    with Cost(service) as cost:
        await asyncio.gather(*map(caller, range(CALLERS)))
    return cost.cpu / sum(counts) * 1e6


async def _watch(service: Server, key: str, acme: AsyncClient, data: Path) -> None:
    """Many watchers of one run over SSE: every event to each of them, in order."""
    run = await acme.fine_tunes.create("sums", "tiny-random")
    async for event in acme.fine_tunes.watch(run.name):
        if event.WhichOneof("detail") == "admission" and event.admission.wait_reason:
            break  # it has been told what it waits for: nothing more is written to it
    id, fresh = run.name.rpartition("/")[2], WRITES * EVENTS_A_WRITE
    store = SqlStore(f"sqlite:///{data / 'tunesmith.db'}")
    ready, broken = asyncio.Semaphore(0), 0
    before = service.memory()

    async def watcher() -> int:
        nonlocal broken
        connection = await Connection.to(service.http_address, key)
        connection.send("GET", f"/v1/fine-tunes/{id}/events?stream=true")
        expected = 0
        async for line in connection.reader:
            if not line.startswith(b"data: "):
                continue
            message = json.loads(line[6:])["message"]
            if not expected and "Fine-tune" in message:
                if "enqueued" in message or "queue" in message:
                    ready.release()
                continue
            if message.startswith("Event "):
                broken += int(message[6:]) != expected
                expected += 1
                if expected == fresh:
                    break
        connection.writer.close()
        return expected

    watchers = []
    for _ in range(WATCHERS):
        watchers.append(asyncio.create_task(watcher()))
        if len(watchers) % 50 == 0:
            await ready.acquire()
    for _ in range(WATCHERS - WATCHERS // 50):
        await ready.acquire()
    memory = (service.memory() - before) / WATCHERS
    with Cost(service) as cost:
        for number in range(WRITES):
            await store.write(lambda tx, number=number: _append(tx, id, number))  # type: ignore[misc]
            await asyncio.sleep(PAUSE)
        got = await asyncio.gather(*watchers)
    await store.close()
    delivered = sum(got)
    print(
        f"{WATCHERS} watchers over SSE: {delivered:,} of {fresh * WATCHERS:,} events, "
        f"{broken} out of order, {cost.cpu / delivered * 1e6:.1f} µs an event, "
        f"{memory / 1024:.0f} KiB a watcher, {cost.wall:.1f} s for "
        f"{WRITES} writes of {EVENTS_A_WRITE} events\n",
        flush=True,
    )
    if delivered != fresh * WATCHERS or broken:
        raise SystemExit("events were lost, or came out of order")


def _append(tx: Transaction, id: str, number: int) -> None:
    scope, now = tx.of("acme"), datetime.now(UTC)
    first = number * EVENTS_A_WRITE
    events = [Event(Kind.MESSAGE, now, f"Event {first + n}") for n in range(EVENTS_A_WRITE)]
    scope.put_fine_tune(replace(scope.fine_tune(id), update_time=now), events)


if __name__ == "__main__":
    uvloop.run(main())
