"""The run directory: the folder of `run.json`, owned by one trainer at a time."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from tunesmith_trainer import durable
from tunesmith_trainer.failures import EXIT_CODES, SUCCESS, DirectoryBusy, Reason, Status

OUTCOME_FORMAT = "tunesmith.outcome/1"


class RunDirectory:
    """The paths of a run and the lock that makes them one process's.

    The lock is the kernel's (flock), so it is gone the moment its holder is, however it died.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events = path / "events.jsonl"
        self.results = path / "results.csv"
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"
        self.outcome = path / "outcome.json"
        self.stop = path / "stop.json"
        self._lock: int | None = None

    def acquire(self) -> None:
        """Take the lock for as long as this process lives, or raise DirectoryBusy."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise DirectoryBusy(f"another trainer works in {self.path}") from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())  # for people; the lock itself is flock's
        self._lock = descriptor

    def release(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def recorded_exit_code(self) -> int | None:
        """The exit code of the outcome that is already here, or None if there is none."""
        try:
            outcome = json.loads(self.outcome.read_bytes())
        except FileNotFoundError:
            return None
        if outcome["status"] == Status.SUCCEEDED:
            return SUCCESS
        return EXIT_CODES[Reason(outcome["reason"])]

    def write_outcome(self, outcome: dict[str, Any]) -> None:
        """Write `outcome.json`, atomically: from now on nothing in the directory changes."""
        durable.replace_json(self.outcome, {"format": OUTCOME_FORMAT, **outcome})
