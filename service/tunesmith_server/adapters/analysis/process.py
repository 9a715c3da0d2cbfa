"""The server's side of a worker: one process for one look at one dataset."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from tunesmith_server.adapters.analysis import wire
from tunesmith_server.adapters.blobs import BlobMissing
from tunesmith_server.adapters.children import Child
from tunesmith_server.adapters.local.bases import BaseLibrary
from tunesmith_server.adapters.local.environment import worker_environment
from tunesmith_server.domain.analysis import LEAKAGE, RULES, Content, Outcome, leakage_training
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.ports import AnalysisBroken, Blobs

log = logging.getLogger(__name__)

_WORKER = "tunesmith_server.adapters.analysis.worker"
_TIKTOKEN = "tiktoken:"
_KILLED = -9
_SHOWN = 300
"""Characters of a complaint."""


class ProcessAnalyser:
    """The Analyser port: a worker a content, at a low priority, on `processes` cores.

    A worker that says nothing for `stall_seconds` is ended.
    """

    def __init__(
        self,
        blobs: Blobs,
        bases: BaseLibrary,
        *,
        processes: int | None = None,
        niceness: int = 10,
        stall_seconds: float = 600,
    ) -> None:
        self._blobs = blobs
        self._bases = bases
        self._processes = processes or len(os.sched_getaffinity(0))
        self._niceness = niceness
        self._stall_seconds = stall_seconds
        self._making: dict[str, asyncio.Task[Path]] = {}

    def ready(self, ref: str) -> bool:
        """Encodings are always here; a base's own tokenizer is where its weights are."""
        return ref.startswith(_TIKTOKEN) or self._bases.ready(_base(ref))

    def make(self, ref: str) -> None:
        """Begin to fetch the base; what comes of that shows in the log."""
        if ref in self._making or self.ready(ref):
            return
        task = asyncio.create_task(self._bases.ensure(_base(ref)), name=f"tokenizer {ref}")
        self._making[ref] = task
        task.add_done_callback(lambda task: self._made(ref, task))

    def _made(self, ref: str, task: "asyncio.Task[Path]") -> None:
        del self._making[ref]
        if not task.cancelled() and (error := task.exception()):
            log.warning("tokenizer_not_made ref=%s error=%s", ref, error)

    async def close(self) -> None:
        """Make nothing any more."""
        for task in (tasks := list(self._making.values())):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def analyse(
        self,
        content: Content,
        subjects: Sequence[str],
        on_progress: Callable[[int], Awaitable[bool]],
        *,
        sensitive: str = "off",
    ) -> Mapping[str, Outcome]:
        """One pass over the bytes by a process of its own; each comparison by another."""
        compared = [subject for subject in subjects if subject.startswith(LEAKAGE)]
        refs = [subject for subject in subjects if subject not in (RULES, *compared)]
        outcomes: dict[str, Outcome] = {}
        if RULES in subjects or refs:
            outcomes |= await self._looked_at(
                content, RULES in subjects, refs, on_progress, sensitive
            )
        for subject in compared:
            outcomes[subject] = await self._compared(content, subject, on_progress)
        return outcomes

    async def _looked_at(
        self,
        content: Content,
        rules: bool,
        refs: Sequence[str],
        on_progress: Callable[[int], Awaitable[bool]],
        sensitive: str,
    ) -> dict[str, Outcome]:
        request = wire.Request(
            size_bytes=content.size_bytes,
            shape=content.shape,
            format=content.format or "jsonl",
            rules=rules,
            sensitive=sensitive,
            tokenizers=tuple(map(self._source, refs)),
            processes=self._processes,
        )
        async with self._worker() as worker:
            answer = await worker.ask(request, self._blobs.read(content.digest), on_progress)
        outcomes = {
            ref: Outcome(tokenizer=each.tokenizer, count=each.count, error=each.error)
            for ref, each in (answer.counts or {}).items()
        }
        return outcomes | ({RULES: Outcome(report=answer.report)} if answer.report else {})

    async def _compared(
        self, content: Content, subject: str, on_progress: Callable[[int], Awaitable[bool]]
    ) -> Outcome:
        training = leakage_training(subject)
        request = wire.Request(
            size_bytes=content.size_bytes,
            shape=content.shape,
            format=content.format or "jsonl",
            training=wire.Training(training.size_bytes, training.format),
        )

        async def both() -> AsyncIterator[bytes]:
            for each in (content, training):
                async for chunk in self._blobs.read(each.digest):
                    yield chunk

        try:
            async with self._worker() as worker:
                answer = await worker.ask(request, both(), on_progress)
        except BlobMissing:  # what else is to be known of the content still can be
            return Outcome(error="the training data to compare with is no longer there")
        return Outcome(findings=answer.findings or ())

    def _source(self, ref: str) -> wire.TokenizerSource:
        if ref.startswith(_TIKTOKEN):
            return wire.TokenizerSource(ref)
        return wire.TokenizerSource(ref, str(self._bases.path(_base(ref))))

    @contextlib.asynccontextmanager
    async def _worker(self) -> "AsyncIterator[_Worker]":
        """A worker that is gone after the block, with every process that it has made."""
        try:
            child = await Child.start(
                *(_WORKER, "--nice", str(self._niceness)), environment=worker_environment(1)
            )
        except OSError as error:
            raise AnalysisBroken(f"no process can be started: {error.strerror}") from error
        try:
            yield _Worker(child, self._stall_seconds)
        finally:
            await asyncio.shield(child.end())


