"""The clients as tests use them: Python by what is run in it, programs by their commands."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_DRIVER = Path(__file__).with_name("driver.py")


@dataclass
class Raised(Exception):
    """What a client raised."""

    kind: str
    """Name of its class."""
    message: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    param: str | None = None
    type: str | None = None
    request_id: str | None = None
    body: Any = None

    def __str__(self) -> str:
        return f"{self.kind} {self.status} {self.code} {self.param}: {self.message}"


class PythonClient:
    """A process with a client in it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def __call__(self, code: str, **names: Any) -> Any:
        """The value of the last expression of `code`; Raised if it raises."""
        process = self._process
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps({"code": code, "names": names}).encode() + b"\n")
        async with asyncio.timeout(90):
            line = await process.stdout.readline()
        assert line, "the client's process has ended"
        answer = json.loads(line)
        if "raised" in answer:
            raise Raised(**answer["raised"])
        return answer["value"]


@contextlib.asynccontextmanager
async def python_client(python: Path, **environment: str) -> AsyncIterator[PythonClient]:
    """A client of this Python; the environment says where the service is."""
    process = await asyncio.create_subprocess_exec(
        str(python),
        "-W",
        "ignore",
        str(_DRIVER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=_environment(environment),
        limit=2**26,
    )
    try:
        yield PythonClient(process)
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int | None
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


class Command:
    """A program with surroundings, such as `openai`."""

    def __init__(self, *command: str, cwd: Path | None = None, **environment: str) -> None:
        self._command = command
        self._cwd = cwd
        self._environment = environment

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start it with pipes."""
        return await asyncio.create_subprocess_exec(
            *self._command,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._cwd,
            env=_environment(self._environment),
            limit=2**24,
        )

    async def tried(self, *arguments: str, input: str = "", within: float = 90) -> Ended:
        """Run it to its end."""
        process = await self.start(*arguments)
        async with asyncio.timeout(within):
            out, err = await process.communicate(input.encode())
        return Ended(process.returncode, out.decode(), err.decode())

    async def __call__(self, *arguments: str, input: str = "", within: float = 90) -> Ended:
        """Run it to its end, which must be a good one."""
        ended = await self.tried(*arguments, input=input, within=within)
        assert ended.code == 0, (arguments, ended.out[-2000:], ended.err[-2000:])
        return ended


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PYTHONUTF8": "1", "NO_PROXY": "127.0.0.1", "COLUMNS": "200"} | dict(given)
