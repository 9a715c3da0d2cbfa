"""Measurements of the attempts before this one, which its own event log does not have."""

from __future__ import annotations

import csv
import time
from pathlib import Path

from tunesmith_trainer.integrations.tracker import Measured


def earlier(results: Path, *, after: int, until: int) -> list[Measured]:
    """The rows of results.csv of the steps after `after` and up to `until`.

    A checkpoint carries the rows before it, so a resumed run has all of them, also those that a
    killed attempt could not send any more.
    """
    if after >= until:
        return []
    now, found = time.time(), list[Measured]()
    with results.open(newline="") as file:
        for row in csv.DictReader(file):
            step = int(row.pop("step"))
            if step > until:
                break
            if step > after:
                values = {name: float(cell) for name, cell in row.items() if cell}
                found.append(Measured(step, now, values))
    return found
