"""`events.jsonl`: what happened, one JSON object a line; also the outbox to the service."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class EventLog:
    """Appends events with a sequence that is dense from 1 within the attempt.

    Every line is whole: a line that a crash cut short is removed when the log is opened again, and
    a line is handed to the system in one write. After a resume the steps since the checkpoint are
    trained again with equal results; `once` keeps their events from being told twice.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._sequence = 0
        self._told: set[tuple[str, int]] = set()
        self._lock = threading.Lock()  # what integrations report comes from threads of their own
        self._recover(path)

    @property
    def sequence(self) -> int:
        """The sequence of the last event, 0 before the first."""
        return self._sequence

    def append(self, kind: str, **fields: Any) -> None:
        """Append one event; when this returns, a crash of this process cannot lose it."""
        with self._lock:
            event = {"sequence": self._sequence + 1, "time": _now(), "kind": kind, **fields}
            line = json.dumps(event, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
            start = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            remaining = line.encode() + b"\n"
            try:
                while remaining:
                    remaining = remaining[os.write(self._descriptor, remaining) :]
            except OSError:
                # A full disk takes half a line: the next writer must not continue it.
                os.ftruncate(self._descriptor, start)
                os.lseek(self._descriptor, start, os.SEEK_SET)
                raise
            self._sequence += 1

    def once(self, kind: str, number: int, **fields: Any) -> None:
        """Append the event of `kind` about step or epoch `number`, unless the log has it."""
        if (kind, number) not in self._told:
            self.append(kind, **fields)
            self._told.add((kind, number))

    def message(self, text: str, *, level: str = "info") -> None:
        """Append a line for people; `level` is info, warning or error."""
        self.append("message", level=level, text=text)

    def close(self) -> None:
        """Make the log durable and close it."""
        os.fsync(self._descriptor)
        os.close(self._descriptor)

    def _recover(self, path: Path) -> None:
        whole = 0
        with path.open("rb") as file:
            for line in file:
                event = _event(line)
                if event is None or event["sequence"] != self._sequence + 1:
                    break
                whole += len(line)
                self._sequence += 1
                # A metrics or checkpoint event is about a step, an epoch event about an epoch.
                self._told.add((event["kind"], event.get("step", event.get("epoch", 0))))
        os.ftruncate(self._descriptor, whole)
        os.lseek(self._descriptor, whole, os.SEEK_SET)


def _event(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "sequence" in event else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
