"""How long calls take while a large file is taken in, counted and looked at, against idle.

One `tunesmithd` on SQLite, a process of its own; a second process uploads; this one calls
GetFineTune at a steady pace and keeps every latency. The file is made on the fly. Three phases:
idle, the upload, and the analysis after it, as much of it as `--seconds` allow.

    python bench/ingest.py [--megabytes 1024] [--seconds 60]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from servers import ADMIN_KEY, Server, tunesmithd
from tunesmith import AsyncClient, Client
from tunesmith.v1 import catalog_pb2, catalog_pb2_grpc, dataset_pb2

WANTED = 3.0
PACE = 0.005
ROWS = b'{"prompt": "1 + 1 =", "completion": " 2"}\n{"prompt": "2 + 2 =", "completion": " 4"}\n'
OPEN = (dataset_pb2.ANALYSIS_STATE_PENDING, dataset_pb2.ANALYSIS_STATE_RUNNING)


class Made:
    """A file of so many bytes of JSONL that nobody has to keep: text of this repository."""

    def __init__(self, size: int) -> None:
        root = Path(__file__).resolve().parents[1]
        words = " ".join(path.read_text() for path in sorted(root.glob("docs/**/*.md"))).split()
        self._size, self._words, self._row, self._left = size, words, 0, b""

    def read(self, count: int) -> bytes:
        """The next bytes."""
        parts, have = [self._left], len(self._left)
        while have < count and self._size > 0:
            at = self._row * 31 % (len(self._words) - 120)
            text = " ".join(self._words[at : at + 120]).replace("\\", "/").replace('"', "'")
            line = f'{{"prompt":"{self._row} {text}","completion":" {text[:40]}"}}\n'.encode()
            parts.append(line)
            have += len(line)
            self._size -= len(line)
            self._row += 1
        whole = b"".join(parts)
        self._left = whole[count:]
        return whole[:count]

    def seekable(self) -> bool:
        """It is not."""
        return False


async def latencies(call: Callable[[], Awaitable[object]], stop: Callable[[], bool]) -> list[float]:
    """Seconds of each call, one after the other at a steady pace."""
    taken = []
    while not stop():
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(PACE)
    return sorted(taken)


def for_seconds(seconds: float) -> Callable[[], bool]:
    """Whether so many have passed since now."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def at(taken: list[float], share: float) -> float:
    """A percentile, in milliseconds."""
    return taken[min(len(taken) - 1, int(len(taken) * share))] * 1e3


async def measure(service: Server, megabytes: int, seconds: float) -> int:
    """Measure the phases; 1 if calls take longer than what is wanted."""
    key = await _tenant(service)
    async with AsyncClient(service.address, key) as acme:
        await acme.datasets.upload(ROWS, id="sums", file_name="sums.jsonl")
        run = await acme.fine_tunes.create("sums", "tiny-random")

        async def call() -> object:
            return await acme.fine_tunes.get(run.name)

        async def file() -> dataset_pb2.Dataset:
            return await acme.datasets.get("file")

        await latencies(call, for_seconds(2))  # connections, caches
        idle = await latencies(call, for_seconds(min(seconds, 15)))
        uploader = subprocess.Popen(  # noqa: ASYNC220  # returns at once
            [sys.executable, __file__, "--upload", service.address, key, str(megabytes)]
        )
        began = time.monotonic()
        upload = await latencies(call, lambda: uploader.poll() is not None)
        took = time.monotonic() - began
        assert uploader.returncode == 0
        print(f"upload of {megabytes} MB: {took:.0f} s, {megabytes / took:.0f} MB/s")
        over = for_seconds(seconds)
        analysis: list[float] = []
        while not over() and (await file()).analysis.state in OPEN:
            analysis += await latencies(call, for_seconds(1))
        analysis.sort()
        (counted,) = [s for s in await acme.datasets.statistics("file") if "gpt" in s.base_model]
        done = counted.analysis.bytes_done / 1e6
        print(f"analysis: {done:.0f} MB read within the time that was looked at")
    worst = 0.0
    for name, taken in (("idle", idle), ("upload", upload), ("analysis", analysis)):
        if not taken:
            continue
        ratio = at(taken, 0.99) / at(idle, 0.99)
        worst = max(worst, ratio)
        print(
            f"{name:10} {len(taken):6} calls  p50 {at(taken, 0.5):6.2f} ms"
            f"  p99 {at(taken, 0.99):6.2f} ms  max {taken[-1] * 1e3:6.1f} ms  p99/idle {ratio:.2f}"
        )
    print(f"wanted: {WANTED:g} or less")
    return int(worst > WANTED)


async def _tenant(service: Server) -> str:
    """The key of a tenant that may use a base which is counted by cl100k_base."""
    async with AsyncClient(service.address, ADMIN_KEY) as admin:
        await admin.tenants.create("acme")
        calls = admin.base_models._calls
        stub = catalog_pb2_grpc.CatalogServiceStub(calls.transport.channel)
        base = catalog_pb2.BaseModel(source="folder:/nothing", tokenizer="tiktoken:cl100k_base")
        await calls.unary(
            stub.CreateBaseModel,
            catalog_pb2.CreateBaseModelRequest(base_model_id="gpt", base_model=base),
        )
        return (await admin.keys.create("acme", "editor")).secret


def main() -> int:
    """Start the service and measure."""
    if sys.argv[1:2] == ["--upload"]:
        address, key, megabytes = sys.argv[2:]
        with Client(address, key) as client:
            client.datasets.upload(Made(int(megabytes) * 1_000_000), id="file")  # type: ignore[arg-type]
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=60, help="of the analysis at most")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="tunesmith-bench-") as folder,
        tunesmithd(Path(folder)) as service,
    ):
        return asyncio.run(measure(service, given.megabytes, given.seconds))


if __name__ == "__main__":
    raise SystemExit(main())
