"""What is told to a service that keeps measurements, whichever it is."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

Value = str | int | float | bool


@dataclass(frozen=True)
class Facts:
    """What the run is: the same for every service.

    `id` is the run's own, which all its attempts share; `config` has every hyperparameter.
    """

    id: str
    config: Mapping[str, Value]


@dataclass(frozen=True)
class Measured:
    """What was measured at a step, by the names of results.csv. `time` in seconds since 1970."""

    step: int
    time: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class End:
    """How the attempt ended; `summary` has the model's digest among others."""

    status: str
    summary: Mapping[str, Value]


class Tracker(Protocol):
    """One run in one service. Every method may raise anything, and may block."""

    def open(self, facts: Facts) -> int:
        """Begin the run, or go on with it if the service has it; the last step that it has, or 0.

        Called again after a failure of any of these.
        """
        ...

    def log(self, measurements: Sequence[Measured]) -> None:
        """Send measurements, in the order of their steps."""
        ...

    def close(self, end: End | None) -> None:
        """Send what is still on its way and end; None if the trainer was killed."""
        ...


class Refused(Exception):
    """The service cannot be used as it is set up, and trying again is of no use."""


def measured(event: Mapping[str, Any]) -> Measured:
    """The measurements of an event of kind `metrics`."""
    values = {
        name: value
        for name, value in event["values"].items()
        if name != "step" and isinstance(value, int | float)
    }
    return Measured(event["step"], _seconds(event["time"]), values | {"epoch": event["epoch"]})


def _seconds(moment: str) -> float:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return time.time()


def plain_id(text: str) -> str:
    """`text` as an id that every service takes."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)[:64] or "run"
