"""What the trainer tells the process of an integration, by its standard input."""

from __future__ import annotations

import json
import os
import threading
from typing import IO, Any

from tunesmith_trainer.integrations.tracker import End

ORPHAN_SECONDS = 20.0
"""Without its trainer, a process lives so long: enough to send what is there, if it can be sent."""


class Orders:
    """The first line says what to do, the second how the run ended. No second: it was killed."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._over = threading.Event()
        self.first: dict[str, Any] = json.loads(stream.readline())
        self.end: End | None = None
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def ended(self) -> bool:
        """Whether no more measurements will come."""
        return self._over.is_set()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the end."""
        self._over.wait(seconds)

    def _listen(self) -> None:
        line = self._stream.readline()
        if line:
            last = json.loads(line)
            self.end = End(last["status"], last["summary"])
            self._over.set()
            return
        self._over.set()
        # A library may hang for ever, and nobody is there to end this process.
        watchdog = threading.Timer(ORPHAN_SECONDS, os._exit, (1,))
        watchdog.daemon = True
        watchdog.start()
