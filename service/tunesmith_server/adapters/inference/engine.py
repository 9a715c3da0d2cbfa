"""The embedded engine: completions from worker processes, one a base model.

A worker is started by the first request for its base and ends when it was idle for long. If it
dies, the requests in flight get EngineUnavailable and the next request starts another.
"""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

from tunesmith_server.adapters.inference import wire
from tunesmith_server.adapters.inference.process import Call, WorkerOptions, WorkerProcess
from tunesmith_server.domain.completion import (
    AdapterRef,
    Completion,
    CompletionDelta,
    CompletionRequest,
    EngineBusy,
    EngineUnavailable,
)

BasePath = Callable[[str], Path | Awaitable[Path]]


class EmbeddedEngine:
    """Completions by models on this machine.

    `base_path` gives the folder of a base by its id, materialised; what it raises, the caller gets.
    Cancelling the caller stops the work. `environment` is what workers get of the environment
    besides their own settings (for instance PATH, or CUDA_VISIBLE_DEVICES).
    """

    def __init__(
        self,
        *,
        base_path: BasePath,
        threads: int = 1,
        adapters: int = 16,
        idle_timeout: float = 600.0,
        max_workers: int = 2,
        waiting_rows: int = 512,
        start_timeout: float = 180.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._base_path = base_path
        self._idle_timeout = idle_timeout
        self._max_workers = max_workers
        self._options = WorkerOptions(
            threads=threads,
            adapters=adapters,
            waiting_rows=waiting_rows,
            start_timeout=start_timeout,
            environment=environment or {},
        )
        # By base, also while it is starting: whoever asks meanwhile waits for the same worker.
        self._workers: dict[str, asyncio.Task[WorkerProcess]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._reaper: asyncio.Task[None] | None = None
        self._closed = False

    async def complete(
        self, base: str, adapter: AdapterRef | None, request: CompletionRequest
    ) -> Completion:
        """All answers; or an EngineError."""
        request.check()
        worker, call = await self._call(base, adapter, request, stream=False)
        answered = False
        try:
            await worker.drain()
            message = await call.next()
            answered = True
            return wire.read_done(message)
        finally:
            worker.end(call, answered=answered)

    async def stream_complete(
        self, base: str, adapter: AdapterRef | None, request: CompletionRequest
    ) -> AsyncGenerator[CompletionDelta]:
        """The answers in pieces, as they are made; or an EngineError.

        Close the iterator (`aclosing`) to stop before the end.
        """
        request.check(stream=True)
        worker, call = await self._call(base, adapter, request, stream=True)
        answered = False
        try:
            await worker.drain()
            while not answered:
                piece = wire.read_delta(await call.next())
                answered = piece.usage is not None
                yield piece
        finally:
            worker.end(call, answered=answered)

    async def unload(self, adapter_id: str) -> None:
        """Forget an adapter in all workers; rows at work end with it, later ones load it anew."""
        running = [task.result() for task in self._workers.values() if _started(task)]
        await asyncio.gather(*(self._unload(worker, adapter_id) for worker in running))

    async def warm(self, base: str) -> None:
        """Start the worker of a base, if it is not running."""
        await self._worker(base)

    async def stats(self, base: str) -> Mapping[str, object] | None:
        """What a base's worker holds and does (adapters, rows, waiting); None if none runs."""
        task = self._workers.get(base)
        if task is None or not _started(task):
            return None
        worker = task.result()
        call = worker.call({"op": "stats"}, rows=0)
        try:
            message = await call.next()
        finally:
            worker.end(call, answered=True)
        return {name: message[name] for name in ("adapters", "rows", "waiting")} | {
            "pid": worker.pid
        }

    async def close(self) -> None:
        """End all workers; requests in flight get EngineUnavailable."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
            with suppress(asyncio.CancelledError):
                await self._reaper
        for task in list(self._workers.values()):
            if _started(task):
                self._retire(task.result())
            else:
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task
        await asyncio.gather(*self._ending)

    async def _call(
        self, base: str, adapter: AdapterRef | None, request: CompletionRequest, *, stream: bool
    ) -> tuple[WorkerProcess, Call]:
        worker = await self._worker(base)
        message = wire.call("", request, adapter=adapter, stream=stream)
        return worker, worker.call(message, rows=request.rows)

    async def _worker(self, base: str) -> WorkerProcess:
        """The base's worker, started if need be, once for all who ask."""
        while True:
            if self._closed:
                raise EngineUnavailable("the engine is closed")
            task = self._workers.get(base)
            if task is None:
                self._make_room()
                task = asyncio.create_task(self._start(base), name=f"start inference {base}")
                self._workers[base] = task
                task.add_done_callback(_seen)
                self._reaper = self._reaper or asyncio.create_task(self._reap())
            # Shielded: that one caller leaves must not take the worker from the others.
            worker = await asyncio.shield(task)
            if worker.open:
                return worker

    async def _start(self, base: str) -> WorkerProcess:
        try:
            folder = self._base_path(base)
            if inspect.isawaitable(folder):
                folder = await folder
            return await WorkerProcess.start(base, folder, self._options, self._forget)
        except BaseException:
            self._workers.pop(base, None)
            raise

    def _forget(self, worker: WorkerProcess) -> None:
        task = self._workers.get(worker.base)
        if task is not None and _started(task) and task.result() is worker:
            del self._workers[worker.base]

    def _make_room(self) -> None:
        """End the worker that was idle for longest if there are as many as may be."""
        if len(self._workers) < self._max_workers:
            return
        idle = [task.result() for task in self._workers.values() if _started(task)]
        idle = [worker for worker in idle if worker.idle]
        if not idle:
            raise EngineBusy(5.0)
        self._retire(max(idle, key=lambda worker: worker.idle_seconds))

    def _retire(self, worker: WorkerProcess) -> None:
        self._forget(worker)
        task = asyncio.create_task(worker.close(), name=f"end inference {worker.base}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _reap(self) -> None:
        """End workers that were idle for too long."""
        while True:
            await asyncio.sleep(min(30.0, self._idle_timeout / 4))
            for task in list(self._workers.values()):
                if _started(task):
                    worker = task.result()
                    if worker.idle_seconds > self._idle_timeout:
                        self._retire(worker)

    async def _unload(self, worker: WorkerProcess, adapter_id: str) -> None:
        with suppress(EngineUnavailable):  # then the adapter is gone with the worker
            call = worker.call({"op": "unload", "adapter": adapter_id}, rows=0)
            try:
                await call.next()
            finally:
                worker.end(call, answered=True)


def _started(task: asyncio.Task[WorkerProcess]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _seen(task: asyncio.Task[WorkerProcess]) -> None:
    """Those who asked get the error; if all of them left, nobody need hear of it."""
    if not task.cancelled():
        task.exception()
