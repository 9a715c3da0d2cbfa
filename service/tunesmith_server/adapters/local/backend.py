"""Training on this machine. Everything it says is read from files and from the process table, so a
server that starts again goes on where the last one was."""

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from tunesmith_trainer import durable

from tunesmith_server.adapters.local.bases import BaseLibrary
from tunesmith_server.adapters.local.environment import worker_environment
from tunesmith_server.adapters.local.folder import AttemptFolder
from tunesmith_server.adapters.local.integrations import TrainerIntegrations
from tunesmith_server.adapters.local.outbox import Outboxes
from tunesmith_server.adapters.local.process import TrainerProcesses, was_started
from tunesmith_server.adapters.local.run_spec import run_spec
from tunesmith_server.domain.catalogue import BUILT_IN
from tunesmith_server.domain.errors import BaseModelUnknown, NotFound, StorageFull, Unavailable
from tunesmith_server.domain.fine_tune import DatasetVersion, FineTune
from tunesmith_server.domain.integrations import IntegrationPolicy
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.domain.observation import Observation, Phase, Report, StopMode
from tunesmith_server.ports import TrainedCheckpoint

log = logging.getLogger(__name__)

_BAD_RUN_SPEC = 2
"""The trainer's exit code for a run.json that it cannot follow; it leaves no outcome then."""
# -P: modules that lie in the run's folder are not ours.
_TRAINER = (sys.executable, "-P", "-m", "tunesmith_trainer")


async def _built_in(id: str) -> BaseModel:
    for base in BUILT_IN:
        if base.id == id:
            return base
    raise BaseModelUnknown.of("base_model", f"there is no base model {id!r}")


