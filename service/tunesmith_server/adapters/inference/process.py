"""One worker process and the conversation with it."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tunesmith_server.adapters.children import Child
from tunesmith_server.adapters.inference import wire
from tunesmith_server.domain.completion import EngineBusy, EngineError, EngineUnavailable

log = logging.getLogger(__name__)

_WORKER = "tunesmith_server.adapters.inference.worker"
_GRACE = 5.0


@dataclass(frozen=True)
class WorkerOptions:
    """How worker processes are run; `environment` is all that they get of the environment."""

    threads: int
    adapters: int
    waiting_rows: int
    start_timeout: float
    environment: Mapping[str, str] = field(default_factory=dict)

    def arguments(self, folder: Path) -> Sequence[str]:
        """The worker's arguments."""
        options = f"--threads {self.threads} --adapters {self.adapters}".split()
        return ("--base", str(folder), *options)

    def variables(self) -> dict[str, str]:
        """The worker's environment."""
        return {
            "PYTHONFAULTHANDLER": "1",
            "PYTHONUTF8": "1",
            **self.environment,
            "OMP_NUM_THREADS": str(self.threads),
            "GOMP_SPINCOUNT": "0",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "GRPC_ENABLE_FORK_SUPPORT": "0",
        }


class Call:
    """One request that the worker is at, and the messages about it."""

    def __init__(self, id: str, rows: int) -> None:
        self.id = id
        self.rows = rows
        self._messages: asyncio.Queue[wire.Message | EngineError] = asyncio.Queue()

    def deliver(self, message: wire.Message | EngineError) -> None:
        """Hand over what the worker says, or that it says no more."""
        self._messages.put_nowait(message)

    async def next(self) -> wire.Message:
        """The next message; an error message is raised."""
        message = await self._messages.get()
        if isinstance(message, EngineError):
            raise message
        if message["event"] == "error":
            raise wire.read_error(message)
        return message


class WorkerProcess:
    """A worker from its start to its end. `on_end` is called once, when it takes no more calls."""

    def __init__(
        self,
        base: str,
        child: Child,
        options: WorkerOptions,
        on_end: Callable[["WorkerProcess"], None],
    ) -> None:
        self.base = base
        self._since = time.monotonic()  # it is as it is, busy or idle
        self._child = child
        self._options = options
        self._on_end = on_end
        self._ids = count(1)
        self._calls: dict[str, Call] = {}
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open = True
        self._rows = 0
        self._rows_done = 0
        self._busy_seconds = 0.0
        self._reading = asyncio.create_task(self._read(), name=f"inference {base}")

    @classmethod
    async def start(
        cls,
        base: str,
        folder: Path,
        options: WorkerOptions,
        on_end: Callable[["WorkerProcess"], None],
    ) -> "WorkerProcess":
        """A worker that has loaded the base; or EngineUnavailable."""
        try:
            child = await Child.start(
                _WORKER, *options.arguments(folder), environment=options.variables()
            )
        except OSError as error:
            raise EngineUnavailable(f"the engine for {base} cannot be started", 5.0) from error
        worker = cls(base, child, options, on_end)
        try:
            async with asyncio.timeout(options.start_timeout):
                await worker._ready
        except TimeoutError as error:
            await worker.close()
            raise EngineUnavailable(f"the engine for {base} did not start in time", 5.0) from error
        except BaseException:
            await worker.close()
            raise
        worker._since = time.monotonic()  # loading was not idling
        return worker

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._child.pid

    @property
    def open(self) -> bool:
        """Whether it takes calls."""
        return self._open

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer. Questions about the worker itself do not count."""
        return not self._rows

    @property
    def idle_seconds(self) -> float:
        """For how long it has been idle; 0 if it is not."""
        return time.monotonic() - self._since if self.idle else 0.0

    def call(self, message: Mapping[str, Any], *, rows: int) -> Call:
        """Ask the worker something (the id is set here); or EngineBusy, EngineUnavailable."""
        if not self._open:
            raise EngineUnavailable(f"the engine for {self.base} has ended")
        if rows and self._rows and self._rows + rows > self._options.waiting_rows:
            raise EngineBusy(self.retry_after())
        call = Call(str(next(self._ids)), rows)
        if rows and self.idle:
            self._since = time.monotonic()
        self._calls[call.id] = call
        self._rows += rows
        self._write({**message, "id": call.id})
        return call

    def retry_after(self) -> float:
        """When the rows that wait now should be done, by the pace so far."""
        busy = self._busy_seconds + (0 if self.idle else time.monotonic() - self._since)
        return min(60.0, max(1.0, self._rows * busy / max(1, self._rows_done)))

    def end(self, call: Call, *, answered: bool) -> None:
        """Nobody listens to this call any more; if it is not answered, the worker drops it."""
        if self._calls.pop(call.id, None) is None:
            return
        self._rows -= call.rows
        if answered:
            self._rows_done += call.rows
        elif self._open:
            self._write({"op": "cancel", "id": call.id})
        if call.rows and self.idle:
            self._busy_seconds += time.monotonic() - self._since
            self._since = time.monotonic()

    async def drain(self) -> None:
        """Wait until the worker has taken most of what was written to it."""
        with suppress(ConnectionError):  # that it is gone is told to each call
            await self._child.input.drain()

    async def close(self) -> None:
        """End the worker: kindly, by the end of its input, else by a signal."""
        self._end("was closed")
        await self._child.end(_GRACE)
        await asyncio.gather(self._reading, return_exceptions=True)

    def _write(self, message: Mapping[str, Any]) -> None:
        self._child.input.write(wire.encode(message))

    async def _read(self) -> None:
        """Hand messages to their calls until the worker's output ends."""
        try:
            while line := await self._child.output.readline():
                message = wire.decode(line)
                if message["event"] == "ready":
                    if not self._ready.done():
                        self._ready.set_result(None)
                elif (call := self._calls.get(message["id"])) is not None:
                    call.deliver(message)
        except ValueError:  # not a line of ours: a worker in this state is of no use
            log.exception("inference_worker_spoke_nonsense base=%s", self.base)
            self._child.kill()
        code, complaints = await self._child.ended()
        if self._open:
            log.error(
                "inference_worker_ended base=%s code=%s stderr=%s",
                self.base,
                code,
                "\n".join(complaints),
            )
        self._end(f"ended (exit code {code})")

    def _end(self, how: str) -> None:
        """Take no more calls, and tell those that wait."""
        if not self._open:
            return
        self._open = False
        fault = EngineUnavailable(f"the engine for {self.base} {how}")
        if not self._ready.done():
            self._ready.set_exception(fault)
            self._ready.exception()  # seen, even if nobody waits
        for call in self._calls.values():
            call.deliver(fault)
        self._on_end(self)
