"""The training loop: steps, validation, checkpoints, and the ways to end before the last step."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import torch

from tunesmith_trainer import checkpoints
from tunesmith_trainer.batches import epoch_batches
from tunesmith_trainer.checkpoints import Checkpoint, CheckpointFolder, Progress
from tunesmith_trainer.classification import classification_metrics
from tunesmith_trainer.events import EventLog
from tunesmith_trainer.failures import Diverged, NothingLearnt
from tunesmith_trainer.limits import Boundary, StoppedAt, cause, ending, nothing_learnt
from tunesmith_trainer.preparation import Prepared
from tunesmith_trainer.results import ResultsFile
from tunesmith_trainer.schedule import learning_rate, steps_per_epoch
from tunesmith_trainer.scoring import Scores
from tunesmith_trainer.spec import RunSpec
from tunesmith_trainer.stop_request import StopMode, StopRequest

_HOPELESS_STEPS = 8
_LOWER_THE_RATE = (
    "Lower learning_rate (divide it by 10), or look for examples that make no sense to the model."
)


@dataclass(frozen=True, slots=True)
class EarlyEnd:
    """Training ended well before its last step: by what, and in words for people."""

    stopped_at: StoppedAt
    message: str


class TrainingLoop:
    """Takes a prepared run from where it stands to its last step, or to where it has to end."""

    def __init__(
        self,
        spec: RunSpec,
        prepared: Prepared,
        folder: CheckpointFolder,
        results: ResultsFile,
        events: EventLog,
        *,
        checkpoint: Checkpoint | None,
    ) -> None:
        self._wanted = spec.hyperparameters
        self._seed = spec.seed
        self._every = spec.checkpoints.every_steps
        self._limits = spec.limits
        self._prepared = prepared
        self._folder = folder
        self._results = results
        self._events = events
        self._lengths = prepared.lengths[: prepared.training_count]
        self.per_epoch = steps_per_epoch(prepared.training_count, self._wanted.batch_size)
        self.total = self.per_epoch * self._wanted.n_epochs
        self._parameters = list(prepared.network.trainable.values())
        self._optimizer = torch.optim.AdamW(
            self._parameters,
            lr=self._wanted.learning_rate,
            weight_decay=self._wanted.weight_decay,
            fused=True,  # one kernel for the many small matrices of an adapter
        )
        # Twice the cross entropy of a uniform guess: no data does that, a blown-up adapter does.
        self._hopeless = 2 * math.log(prepared.network.head[0].shape[0])
        self._saved_step = 0
        self._began: float | None = None
        self._speed: float | None = None
        self.progress = Progress()
        if checkpoint is not None:
            checkpoints.restore(checkpoint, prepared.network, self._optimizer)
            self.progress = checkpoint.progress
            prepared.scorer.budget = self.progress.token_budget
            if folder.holds(checkpoint):
                self._saved_step = self.progress.step

    @property
    def epoch(self) -> int:
        """The epoch of the last step, from 1; 0 before the first step."""
        return math.ceil(self.progress.step / self.per_epoch)

    def run(self, request: StopRequest) -> EarlyEnd | None:
        """Train to the last step, or up to the step that a limit or a request to finish forbids.

        Raises Stopped between steps or in a measurement, and Cancelled also within a step, if
        `request` asks for it; NothingLearnt if not even the first step may be taken.
        """
        self._began = time.monotonic() - self.progress.seconds
        if self.progress.owed is not None:
            self._account()
        while self.progress.step < self.total:
            epoch = self.progress.step // self.per_epoch + 1
            batches = epoch_batches(
                self._lengths, batch_size=self._wanted.batch_size, seed=self._seed, epoch=epoch
            )
            for batch in batches[self.progress.step % self.per_epoch :]:
                request.raise_if_asked()
                early = self._early_end(batch, finish=request.mode is StopMode.FINISH)
                if early is not None:
                    self._conclude(early)
                    return early
                self._step(batch)
                self._account()
        return None

    def save(self) -> None:
        """Write a checkpoint of this step; if it has one, only set its clock."""
        step = self.progress.step
        self._count_time()
        if step == self._saved_step:
            self._folder.set_clock(self.progress)
            return
        self.progress.token_budget = self._prepared.scorer.budget
        written = self._folder.write(
            self.progress,
            self._prepared.network,
            self._optimizer,
            identity=self._prepared.identity,
            environment=self._prepared.environment,
            results=self._results.content(),
        )
        self._saved_step = step
        self._events.once(
            "checkpoint",
            step,
            step=step,
            path=f"checkpoints/{written.path.name}",
            size_bytes=written.size_bytes,
            digest=written.digest,
            metrics=self.progress.metrics,
        )

    def _count_time(self) -> None:
        if self._began is not None:
            self.progress.seconds = time.monotonic() - self._began

    def _early_end(self, batch: list[int], *, finish: bool) -> EarlyEnd | None:
        """What forbids the step with `batch`, if anything does."""
        self._count_time()
        at = Boundary(
            tokens=self.progress.elapsed_tokens,
            next_tokens=self._tokens(batch),
            seconds=self.progress.seconds,
            finish_requested=finish,
        )
        stopped_at = ending(self._limits, at)
        if stopped_at is None:
            return None
        if self.progress.step == 0:
            message, advice = nothing_learnt(stopped_at, self._limits, at)
            raise NothingLearnt(message, advice=advice)
        return EarlyEnd(
            stopped_at,
            f"Training ended at step {self.progress.step} of {self.total}:"
            f" {cause(stopped_at, self._limits, at)}. What was learnt so far is the model.",
        )

    def _conclude(self, early: EarlyEnd) -> None:
        """Leave the run as its last step would have: with a checkpoint and a whole measurement."""
        self.save()  # first: measuring takes long, and a kill in it shall cost no step
        self._events.message(early.message, level="warning")
        step = self.progress.step
        if step % self.per_epoch == 0 or not self._prepared.validation:
            return  # its row has all there is
        row = {column: self.progress.metrics[column] for column in self._prepared.training_columns}
        row |= self._whole_validation()
        self._results.replace_last(row)
        self.progress.metrics = {**self.progress.metrics, **row}
        # Told again: of two events about one step the later holds.
        self._events.append("metrics", **self._measured(row))

    def _measured(self, row: dict[str, float]) -> dict[str, Any]:
        """The fields of the event that tells of this step."""
        step = self.progress.step
        values = {**row, "learning_rate": self._rate(step)}
        if self._speed is not None:
            values["tokens_per_second"] = round(self._speed, 1)
        return {"step": step, "epoch": self.epoch, "values": values}

    def _tokens(self, batch: list[int]) -> int:
        return sum(self._lengths[number] for number in batch)

    def _rate(self, step: int) -> float:
        return learning_rate(
            step,
            total=self.total,
            warmup_ratio=self._wanted.warmup_ratio,
            peak=self._wanted.learning_rate,
        )

    def _step(self, batch: list[int]) -> None:
        """Learn from `batch`. The step has its row and all else only after `_account`."""
        started = time.perf_counter()
        progress = self.progress
        step = progress.step + 1
        self._optimizer.zero_grad(set_to_none=True)
        score = self._prepared.scorer.train(batch)
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._wanted.max_grad_norm)
        self._refuse_divergence(step, score, float(norm))
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate(step)
        self._optimizer.step()
        tokens = self._tokens(batch)
        self._speed = tokens / (time.perf_counter() - started)
        progress.step = step
        progress.elapsed_tokens += tokens
        progress.elapsed_examples += len(batch)
        progress.owed = {
            "step": step,
            "elapsed_tokens": progress.elapsed_tokens,
            "elapsed_examples": progress.elapsed_examples,
            **score.columns("training"),
        }

    def _account(self) -> None:
        """Measure the step that was taken, write its row, tell of it, and save where it is due."""
        progress = self.progress
        step = progress.step
        row = {**(progress.owed or {}), **self._validation(step)}
        self._results.append(row)
        progress.owed = None
        progress.metrics = {**progress.metrics, **row}
        self._events.once("metrics", step, **self._measured(row))
        if step % self.per_epoch == 0:
            self._events.once("epoch", self.epoch, epoch=self.epoch, epochs=self._wanted.n_epochs)
        if step == self.total or step % (self._every or self.per_epoch) == 0:
            self.save()

    def _refuse_divergence(self, step: int, score: Scores, norm: float) -> None:
        if not (math.isfinite(score.loss) and math.isfinite(norm)):
            raise Diverged(
                f"At step {step} the loss or its gradient is not a number any more.",
                advice=_LOWER_THE_RATE,
            )
        # An adapter that ran away can overflow inside a normalisation, which makes of it zeros: the
        # loss stays at a guess's, and not a bit of gradient is left to come back by.
        if norm == 0 and score.loss > 1e-3:
            raise Diverged(
                f"At step {step} the gradient has vanished at a loss of {score.loss:.1f}: the"
                " adapter has run away.",
                advice=_LOWER_THE_RATE,
            )
        hopeless = score.loss > self._hopeless
        self.progress.hopeless_steps = self.progress.hopeless_steps + 1 if hopeless else 0
        if self.progress.hopeless_steps >= _HOPELESS_STEPS:
            raise Diverged(
                f"At step {step} the loss is {score.loss:.1f}, far worse than guessing, for"
                f" {_HOPELESS_STEPS} steps in a row.",
                advice=_LOWER_THE_RATE,
            )

    def _validation(self, step: int) -> dict[str, float]:
        """The validation cells of this step.

        At the end of an epoch the whole validation file, with the classification metrics; 20
        times a run one batch of it, each time the next.
        """
        prepared = self._prepared
        numbers = prepared.validation
        if not numbers:
            return {}
        if step % self.per_epoch == 0:
            return self._whole_validation()
        cadence = max(1, self.total // 20)
        if step % cadence:
            return {}
        size = min(self._wanted.batch_size, len(numbers))
        start = (step // cadence - 1) * size
        batch = [numbers[(start + offset) % len(numbers)] for offset in range(size)]
        return prepared.scorer.evaluate(batch)[0].columns("validation")

    def _whole_validation(self) -> dict[str, float]:
        """The cells of the whole validation file, with the classification metrics."""
        prepared = self._prepared
        numbers, classes = prepared.validation, prepared.classes
        score, found = prepared.scorer.evaluate(numbers, classes=classes.tokens if classes else ())
        values = score.columns("validation")
        if classes:
            probabilities = [found[number] for number in numbers]
            values |= classification_metrics(classes, prepared.truth, probabilities)
        return values
