"""`tunesmithd serve` as a process of its own, on a free port of this machine."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

_PATIENCE = 60.0
_TRIES = 3


class DaemonFailed(Exception):
    """`tunesmithd` did not start; the words say why, as it said it."""


class Daemon:
    """One service on one data directory; it can be killed and started again."""

    def __init__(self, data: Path, bases: Path, admin_key: str, *, threads: int) -> None:
        self.address = ""
        self.log = data / "tunesmithd.log"
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None
        own = {name: value for name, value in os.environ.items() if not _is_setting(name)}
        self._environment = own | {
            "TUNESMITH_DATA_DIR": str(data),
            "TUNESMITH_BASES_DIR": str(bases),
            "TUNESMITH_BOOTSTRAP_ADMIN_KEY": admin_key,
            "TUNESMITH_INFERENCE__THREADS": str(threads),
            "TUNESMITH_LOCAL__THREADS": str(threads),
            "TUNESMITH_DRAIN_SECONDS": "2",
        }

    def start(self) -> None:
        """Start, and return once it takes calls. After a kill it comes back at its old address."""
        for attempt in range(1, _TRIES + 1):
            address = self.address or f"127.0.0.1:{_free_port()}"
            complaint = self._start_at(address)
            if complaint is None:
                self.address = address
                return
            if "port is in use" not in complaint or attempt == _TRIES:
                raise DaemonFailed(complaint)
            if self.address:
                time.sleep(1)

    def kill(self) -> None:
        """SIGKILL: no farewell, as in a power cut."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Let it drain and end, and see to it that nothing of it goes on."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._end_trainers()

    def _start_at(self, address: str) -> str | None:
        """None once it takes calls, or its complaint."""
        with self.log.open("ab") as log:
            began = log.tell()
            # a session of its own: Ctrl-C is for the demo, which then stops it in order
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tunesmith_server", "serve"],
                env=self._environment
                | {"TUNESMITH_GRPC__LISTEN": address, "TUNESMITH_HTTP__LISTEN": ""},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _PATIENCE
        host, _, port = address.rpartition(":")
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return self._complaint(began) or f"it ended with code {self._process.returncode}"
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                return None
            time.sleep(0.05)
        self._process.kill()
        self._process.wait()
        return f"it did not take calls within {_PATIENCE:.0f} s"

    def _complaint(self, since: int) -> str:
        with self.log.open("rb") as log:
            log.seek(since)
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
        said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return (said or [line for line in lines if line] or [""])[-1]

    def _end_trainers(self) -> None:
        """Training outlives the server by design; a demo that is over must leave none behind."""
        runs = str(self._data / "runs") + os.sep
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.cmdline()[-1:] and process.cmdline()[-1].startswith(runs):
                    process.kill()
                    process.wait(timeout=5)


def _is_setting(name: str) -> bool:
    return name.startswith("TUNESMITH_")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