class LocalBackend:
    """The Backend port: each attempt is a trainer process with a folder of its own.

    `datasets` gives a version as clean JSONL; `parent_adapter` the folder of a tenant's model, by
    tenant, id and the step of a checkpoint; `catalogue` the entry of a base model, by id. Seconds
    from asking a trainer to
    stop to killing it: `stop_grace`, or `finish_grace` for one that is to finish, which takes a
    look at the whole validation dataset.
    """

    name = "local"

    def __init__(
        self,
        *,
        runs_dir: Path,
        node: str,
        bases: BaseLibrary,
        datasets: Callable[[DatasetVersion], Awaitable[Path]],
        parent_adapter: Callable[[str, str, int | None], Awaitable[Path | None]],
        catalogue: Callable[[str], Awaitable[BaseModel]] = _built_in,
        integrations: TrainerIntegrations | None = None,
        threads: int = 1,
        command: Sequence[str] = _TRAINER,
        memory_limit_bytes: int | None = None,
        stop_grace: float = 30.0,
        finish_grace: float = 900.0,
        orphan_age: float = 60.0,
    ) -> None:
        self.node = node
        self._runs = runs_dir.absolute()
        self._bases = bases
        self._datasets = datasets
        self._parent_adapter = parent_adapter
        self._catalogue = catalogue
        self._integrations = integrations or TrainerIntegrations(IntegrationPolicy())
        self._threads = threads
        self._stop_grace = stop_grace
        self._finish_grace = finish_grace
        self._orphan_age = orphan_age
        self._processes = TrainerProcesses(
            command, worker_environment(threads), memory_limit_bytes=memory_limit_bytes
        )
        self._outboxes = Outboxes()
        self._begun: set[Path] = set()

    async def start(self, run: FineTune) -> None:
        """Start the attempt, or do nothing if it was started before.

        Raises Unavailable and StorageFull; asking again is safe after either.
        """
        folder = self._folder(run)
        if await asyncio.to_thread(was_started, folder):
            return
        resolved = run.resolved
        base = await self._bases.ensure(await self._catalogue(resolved.base_model))
        training = await self._datasets(resolved.training)
        validation = await self._datasets(resolved.validation) if resolved.validation else None
        parent = await self._parent(run)

        def prepare() -> bytes | None:
            self._end_earlier(run)
            integrations = self._integrations.of(run)
            spec = run_spec(
                run,
                base=base,
                training=self._own(run, training),
                validation=self._own(run, validation) if validation else None,
                parent_adapter=parent,
                resume_from=self._resume_from(run),
                threads=self._threads,
                integrations=integrations.specs,
            )
            if any(each.stop_mode() is StopMode.FINISH for each in self._earlier(run)):
                # It was lost before it could: that it shall finish still holds.
                folder.ask_to_stop(StopMode.FINISH)
            durable.replace_json(folder.spec, spec)
            return integrations.handed

        with _translated("started"):
            await asyncio.to_thread(self._processes.start, folder, prepare)

    async def observe(self, run: FineTune) -> Observation:
        """What the files say, and the process table where they are silent."""
        return await asyncio.to_thread(self._observe, self._folder(run))

    async def reports(self, run: FineTune, after: int, limit: int) -> Sequence[Report]:
        """The trainer's reports after a sequence, in order."""
        events = self._folder(run).events
        return await asyncio.to_thread(self._outboxes.read, events, after, limit)

    async def stop(self, run: FineTune, mode: StopMode) -> None:
        """Ask the trainer to stop; one that has not some time after the first request is killed.

        Raises Unavailable and StorageFull if it cannot be asked; a cancel is never in need of that.
        """
        with _translated("asked to stop"):
            await asyncio.to_thread(self._stop, self._folder(run), mode)

    async def discard(self, run: FineTune) -> None:
        """Remove the folders of all attempts, with whatever still works in them killed first."""
        await asyncio.to_thread(self._discard, self._runs / run.uid)

    async def kept(self) -> Sequence[str]:
        """Uids of the runs that have a folder here, but for very young ones."""
        return await asyncio.to_thread(self._kept)

    async def forget(self, uid: str) -> None:
        """Remove a run's folders, with whatever still works in them killed first."""
        await asyncio.to_thread(self._discard, self._runs / uid)

    async def checkpoints(self, run: FineTune) -> Sequence[TrainedCheckpoint]:
        """The checkpoints of all attempts, oldest first; of a step, the latest attempt's."""

        def look() -> list[TrainedCheckpoint]:
            by_step = {
                step: TrainedCheckpoint(step, attempt, folder)
                for attempt in range(1, run.attempt + 1)
                for step, folder in AttemptFolder.of(
                    self._runs / run.uid, attempt
                ).whole_checkpoints()
            }
            return [by_step[step] for step in sorted(by_step)]

        return await asyncio.to_thread(look)

    def model_folder(self, run: FineTune) -> Path:
        """Where the trainer has put the model."""
        return self._folder(run).model

    async def reap(self, active_uids: Sequence[str]) -> Sequence[str]:
        """Stop trainers of runs that are not active; the uids of those.

        Very young ones are left alone: they may be of a run that came after the list was made.
        """
        return await asyncio.to_thread(self._reap, frozenset(active_uids))

    def _folder(self, run: FineTune) -> AttemptFolder:
        return AttemptFolder.of(self._runs / run.uid, run.attempt)

    async def _parent(self, run: FineTune) -> Path | None:
        model = run.resolved.parent_model
        if model is None:
            return None
        try:
            checkpoint = run.resolved.parent_checkpoint
            path = await self._parent_adapter(run.name.tenant, model, checkpoint)
        except NotFound:
            path = None
        # A model that was deleted meanwhile fails the run: the trainer finds nothing there.
        return path or self._runs / run.uid / "parent-model-was-deleted"

    def _own(self, run: FineTune, source: Path) -> Path:
        """The dataset among the run's own files, whatever becomes of `source`."""
        data = self._runs / run.uid / "data"
        own = data / source.name
        if own.exists():
            return own
        data.mkdir(parents=True, exist_ok=True)
        temporary = data / f".{source.name}.{os.getpid()}.tmp"
        temporary.unlink(missing_ok=True)
        try:
            temporary.hardlink_to(source)
        except OSError:  # another file system
            shutil.copyfile(source, temporary)
        return temporary.replace(own)

    def _earlier(self, run: FineTune) -> Iterator[AttemptFolder]:
        """The attempts before this one, the latest first."""
        for attempt in range(run.attempt - 1, 0, -1):
            yield AttemptFolder.of(self._runs / run.uid, attempt)

    def _end_earlier(self, run: FineTune) -> None:
        for earlier in self._earlier(run):
            if not self._processes.kill(earlier):
                raise Unavailable(f"{earlier.path.name} of {run.name} does not end", retry_after=5)

    def _resume_from(self, run: FineTune) -> Path | None:
        return next((each.path for each in self._earlier(run) if each.has_checkpoint()), None)

    def _observe(self, folder: AttemptFolder) -> Observation:
        if ended := folder.ended():
            return ended
        if self._processes.is_alive(folder):
            return Observation(Phase.RUNNING if self._has_begun(folder) else Phase.STARTING)
        if ended := folder.ended():  # it ended between the two looks
            return ended
        if not was_started(folder):
            return Observation(Phase.ABSENT)
        code = self._processes.exit_code(folder)
        words = folder.last_words()
        if code == _BAD_RUN_SPEC:
            return Observation(Phase.FAILED, reason="BAD_RUN_SPEC", message=words)
        return Observation(Phase.LOST, message=": ".join(filter(None, (_cause(code), words))))

    def _has_begun(self, folder: AttemptFolder) -> bool:
        if folder.path not in self._begun and folder.has_begun():
            self._begun.add(folder.path)
        return folder.path in self._begun

    def _stop(self, folder: AttemptFolder, mode: StopMode) -> None:
        if not folder.path.exists():
            return
        try:
            folder.ask_to_stop(mode)
            asked = folder.stop_request.stat().st_mtime
        except FileNotFoundError:
            return  # discarded meanwhile
        except OSError:
            if mode is not StopMode.CANCEL:
                raise
            self._processes.kill(folder)  # nothing that it could still write is needed
            return
        holds = folder.stop_mode() or mode
        grace = self._finish_grace if holds is StopMode.FINISH else self._stop_grace
        if time.time() - asked >= grace:
            if self._processes.is_alive(folder):
                log.warning("trainer_killed folder=%s grace=%g", folder.path, grace)
                self._processes.kill(folder)
        elif holds is StopMode.CANCEL and not folder.listens():
            self._processes.kill(folder)  # it has not begun: there is nothing to end in order
        elif holds is not StopMode.FINISH:  # a signal says no more than "pause"
            self._processes.terminate(folder)

    def _discard(self, run_folder: Path) -> None:
        if not run_folder.exists():
            return
        for folder in AttemptFolder.all(run_folder):
            with contextlib.suppress(OSError):  # a full disk is a reason to discard
                # A start that is under way goes no further.
                folder.ask_to_stop(StopMode.CANCEL)
            if not self._processes.kill(folder):
                log.warning("trainer_does_not_end folder=%s", folder.path)
                return
        shutil.rmtree(run_folder)
        self._processes.forget(run_folder)
        self._outboxes.forget(run_folder)
        self._begun = {path for path in self._begun if not path.is_relative_to(run_folder)}

    def _kept(self) -> list[str]:
        if not self._runs.exists():
            return []
        now = time.time()
        return [
            folder.name
            for folder in sorted(self._runs.iterdir())
            if folder.is_dir() and now - folder.stat().st_mtime >= self._orphan_age
        ]

    def _reap(self, active: frozenset[str]) -> list[str]:
        reaped: list[str] = []
        if not self._runs.exists():
            return reaped
        for run_folder in sorted(self._runs.iterdir()):
            if run_folder.name in active:
                continue
            orphans = [each for each in AttemptFolder.all(run_folder) if self._is_orphan(each)]
            for folder in orphans:
                self._stop(folder, StopMode.CANCEL)
            if orphans:
                reaped.append(run_folder.name)
        return reaped

    def _is_orphan(self, folder: AttemptFolder) -> bool:
        if not self._processes.is_alive(folder):
            return False
        try:
            return time.time() - folder.spec.stat().st_mtime >= self._orphan_age
        except FileNotFoundError:  # it is being started this moment
            return False


def _cause(code: int | None) -> str:
    if code is None:
        return "the trainer is gone without an outcome"
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return "the trainer was killed (signal 9), most likely because memory ran out"
    if code < 0:
        return f"the trainer was ended by signal {-code}"
    return f"the trainer ended with exit code {code} and no outcome"


@contextlib.contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("there is no room for the run on this machine") from error
        raise Unavailable(f"the trainer cannot be {doing}: {error}", retry_after=5) from error
