"""How a run is asked to stop: by `stop.json` in its directory, or by a signal.

A signal says only "stop", and kills a process that does not listen yet. The file says how, waits
for a trainer that is still starting, and is there for the one that starts after a `kill -9`.
"""

from __future__ import annotations

import json
import logging
import signal
from enum import StrEnum
from pathlib import Path

from tunesmith_trainer import durable
from tunesmith_trainer.failures import Cancelled, Stopped

log = logging.getLogger(__name__)


class StopMode(StrEnum):
    """In the order of their strength: a stronger one takes a weaker one's place, never back."""

    PAUSE = "pause"
    """Write a checkpoint and end as stopped; another attempt can go on."""
    FINISH = "finish"
    """Train no further step; what was learnt so far becomes the model."""
    CANCEL = "cancel"
    """End as stopped at once; nothing is kept but what is on the disk already."""


def strongest(*modes: StopMode | None) -> StopMode | None:
    """The strongest of `modes`, or None if there is none among them."""
    return max(filter(None, modes), key=list(StopMode).index, default=None)


def asked(file: Path) -> StopMode | None:
    """The mode that the `stop.json` at `file` asks for, or None if there is no such file.

    Raises ValueError if its content is not understood.
    """
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("mode") not in list(StopMode):
        wanted = " or ".join(f'{{"mode": "{mode}"}}' for mode in StopMode)
        raise ValueError(f"{file} must be {wanted}")
    return StopMode(content["mode"])


def ask(file: Path, mode: StopMode) -> bool:
    """Ask for `mode` by the `stop.json` at `file`; whether that is news to it.

    It is not if the file asks for this or something stronger already. A file that is not
    understood is replaced.
    """
    try:
        before = asked(file)
    except ValueError:
        before = None
    if strongest(before, mode) == before:
        return False
    durable.replace_json(file, {"mode": mode})
    return True


class StopRequest:
    """What has been asked of this run so far, by `file` or by SIGTERM and SIGINT.

    A signal asks for a pause: whoever sends one wants the process gone, not the work.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._mode: StopMode | None = None
        self._signalled = False
        self._complained = False

    def install(self) -> None:
        """Answer SIGTERM and SIGINT by taking note of them."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    @property
    def mode(self) -> StopMode | None:
        """The strongest mode that was ever asked for."""
        by_signal = StopMode.PAUSE if self._signalled else None
        self._mode = strongest(self._mode, by_signal, self._by_file())
        return self._mode

    def raise_if_asked(self) -> None:
        """Raise Cancelled or Stopped if the run shall end without a model."""
        self.raise_if_cancelled()
        if self._mode is StopMode.PAUSE:
            raise Stopped("The run was asked to stop.")

    def raise_if_cancelled(self) -> None:
        """Raise Cancelled if nothing that the run could still do is wanted."""
        if self.mode is StopMode.CANCEL:
            raise Cancelled("The run was cancelled.")

    def _by_file(self) -> StopMode | None:
        try:
            return asked(self._file)
        except ValueError as error:
            if not self._complained:
                log.warning("A request to stop is not understood: %s", error)
            self._complained = True
            return None

    def _note(self, _number: int, _frame: object) -> None:
        self._signalled = True
