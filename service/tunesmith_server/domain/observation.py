"""What a backend can say of an attempt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """How far an attempt is, as seen from outside."""

    ABSENT = "absent"
    """The backend knows nothing of it: it was never started, or every trace is gone."""
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    """Ended with an outcome and a model."""
    STOPPED = "stopped"
    """Ended because it was asked to; the last checkpoint is there."""
    FAILED = "failed"
    """Ended with an outcome that says why; starting again would end the same."""
    LOST = "lost"
    """Ended without an outcome: killed, crashed, its machine gone. Worth another attempt."""


class StopMode(StrEnum):
    """How an attempt is to stop. It ends within the backend's grace, or is killed."""

    CANCEL = "cancel"
    """For good. What it has learnt is not needed."""
    PAUSE = "pause"
    """Write a checkpoint, so that another attempt can go on from it: ends as STOPPED."""
    FINISH = "finish"
    """Make what was learnt so far the model: ends as SUCCEEDED with `stopped_at`."""


@dataclass(frozen=True)
class Observation:
    """One look at an attempt."""

    phase: Phase
    reason: str = ""
    message: str = ""
    advice: str = ""
    trained_tokens: int = 0
    steps: int = 0
    model_digest: str = ""
    model_size_bytes: int = 0
    stopped_at: str = ""
    """In SUCCEEDED: the limit that ended training before its last step, such as
    MAX_TRAINED_TOKENS, MAX_RUN_TIME or FINISH_REQUESTED; empty if it came to its end."""
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether the attempt does nothing any more."""
        return self.phase not in (Phase.ABSENT, Phase.STARTING, Phase.RUNNING)


@dataclass(frozen=True)
class Report:
    """One line of the trainer's outbox, numbered from 1 within an attempt."""

    sequence: int
    time: datetime
    kind: str
    data: Mapping[str, Any]
