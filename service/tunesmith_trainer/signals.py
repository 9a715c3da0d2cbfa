"""A request to stop, as a flag: the loop ends at a moment of its own choosing."""

from __future__ import annotations

import signal

from tunesmith_trainer.failures import Stopped


class StopRequest:
    """Set by SIGTERM and SIGINT from `install` on."""

    def __init__(self) -> None:
        self.requested = False

    def install(self) -> None:
        """Answer SIGTERM and SIGINT by taking note of them."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def raise_if_requested(self) -> None:
        """Raise Stopped if a signal has come."""
        if self.requested:
            raise Stopped("The run was asked to stop.")

    def _note(self, _number: int, _frame: object) -> None:
        self.requested = True
