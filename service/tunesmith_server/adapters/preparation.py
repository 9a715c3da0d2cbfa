"""Preparations in processes of their own: they take a core each, and die alone."""

import asyncio
import contextlib
import os

import msgspec
import structlog
from tunesmith.dataset_rules.fixes import Job, Outcome

from tunesmith_server.adapters.children import Child
from tunesmith_server.adapters.local.environment import worker_environment
from tunesmith_server.domain.errors import Unavailable

log = structlog.get_logger(__name__)

_PROGRAM = "tunesmith.dataset_rules.fixes"
_AT_ONCE = 2
_NICE = 5


class ProcessPreparation:
    """`python -m tunesmith.dataset_rules.fixes`, a few at a time, below the service in priority."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def run(self, job: Job) -> Outcome:
        """Start a process for it, and wait; killed if the caller goes away."""
        async with self._turn:
            child = await Child.start(_PROGRAM, environment=worker_environment(1))
            try:
                with contextlib.suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, child.pid, _NICE)
                with contextlib.suppress(ConnectionError):  # its exit code tells more
                    child.input.write(msgspec.json.encode(job))
                    await child.input.drain()
                child.input.close()
                answer = await child.output.read()
                code, complaints = await child.ended()
            finally:
                await asyncio.shield(child.end())
        if code:
            # no text of it goes to the caller: it may be of the rows
            kind = complaints[-1].partition(":")[0] if complaints else ""
            log.error("preparation_failed", code=code, error=kind)
            raise Unavailable("the preparation was interrupted; try again", retry_after=5)
        return msgspec.json.decode(answer, type=Outcome)
