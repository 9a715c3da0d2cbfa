"""The training loop: steps, validation, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch

from tunesmith_trainer import checkpoints
from tunesmith_trainer.batches import epoch_batches
from tunesmith_trainer.checkpoints import Checkpoint, CheckpointFolder, Progress
from tunesmith_trainer.classification import classification_metrics
from tunesmith_trainer.events import EventLog
from tunesmith_trainer.failures import Diverged
from tunesmith_trainer.metrics import Score
from tunesmith_trainer.preparation import Prepared
from tunesmith_trainer.results import ResultsFile
from tunesmith_trainer.schedule import learning_rate, steps_per_epoch
from tunesmith_trainer.spec import RunSpec

_HOPELESS_STEPS = 8
_LOWER_THE_RATE = (
    "Lower learning_rate (divide it by 10), or look for examples that make no sense to the model."
)


class TrainingLoop:
    """Takes a prepared run from where it stands to its last step."""

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
        self._prepared = prepared
        self._folder = folder
        self._results = results
        self._events = events
        self._lengths = [len(e.tokens) for e in prepared.examples[: prepared.training_count]]
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
        self.progress = Progress()
        if checkpoint is not None:
            checkpoints.restore(checkpoint, prepared.network, self._optimizer)
            self.progress = checkpoint.progress
            if folder.holds(checkpoint):
                self._saved_step = self.progress.step

    @property
    def epoch(self) -> int:
        """The epoch of the last step, from 1; 0 before the first step."""
        return math.ceil(self.progress.step / self.per_epoch)

    def run(self, pause: Callable[[], None]) -> None:
        """Train to the last step. `pause` is called between steps and may raise to stop."""
        while self.progress.step < self.total:
            epoch = self.progress.step // self.per_epoch + 1
            batches = epoch_batches(
                self._lengths, batch_size=self._wanted.batch_size, seed=self._seed, epoch=epoch
            )
            for batch in batches[self.progress.step % self.per_epoch :]:
                pause()
                self._step(batch)
                step = self.progress.step
                if step % self.per_epoch == 0:
                    self._events.once("epoch", epoch, epoch=epoch, epochs=self._wanted.n_epochs)
                if step == self.total or step % (self._every or self.per_epoch) == 0:
                    self.save()

    def save(self) -> None:
        """Write a checkpoint of this step, unless it has one."""
        step = self.progress.step
        if step == self._saved_step:
            return
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

    def _step(self, batch: list[int]) -> None:
        started = time.perf_counter()
        progress = self.progress
        step = progress.step + 1
        rate = learning_rate(
            step,
            total=self.total,
            warmup_ratio=self._wanted.warmup_ratio,
            peak=self._wanted.learning_rate,
        )
        self._optimizer.zero_grad(set_to_none=True)
        score = self._prepared.scorer.train(batch)
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._wanted.max_grad_norm)
        self._refuse_divergence(step, score, float(norm))
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        tokens = sum(self._lengths[number] for number in batch)
        speed = tokens / (time.perf_counter() - started)
        progress.step = step
        progress.elapsed_tokens += tokens
        progress.elapsed_examples += len(batch)
        row: dict[str, float] = {
            "step": step,
            "elapsed_tokens": progress.elapsed_tokens,
            "elapsed_examples": progress.elapsed_examples,
            **score.columns("training"),
            **self._validation(step),
        }
        self._results.append(row)
        progress.metrics = {**progress.metrics, **row}
        values = {**row, "learning_rate": rate, "tokens_per_second": round(speed, 1)}
        self._events.once("metrics", step, step=step, epoch=self.epoch, values=values)

    def _refuse_divergence(self, step: int, score: Score, norm: float) -> None:
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
            classes = prepared.classes
            score, found = prepared.scorer.evaluate(
                numbers, classes=classes.tokens if classes else ()
            )
            values = score.columns("validation")
            if classes:
                examples = [prepared.examples[number] for number in numbers]
                truth = [example.tokens[example.learnt[0][0]] for example in examples]
                probabilities = [found[number] for number in numbers]
                values |= classification_metrics(classes, truth, probabilities)
            return values
        cadence = max(1, self.total // 20)
        if step % cadence:
            return {}
        size = min(self._wanted.batch_size, len(numbers))
        start = (step // cadence - 1) * size
        batch = [numbers[(start + offset) % len(numbers)] for offset in range(size)]
        return prepared.scorer.evaluate(batch)[0].columns("validation")
