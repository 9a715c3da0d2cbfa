"""What happened in a run, as rows of its log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tunesmith_server.domain.states import State


class Kind(StrEnum):
    """Which arm of the contract's `Event.detail` an event has."""

    STATE_CHANGED = "state_changed"
    MESSAGE = "message"
    METRICS = "metrics"
    CHECKPOINT = "checkpoint"
    ADMISSION = "admission"
    USAGE = "usage"
    ATTEMPT = "attempt"


class Level(StrEnum):
    """How much it matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Event:
    """Something that happened in a run.

    `sequence` counts from 1 without gaps within a run; it is 0 until the store has given it, in the
    transaction of the change that the event tells of. `data` is JSON-able; its keys by kind:

    * STATE_CHANGED: from, to, reason
    * METRICS: step, epoch, values (name → number, the names of results.csv)
    * CHECKPOINT: step, path, digest, size_bytes, values
    * ADMISSION, USAGE: dimension → amount
    * ATTEMPT: attempt, reason
    """

    kind: Kind
    time: datetime
    message: str
    level: Level = Level.INFO
    attempt: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    sequence: int = 0

    @property
    def ends_run(self) -> bool:
        """Whether nothing comes after this event."""
        return self.kind is Kind.STATE_CHANGED and State(self.data["to"]).is_terminal
