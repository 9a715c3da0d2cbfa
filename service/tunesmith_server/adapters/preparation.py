"""Preparations in processes of their own: they take a core each, and die alone."""

import asyncio
import contextlib
import os
import sys

import msgspec
import structlog
from tunesmith.dataset_rules.fixes import Job, Outcome

from tunesmith_server.domain.errors import Unavailable

log = structlog.get_logger(__name__)

_AT_ONCE = 2
_NICE = 5


class ProcessPreparation:
    """`python -m tunesmith.dataset_rules.fixes`, a few at a time, below the service in priority."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def run(self, job: Job) -> Outcome:
        """Start a process for it, and wait; killed if the caller goes away."""
        async with self._turn:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tunesmith.dataset_rules.fixes",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            try:
                with contextlib.suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
                answer, complaint = await process.communicate(msgspec.json.encode(job))
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode:
            # no text of it goes to the caller: it may be of the rows
            kind = (
                complaint.decode("utf-8", "replace").strip().rpartition("\n")[2].partition(":")[0]
            )
            log.error("preparation_failed", code=process.returncode, error=kind)
            raise Unavailable("the preparation was interrupted; try again", retry_after=5)
        return msgspec.json.decode(answer, type=Outcome)
