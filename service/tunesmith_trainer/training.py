"""One run from its spec to its outcome."""

from __future__ import annotations

import logging
import resource
import shutil
import time
import traceback
from contextlib import ExitStack, suppress
from typing import Any

import torch

from tunesmith_trainer.base import LoadedBase
from tunesmith_trainer.checkpoints import Checkpoint, CheckpointFolder, latest_checkpoint
from tunesmith_trainer.events import EventLog
from tunesmith_trainer.export import export_model
from tunesmith_trainer.failures import (
    EXIT_CODES,
    SUCCESS,
    BadRunSpec,
    Cancelled,
    Reason,
    RunFailure,
    Status,
    classified,
)
from tunesmith_trainer.integrations.handed import Handed
from tunesmith_trainer.integrations.processes import END_SECONDS, STOP_SECONDS, Integrations
from tunesmith_trainer.loop import EarlyEnd, TrainingLoop
from tunesmith_trainer.preparation import Prepared, prepare
from tunesmith_trainer.results import ResultsFile
from tunesmith_trainer.rundir import RunDirectory
from tunesmith_trainer.spec import RunSpec
from tunesmith_trainer.stop_request import StopRequest

log = logging.getLogger(__name__)


class Run:
    """One attempt at a run, in a directory whose lock is held."""

    def __init__(
        self,
        spec: RunSpec,
        directory: RunDirectory,
        stop: StopRequest,
        *,
        loaded: LoadedBase | None = None,
        handed: Handed | None = None,
    ) -> None:
        self._spec = spec
        self._directory = directory
        self._stop = stop
        self._loaded = loaded
        self._handed = handed
        self._started = time.monotonic()
        self._loop: TrainingLoop | None = None
        self._prepared: Prepared | None = None

    def execute(self) -> int:
        """Run to the end, whatever it is; write the outcome and give the exit code."""
        torch.set_num_threads(self._spec.threads)
        events = EventLog(self._directory.events)
        integrations = Integrations(self._spec, self._directory.path, events, self._handed)
        try:
            with ExitStack() as open_files:
                early = self._train(events, open_files)
            self._stop.raise_if_cancelled()
            outcome = self._outcome(Status.SUCCEEDED, model=self._export(), early=early)
            code = SUCCESS
        except BaseException as error:
            failure = classified(error)
            if failure.reason in {Reason.INTERNAL, Reason.OUT_OF_MEMORY}:
                log.error("%s", _trace(error))
            if failure.reason is Reason.BAD_RUN_SPEC:
                raise failure from error  # nothing has been trained, so there is no outcome
            failure = self._wind_up(failure)
            status = Status.STOPPED if failure.reason is Reason.STOPPED else Status.FAILED
            outcome = self._outcome(status, failure)
            code = EXIT_CODES[failure.reason]
        waits = STOP_SECONDS if outcome["status"] is Status.STOPPED else END_SECONDS
        integrations.end(outcome, seconds=waits)
        # The event comes first: whoever sees the outcome finds the log complete. If the disk is
        # full, the exit code still tells.
        with suppress(OSError):
            told = ("status", "reason", "message", "advice", "stopped_at")
            events.once("completed", 0, **{key: outcome[key] for key in told})
            events.close()
        try:
            self._directory.write_outcome(outcome)
        except OSError as error:
            log.error("outcome.json cannot be written: %s", error.strerror)
            return EXIT_CODES[classified(error).reason]
        return code

    def _train(self, events: EventLog, open_files: ExitStack) -> EarlyEnd | None:
        spec, directory = self._spec, self._directory
        folder = CheckpointFolder(directory.checkpoints, keep=spec.checkpoints.keep)
        prepared = self._prepared = prepare(
            spec,
            directory.path,
            events,
            loaded=self._loaded,
            request=self._stop,
        )
        checkpoint = self._checkpoint(prepared, events)
        results = ResultsFile(
            directory.results,
            prepared.columns,
            content=checkpoint.results if checkpoint else None,
        )
        open_files.callback(results.close)
        loop = self._loop = TrainingLoop(
            spec, prepared, folder, results, events, checkpoint=checkpoint
        )
        events.append(
            "prepared",
            device=prepared.environment["device"],
            threads=spec.threads,
            trainable_parameters=sum(p.numel() for p in prepared.network.trainable.values()),
            training_examples=prepared.training_count,
            validation_examples=len(prepared.validation),
            total_steps=loop.total,
            epochs=spec.hyperparameters.n_epochs,
            truncated_examples=prepared.truncated,
            dropped_examples=prepared.dropped,
            start_step=loop.progress.step,
        )
        return loop.run(self._stop)

    def _checkpoint(self, prepared: Prepared, events: EventLog) -> Checkpoint | None:
        """The checkpoint to go on from: this directory's own before that of `resume_from`."""
        for source in (self._directory.path, self._spec.resume_from):
            if source is None:
                continue
            checkpoint, damaged = latest_checkpoint(source)
            for path in damaged:
                events.message(
                    f"Checkpoint {path.name} is damaged and was not used.", level="warning"
                )
                if path.parent == self._directory.checkpoints:
                    shutil.rmtree(path)
            if checkpoint is None:
                if source == self._spec.resume_from:
                    events.message("There is no checkpoint to resume from; starting afresh.")
                continue
            differing = _differences(checkpoint.identity, prepared.identity)
            if differing:
                raise BadRunSpec(
                    f"resume_from: the checkpoint {checkpoint.path} is of another run: it differs"
                    f" in {', '.join(differing)}"
                )
            changed = _differences(checkpoint.environment, prepared.environment)
            if changed:
                events.message(
                    f"Resumed with another {', '.join(changed)}: the last bits may differ.",
                    level="warning",
                )
            events.message(f"Resumed from step {checkpoint.progress.step}.")
            return checkpoint
        return None

    def _wind_up(self, failure: RunFailure) -> RunFailure:
        """After a request to pause, keep what has been learnt: write a checkpoint, and no more."""
        paused = failure.reason is Reason.STOPPED and not isinstance(failure, Cancelled)
        if not paused or not self._loop or not self._loop.progress.step:
            return failure
        try:
            self._loop.save()
            return failure
        except Exception as error:
            log.error("%s", _trace(error))
            return classified(error)

    def _export(self) -> dict[str, Any]:
        prepared = self._prepared
        assert prepared is not None  # there is no model before the run is prepared
        return export_model(
            self._directory.model, self._spec, prepared.network, prepared.base, stop=prepared.stop
        )

    def _outcome(
        self,
        status: Status,
        failure: RunFailure | None = None,
        *,
        model: dict[str, Any] | None = None,
        early: EarlyEnd | None = None,
    ) -> dict[str, Any]:
        progress = self._loop.progress if self._loop else None
        end = failure or early
        return {
            "status": status,
            "reason": failure.reason if failure else None,
            "message": end.message if end else "The run succeeded.",
            "advice": failure.advice if failure else None,
            "stopped_at": early.stopped_at if early else None,
            "trained_tokens": progress.elapsed_tokens if progress else 0,
            "steps": progress.step if progress else 0,
            "epochs": self._loop.progress.step / self._loop.per_epoch if self._loop else 0.0,
            "model": model,
            "metrics": progress.metrics if progress else {},
            "peak_memory_bytes": _peak_memory(),
            "seconds": round(time.monotonic() - self._started, 3),
            "training_seconds": round(progress.seconds, 3) if progress else 0.0,
        }


def _trace(error: BaseException) -> str:
    """Where `error` comes from, without its text, which may quote training data."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{type(error).__name__} at\n{frames}"


def _differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    return sorted(key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key))


def _peak_memory() -> int:
    """The largest resident set of this process so far, in bytes, and the GPU's where it is used."""
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts kilobytes
    return resident + (torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0)
