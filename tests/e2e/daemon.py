"""`tunesmithd` as a process of its own, for tests that kill it."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import grpc

from tests.integration.calls import ADMIN_KEY

ROOT = Path(__file__).parents[2]
_SOON = [
    ("grpc.use_local_subchannel_pool", 1),  # not with what another client waits for
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
]
"""A channel that is ready as soon as somebody listens; else it tries after 1, 2, 4 … seconds."""
_PORTS = range(10_000, 32_768)
"""Those that no kernel gives to a connection, nor to who asks for any port.

A server that is killed finds its port free when it comes back.
"""


def free_port() -> int:
    """A port that nobody listens on now, nor takes by chance later."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Daemon:
    """One `tunesmithd serve`, on a data directory that outlives it.

    An empty setting is not set at all.
    """

    def __init__(self, folder: Path, *, within: Sequence[str] = (), **settings: str) -> None:
        """`within` is a command that runs the one behind it in surroundings of its own."""
        self._within = within
        self.address = settings.pop("address", "") or f"127.0.0.1:{free_port()}"
        self.log = folder / "tunesmithd.log"
        environment = {
            **os.environ,
            "TUNESMITH_DATA_DIR": str(folder / "data"),
            "TUNESMITH_GRPC__LISTEN": self.address,
            "TUNESMITH_HTTP__LISTEN": "127.0.0.1:0",
            "TUNESMITH_BOOTSTRAP_ADMIN_KEY": ADMIN_KEY,
            "TUNESMITH_DRAIN_SECONDS": "1",
            "PYTHONPATH": f"{ROOT / 'client'}:{ROOT / 'service'}",
            **settings,
        }
        self._environment = {name: value for name, value in environment.items() if value}
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `tunesmithd` with these arguments to its end."""
        return subprocess.run(
            [sys.executable, "-m", "tunesmith_server", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    async def start(self) -> None:
        """Start it and wait until it takes calls; AssertionError if it ends instead.

        For as long as the test may take: under load a start takes its time.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220  # returns at once
                [*self._within, sys.executable, "-m", "tunesmith_server", "serve"],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        try:
            await self._takes_calls(self._process)
        except BaseException:  # nobody else would end it
            self.kill()
            raise

    async def _takes_calls(self, process: "subprocess.Popen[bytes]") -> None:
        async with grpc.aio.insecure_channel(self.address, options=_SOON) as channel:
            ready = asyncio.ensure_future(channel.channel_ready())
            try:
                while not (await asyncio.wait({ready}, timeout=0.1))[0]:
                    assert process.poll() is None, self.log.read_text()[-2000:]
            finally:
                ready.cancel()

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process
        return self._process.pid

    def memory(self, what: str) -> int:
        """A figure of /proc/PID/status, such as VmRSS, in bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == what:
                return int(value.split()[0]) * 1024
        raise AssertionError(f"no {what}")

    def forget_peak(self) -> None:
        """Let VmHWM, the most memory so far, begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def kill(self) -> None:
        """As a power cut would: SIGKILL, no farewell."""
        assert self._process
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """Ask it to drain and end; its exit code."""
        if not self._process or self._process.poll() is not None:
            return self._process.returncode if self._process else 0
        self._process.terminate()
        return self._process.wait(timeout=30)
