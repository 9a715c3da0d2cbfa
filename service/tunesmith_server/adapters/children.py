"""Programs of ours that work for the service and talk with it over their pipes."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, Self

_LINE_LIMIT: Final = 1 << 28
"""The longest line of an answer: the log-probabilities of many prompts, or a report."""
_COMPLAINTS: Final = 20
_COMPLAINT_LIMIT: Final = 1000


class Child:
    """One such process, and what it has said on its standard error last."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._complaints: deque[str] = deque(maxlen=_COMPLAINTS)
        self._hearing = asyncio.create_task(self._hear(), name=f"{name} stderr")

    @classmethod
    async def start(cls, module: str, *arguments: str, environment: Mapping[str, str]) -> Self:
        """Run a module with all of this environment: keys of the service have no business there.

        OSError if no process can be started. A session of its own, and nothing run between fork
        and exec: gRPC survives that.
        """
        process = await asyncio.create_subprocess_exec(
            # -P: modules in the server's working directory are not ours
            *(sys.executable, "-P", "-m", module, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env=dict(environment),
            limit=_LINE_LIMIT,
        )
        return cls(process, module)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def input(self) -> asyncio.StreamWriter:
        """What it reads. Its end asks it to end."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def output(self) -> asyncio.StreamReader:
        """What it answers."""
        assert self._process.stdout is not None
        return self._process.stdout

    async def ended(self) -> tuple[int, Sequence[str]]:
        """Wait for its end: the exit code, and the last lines that it complained with."""
        code = await self._process.wait()
        # what it has made may hold its standard error open still
        await asyncio.wait([self._hearing], timeout=1)
        return code, list(self._complaints)

    def kill(self) -> None:
        """End it at once, with every process that it has made."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def end(self, within: float = 0) -> None:
        """End it, with every process that it has made: kindly for so many seconds, then at once."""
        self.input.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._process.wait()
        self.kill()
        await self._process.wait()
        self._hearing.cancel()
        await asyncio.gather(self._hearing, return_exceptions=True)

    async def _hear(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            if text := line.decode(errors="replace").rstrip():
                self._complaints.append(text[:_COMPLAINT_LIMIT])
