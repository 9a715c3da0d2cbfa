"""The work on the rows of a dataset, away from whoever takes calls."""

from typing import Protocol

from tunesmith.dataset_rules.fixes import Job, Outcome


class Preparation(Protocol):
    """Does one job on files of this machine. CPU-bound: never on the event loop."""

    async def run(self, job: Job) -> Outcome:
        """The outcome. Cancelled, it stops working. Unavailable if it was stopped from outside."""
        ...
