"""Where messages to the worker are dealt with."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunesmith_server.adapters.inference import wire
from tunesmith_server.adapters.inference.worker.base import Base
from tunesmith_server.adapters.inference.worker.job import Emit, Job
from tunesmith_server.adapters.inference.worker.lora import AdapterShelf
from tunesmith_server.adapters.inference.worker.scheduler import Limits, Scheduler
from tunesmith_server.domain.completion import EngineError, EngineUnavailable

log = logging.getLogger(__name__)


class Desk:
    """Loads a base, says that it is ready, and turns messages into work."""

    def __init__(self, folder: Path, *, adapters: int, limits: Limits, emit: Emit) -> None:
        self._emit = emit
        self._base = Base(folder)
        self._shelf = AdapterShelf(self._base.model, limit=adapters)
        self._scheduler = Scheduler(self._base, self._shelf, limits)
        self._jobs: dict[str, Job] = {}
        emit({"event": "ready", "context": self._base.context, "vocabulary": self._base.outputs})

    @property
    def idle(self) -> bool:
        """Whether nothing is to be computed."""
        return self._scheduler.idle

    def step(self) -> None:
        """Compute something."""
        self._scheduler.step()
        if any(job.over for job in self._jobs.values()):
            self._jobs = {id: job for id, job in self._jobs.items() if not job.over}

    def handle(self, line: bytes) -> None:
        """Do what a line says."""
        message = wire.decode(line)
        id, operation = str(message["id"]), message["op"]
        if operation in ("complete", "chat"):
            self._begin(id, message)
        elif operation == "cancel":
            if (job := self._jobs.pop(id, None)) is not None:
                job.cancel()
        elif operation == "unload":
            self._shelf.drop(message["adapter"])
            self._emit({"id": id, "event": "unloaded"})
        elif operation == "stats":
            self._emit(
                {
                    "id": id,
                    "event": "stats",
                    "adapters": self._shelf.ids,
                    **self._scheduler.load,
                }
            )
        else:
            raise ValueError(f"unknown operation {operation!r}")

    def _begin(self, id: str, asked: Mapping[str, Any]) -> None:
        try:
            request, adapter = wire.read_call(asked)
            job = Job(
                id,
                request,
                adapter=adapter,
                stream=bool(asked.get("stream")),
                base=self._base,
                emit=self._emit,
            )
        except EngineError as fault:
            self._emit(wire.error(id, fault))
        except Exception as error:
            # Not the error's own words: they may hold the prompt.
            log.error("a request could not be read: %s", type(error).__name__)
            message = f"the engine failed ({type(error).__name__})"
            self._emit(wire.error(id, EngineUnavailable(message)))
        else:
            self._jobs[id] = job
            self._scheduler.add(job)