class _Worker:
    """The conversation with one worker."""

    def __init__(self, child: Child, stall_seconds: float) -> None:
        self._child = child
        self._stall_seconds = stall_seconds

    async def ask(
        self,
        request: wire.Request,
        chunks: AsyncIterator[bytes],
        on_progress: Callable[[int], Awaitable[bool]],
    ) -> wire.Answer:
        """The result; AnalysisBroken if there comes none. Raises what `chunks` raises."""
        feeding = asyncio.create_task(self._feed(request, chunks))
        try:
            answer = await self._listen(on_progress)
            if answer is None:
                raise await self._why(feeding)
            return answer
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

    async def _feed(self, request: wire.Request, chunks: AsyncIterator[bytes]) -> None:
        try:
            self._child.input.write(wire.encode(request))
            async for chunk in chunks:
                self._child.input.write(chunk)
                await self._child.input.drain()
        finally:  # cut short, the worker ends without a result, and nobody waits for it in vain
            self._child.input.close()

    async def _listen(self, on_progress: Callable[[int], Awaitable[bool]]) -> wire.Answer | None:
        """The result; None if the worker ends without one."""
        while True:
            try:
                async with asyncio.timeout(self._stall_seconds):
                    line = await self._child.output.readline()
            except TimeoutError:
                raise AnalysisBroken(
                    f"its process has said nothing for {self._stall_seconds:g} s"
                ) from None
            if not line:
                return None
            answer = wire.decode_answer(line)
            if answer.is_result:
                return answer
            if not await on_progress(answer.bytes_done):
                raise AnalysisBroken("nobody wants to know any more")

    async def _why(self, feeding: "asyncio.Task[None]") -> BaseException:
        """What is known of a worker that has ended without a result."""
        code, complaints = await self._child.ended()
        error = feeding.exception() if feeding.done() and not feeding.cancelled() else None
        if error is not None and not isinstance(error, ConnectionError):
            return error  # the bytes could not be read
        how = "was killed, maybe for memory" if code == _KILLED else f"ended with code {code}"
        last = f": {complaints[-1][:_SHOWN]}" if complaints else ""
        return AnalysisBroken(f"its process {how}{last}")


def _base(source: str) -> BaseModel:
    return BaseModel(id=source, source=source)
