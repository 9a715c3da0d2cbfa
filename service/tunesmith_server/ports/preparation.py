"""The work on the rows of a dataset, away from whoever takes calls, and room for it."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from tunesmith.dataset_rules.fixes import Job, Outcome


class Preparation(Protocol):
    """Does one job on files of this machine. CPU-bound: never on the event loop."""

    async def run(self, job: Job) -> Outcome:
        """The outcome. Cancelled, it stops working. Unavailable if it was stopped from outside."""
        ...


class Scratch(Protocol):
    """Room on this machine for files in between."""

    def new(self) -> AbstractAsyncContextManager[Path]:
        """A folder of one's own for as long as the block lasts."""
        ...
