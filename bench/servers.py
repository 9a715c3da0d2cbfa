"""The measured processes: the bare server and `tunesmithd`, and what they have cost."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
ADMIN_KEY = "sk-ts-of-the-benchmark"
_PREFIX = "tunesmithd: gRPC on "
_HTTP_PREFIX = "tunesmithd: OpenAI-compatible API on "


class Server:
    """A server process and its address."""

    def __init__(
        self, process: subprocess.Popen[str], address: str, http_address: str = ""
    ) -> None:
        self.address = address
        self.http_address = http_address
        self._process = psutil.Process(process.pid)

    def cpu_seconds(self) -> float:
        """User and system time so far; the process has no children."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> int:
        """Resident bytes."""
        return int(self._process.memory_info().rss)


@contextlib.contextmanager
def bare() -> Iterator[Server]:
    """The bare server."""
    with _process([sys.executable, str(ROOT / "bench" / "bare.py")], {}) as process:
        assert process.stdout
        yield Server(process, process.stdout.readline().strip())


@contextlib.contextmanager
def tunesmithd(data: Path, *, http: bool = False) -> Iterator[Server]:
    """The service on SQLite, with no slot to train in; with its HTTP port, if that is measured."""
    settings = {
        "TUNESMITH_DATA_DIR": str(data),
        "TUNESMITH_GRPC__LISTEN": "127.0.0.1:0",
        "TUNESMITH_HTTP__LISTEN": "127.0.0.1:0" if http else "",
        "TUNESMITH_LOCAL__SLOTS": "0",
        "TUNESMITH_BOOTSTRAP_ADMIN_KEY": ADMIN_KEY,
        "TUNESMITH_LOG_LEVEL": "error",
        "TUNESMITH_DRAIN_SECONDS": "1",
    }
    with _process([sys.executable, "-m", "tunesmith_server", "serve"], settings) as process:
        assert process.stdout
        address = ""
        for line in process.stdout:
            if line.startswith(_PREFIX):
                address = line.removeprefix(_PREFIX).strip()
            if line.startswith(_HTTP_PREFIX) or (address and not http):
                base = line.rpartition("http://")[2].strip().removesuffix("/v1")
                yield Server(process, address, base if http else "")
                return
        raise SystemExit("tunesmithd did not start")


@contextlib.contextmanager
def _process(command: list[str], settings: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TUNESMITH_")}
    process = subprocess.Popen(
        command, env=inherited | settings, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Cost:
    """What a server spends in a `with` block: CPU seconds and wall seconds."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.cpu = self.wall = 0.0

    def __enter__(self) -> Cost:
        self._cpu, self._wall = self._server.cpu_seconds(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu = self._server.cpu_seconds() - self._cpu
        self.wall = time.perf_counter() - self._wall
