"""Feeds one tracker from the event log, for as long as the trainer lives.

The log is the queue: it is on the disk, has no bound, and the trainer writes it anyway. So a
service that was away for an hour is told everything once it is back, from the step that it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tunesmith_trainer.integrations.earlier import earlier
from tunesmith_trainer.integrations.event_reader import EventReader
from tunesmith_trainer.integrations.orders import Orders
from tunesmith_trainer.integrations.tracker import (
    Facts,
    Measured,
    Refused,
    Tracker,
    Value,
    measured,
)

_LOOK_SECONDS = 0.25
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
_PREPARED = ("device", "total_steps", "training_examples", "validation_examples")
"""What the trainer finds out before its first step, and is worth keeping."""


class Follower:
    """From the first event to the last, through whatever the service does meanwhile."""

    def __init__(
        self,
        tracker: Tracker,
        run: str,
        config: Mapping[str, Value],
        folder: Path,
        orders: Orders,
        *,
        fault: Callable[[BaseException], None],
        mended: Callable[[], None],
    ) -> None:
        self._tracker = tracker
        self._run = run
        self._config = config
        self._results = folder / "results.csv"
        self._events = EventReader(folder / "events.jsonl")
        self._orders = orders
        self._fault = fault
        self._mended = mended
        self._failed = False

    def follow(self) -> bool:
        """Tell the service everything; whether it has it all in the end."""
        pause = _FIRST_PAUSE
        while True:
            ended = self._orders.ended
            try:
                self._session()
                return True
            except (Refused, ImportError) as error:
                self._fault(error)
                return False
            except Exception as error:
                if not self._failed:
                    self._fault(error)
                self._failed = True
            if ended:
                return False
            self._orders.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _session(self) -> None:
        """Open the run there, and tell of every step until there are no more."""
        self._events.rewind()
        prepared = self._wait_until_prepared()
        if prepared is None:
            return  # it ended before there was anything to measure
        found = {name: prepared[name] for name in _PREPARED if name in prepared}
        known = self._tracker.open(Facts(self._run, {**self._config, **found}))
        if self._failed:
            self._mended()
        self._failed = False
        if before := earlier(self._results, after=known, until=prepared["start_step"]):
            self._tracker.log(before)
        self._events.rewind()
        while True:
            ended = self._orders.ended  # before the look, so that nothing comes after the last
            if fresh := [each for each in self._fresh() if each.step > known]:
                self._tracker.log(fresh)
            if ended:
                break
            self._orders.wait(_LOOK_SECONDS)
        self._tracker.close(self._orders.end)

    def _wait_until_prepared(self) -> dict[str, Any] | None:
        while True:
            ended = self._orders.ended
            for event in self._events.new():
                if event["kind"] == "prepared":
                    return event
            if ended:
                return None
            self._orders.wait(_LOOK_SECONDS)

    def _fresh(self) -> list[Measured]:
        return [measured(event) for event in self._events.new() if event["kind"] == "metrics"]


def words(error: BaseException, *, without: str | None) -> str:
    """One line of at most 200 characters about `error`, without the key that may be in it."""
    text = " ".join(str(error).split())
    if without:
        text = text.replace(without, "[key]")
    return (text or type(error).__name__)[:200]
