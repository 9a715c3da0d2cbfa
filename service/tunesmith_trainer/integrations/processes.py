"""The integrations of a run, as the trainer sees them: processes that it starts and forgets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import tunesmith_trainer
from tunesmith_trainer.events import EventLog
from tunesmith_trainer.integrations.handed import Handed
from tunesmith_trainer.integrations.services import title
from tunesmith_trainer.spec import Integration, RunSpec

_COMMAND = (sys.executable, "-P", "-m", "tunesmith_trainer.integrations")
_SOURCE = str(Path(tunesmith_trainer.__file__).parents[1])
END_SECONDS = 20.0
"""So long the end of a run waits for measurements on their way; less than the service waits for a
trainer that was asked to stop."""
STOP_SECONDS = 5.0
"""The same for a run that was asked to stop."""


class Integrations:
    """One process for each integration. None of its methods raises, and none waits but `end`."""

    def __init__(
        self, spec: RunSpec, folder: Path, events: EventLog, handed: Handed | None = None
    ) -> None:
        self._events = events
        about = {"folder": str(folder), "spec": spec.model_dump(mode="json")}
        handed = handed or Handed()
        self._running = list[_Process]()
        for number, wanted in enumerate(spec.integrations):
            order = {
                **about,
                "number": number,
                "key": handed.key(number),
                "environment": dict(handed.environment),
            }
            try:
                process = _Process(wanted, folder, events)
            except Exception as error:  # no process, no thread, no memory: no reason to fail a run
                self._warn(wanted, f"gets no measurements: no process for it ({error})")
                continue
            process.tell(order)
            self._running.append(process)

    def end(self, outcome: Mapping[str, Any], *, seconds: float) -> None:
        """Tell all of them how it ended, wait so long at most, and end those that are not done."""
        model = outcome.get("model") or {}
        summary = {
            "trained_tokens": outcome["trained_tokens"],
            "training_seconds": outcome["training_seconds"],
            "reason": outcome["reason"],
            "stopped_at": outcome["stopped_at"],
            "model_digest": model.get("digest"),
            "model_size_bytes": model.get("size_bytes"),
        }
        known = {name: value for name, value in summary.items() if value is not None}
        until = time.monotonic() + seconds
        for process in self._running:
            process.tell({"status": str(outcome["status"]), "summary": known})
        for process in self._running:
            if not process.ended_by(until):
                self._warn(
                    process.wanted,
                    f"had not taken every measurement {seconds:g} seconds after the end, and was"
                    " not waited for",
                )

    def _warn(self, wanted: Integration, text: str) -> None:
        with suppress(OSError):
            self._events.message(f"{title(wanted)} {text}.", level="warning")


class _Process:
    """The process of one integration, and a thread that puts its reports into the event log."""

    def __init__(self, wanted: Integration, folder: Path, events: EventLog) -> None:
        self.wanted = wanted
        self._events = events
        paths = (_SOURCE, os.environ.get("PYTHONPATH", ""))
        self._child = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={
                **os.environ,
                "CUDA_VISIBLE_DEVICES": "",
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            },
            text=True,
        )
        self._hearing = threading.Lock()
        self._heard = True
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def tell(self, line: Mapping[str, Any]) -> None:
        """Write a line to it, if it still reads."""
        assert self._child.stdin
        with suppress(OSError):
            self._child.stdin.write(json.dumps(line) + "\n")
            self._child.stdin.flush()

    def ended_by(self, until: float) -> bool:
        """Wait until then, by the monotonic clock; whether it ended by itself. It has ended now."""
        try:
            self._child.wait(max(0.0, until - time.monotonic()))
            in_time = True
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            in_time = False
        # A grandchild may hold the pipe open, and is not waited for.
        self._listener.join(1.0)
        with self._hearing:
            self._heard = False
        assert self._child.stdout
        if not self._listener.is_alive():
            self._child.stdout.close()
        with suppress(OSError):
            assert self._child.stdin
            self._child.stdin.close()
        return in_time

    def _listen(self) -> None:
        assert self._child.stdout
        for line in self._child.stdout:
            # A full disk; half a line of one that was killed.
            with suppress(OSError, ValueError), self._hearing:
                report = json.loads(line)
                if self._heard:  # the log may be closed by now
                    self._events.message(report["text"], level=report["level"])
