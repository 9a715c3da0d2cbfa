"""Running examples through the network and scoring what it predicts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from tunesmith_trainer.activations import Activations, padded
from tunesmith_trainer.batches import TOKEN_BUDGET, micro_batches
from tunesmith_trainer.examples import Example
from tunesmith_trainer.failures import OutOfMemory, is_out_of_memory
from tunesmith_trainer.head import frozen_head_loss
from tunesmith_trainer.metrics import Score
from tunesmith_trainer.network import Network
from tunesmith_trainer.stop_request import StopRequest

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Targets:
    """The predictions of one example that count: all lists have one entry per such prediction.

    `positions` are those of the *input* (a token is predicted at the position before it).
    """

    positions: list[int]
    tokens: list[int]
    weights: list[float]
    learnt: list[bool]


class Scores(Protocol):
    """Sums over examples, from which the cells of `results.csv` follow; sums can be added."""

    @property
    def loss(self) -> float: ...  # noqa: D102

    def columns(self, prefix: str) -> dict[str, float]: ...  # noqa: D102


class Scorer(ABC):
    """Scores examples by their number, through the cached lower layers where there are such.

    What an example is, what is computed of it and what it is scored by is the method's: supervised
    here, preferences in `preferences.py`. `sequences` are the token sequences that run through the
    network, `rows` of them, one after the other, for each example.

    `request` is looked at before each micro-batch, as a batch or a validation file can take
    minutes: a cancel ends either with Cancelled, a pause ends an evaluation with Stopped.

    `budget` is how many padded tokens a micro-batch has at most. Where memory runs out it is
    lowered, `tell` is told so, and the work is done again; OutOfMemory if a single example is too
    much. It bounds memory and not the result, but for the last bits.
    """

    def __init__(
        self,
        network: Network,
        sequences: Sequence[Example],
        *,
        rows: int,
        activations: Activations | None,
        request: StopRequest,
        tell: Callable[[str], None],
    ) -> None:
        self._network = network
        self._activations = activations
        self._request = request
        self._tell = tell
        self._rows = rows
        self.budget = TOKEN_BUDGET
        self._inputs = [sequence.tokens[:-1] for sequence in sequences]
        # Of an example, as padded: its longest sequence.
        self._lengths = [
            max(map(len, self._inputs[at : at + rows])) for at in range(0, len(sequences), rows)
        ]

    def train(self, numbers: Iterable[int]) -> Scores:
        """Score the batch `numbers` and add the gradient of its loss to the adapter's.

        The loss is a mean over the whole batch whose divisor is known before the first micro-batch,
        so cutting the batch differently gives the same step.
        """
        batch = list(numbers)
        return self._within_memory(batch, lambda: self._train(batch))

    @torch.no_grad()
    def evaluate(
        self, numbers: Iterable[int], *, classes: Sequence[int] = ()
    ) -> tuple[Scores, dict[int, list[float]]]:
        """Score `numbers` without training.

        With `classes` (token ids) also, per example, their probabilities as first completion
        token, by the softmax over the whole vocabulary.
        """
        chosen = list(numbers)
        return self._within_memory(chosen, lambda: self._evaluate(chosen, classes))

    @abstractmethod
    def _train(self, batch: Sequence[int]) -> Scores: ...

    @abstractmethod
    def _evaluate(
        self, numbers: Sequence[int], classes: Sequence[int]
    ) -> tuple[Scores, dict[int, list[float]]]: ...

    def _learning(self, batch: Sequence[int]) -> Iterator[tuple[Sequence[int], Tensor]]:
        """The batch in micro-batches, each with its final hidden states, to be learnt from."""
        self._network.train(True)
        for micro in self._cut(batch):
            self._request.raise_if_cancelled()
            yield micro, self._hidden(micro)

    def _measuring(self, numbers: Sequence[int]) -> Iterator[tuple[Sequence[int], Tensor]]:
        """As `_learning`, to be looked at alone."""
        self._network.train(False)
        for micro in self._cut(numbers):
            self._request.raise_if_asked()
            yield micro, self._hidden(micro)

    def _cut(self, numbers: Sequence[int]) -> list[list[int]]:
        return micro_batches(numbers, self._lengths, budget=self.budget // self._rows)

    def _within_memory(self, numbers: Sequence[int], work: Callable[[], _Result]) -> _Result:
        """What `work` gives, begun again with smaller micro-batches whenever memory runs out."""
        random_state = torch.get_rng_state()
        on_gpu = self._network.device.type == "cuda"
        gpu_state = torch.cuda.get_rng_state() if on_gpu else None
        while True:
            try:
                return work()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            # Only here, behind the except block: until then its frames hold the tensors.
            for parameter in self._network.trainable.values():
                parameter.grad = None
            torch.set_rng_state(random_state)  # dropout draws again what it drew
            if gpu_state is not None:
                torch.cuda.set_rng_state(gpu_state)
                torch.cuda.empty_cache()
            self._lower_budget(numbers)

    def _lower_budget(self, numbers: Sequence[int]) -> None:
        rows, longest = max(
            (
                (len(micro), max(self._lengths[number] for number in micro))
                for micro in self._cut(numbers)
            ),
            key=lambda shape: (shape[0] * shape[1], shape[0]),
        )
        if rows == 1:
            raise OutOfMemory(
                f"Not even one example of {longest} tokens fits into the memory there is.",
                advice="Lower max_sequence_length, train fewer layers, or shorten the examples.",
            )
        computed = rows * longest * self._rows
        self.budget = computed // 2
        self._tell(
            f"Memory ran out at {computed} tokens computed at a time; from here on it is"
            f" {self.budget} at most. Steps take longer, and their last bits may differ."
        )

    def _hidden(self, micro: Sequence[int]) -> Tensor:
        sequences = [number * self._rows + row for number in micro for row in range(self._rows)]
        if self._activations is not None:
            return self._network.upper(self._activations.batch(sequences))
        tokens = padded([self._inputs[number] for number in sequences])
        return self._network.whole(tokens.to(self._network.device))


class SupervisedScorer(Scorer):
    """Cross entropy of what comes next, of completions alone or with a part of the prompts.

    The loss is sum(w * CE) / sum(w) over the batch.
    """

    def __init__(
        self,
        network: Network,
        examples: Sequence[Example],
        *,
        prompt_weight: float,
        activations: Activations | None,
        request: StopRequest,
        tell: Callable[[str], None],
    ) -> None:
        super().__init__(
            network, examples, rows=1, activations=activations, request=request, tell=tell
        )
        self._targets = [_targets(example, prompt_weight) for example in examples]
        # Where the first completion token is predicted.
        self._first = [example.learnt[0][0] - 1 for example in examples]

    def _train(self, batch: Sequence[int]) -> Score:
        divisor = sum(sum(self._targets[number].weights) for number in batch)
        total = Score()
        for micro, hidden in self._learning(batch):
            loss, score = self._loss(micro, hidden)
            (loss / divisor).backward()  # type: ignore[no-untyped-call]
            total.add(score)
        return total

    def _evaluate(
        self, numbers: Sequence[int], classes: Sequence[int]
    ) -> tuple[Score, dict[int, list[float]]]:
        total = Score()
        probabilities: dict[int, list[float]] = {}
        for micro, hidden in self._measuring(numbers):
            total.add(self._loss(micro, hidden)[1])
            if classes:
                first = torch.tensor([self._first[number] for number in micro])
                rows = hidden[torch.arange(len(micro)), first]
                logits = torch.nn.functional.linear(rows, *self._network.head).float()
                chosen = logits.softmax(dim=-1)[:, list(classes)]
                probabilities.update(zip(micro, chosen.tolist(), strict=True))
        return total, probabilities

    def _loss(self, micro: Sequence[int], hidden: Tensor) -> tuple[Tensor, Score]:
        """sum(w * CE) of the micro-batch, differentiable, and its score."""
        targets = [self._targets[number] for number in micro]
        rows = [row for row, each in enumerate(targets) for _ in each.positions]
        positions = [position for each in targets for position in each.positions]
        tokens = [token for each in targets for token in each.tokens]
        weights = [weight for each in targets for weight in each.weights]
        device = hidden.device
        loss, right = frozen_head_loss(
            hidden[torch.tensor(rows, device=device), torch.tensor(positions, device=device)],
            *self._network.head,
            torch.tensor(tokens, device=device),
            torch.tensor(weights, device=device),
        )
        score = Score(loss_sum=loss.item(), weight_sum=sum(weights))
        flags = iter(right.tolist())
        for each in targets:
            marked = [(next(flags), learnt) for learnt in each.learnt]
            score.count([flag for flag, learnt in marked if learnt])
        return loss, score


def _targets(example: Example, prompt_weight: float) -> _Targets:
    learnt = [False] * len(example.tokens)
    for start, end in example.learnt:
        learnt[start:end] = [True] * (end - start)
    weights = example.weights(prompt_weight)
    chosen = [at for at, weight in enumerate(weights) if weight > 0]
    return _Targets(
        positions=[at - 1 for at in chosen],
        tokens=[example.tokens[at] for at in chosen],
        weights=[weights[at] for at in chosen],
        learnt=[learnt[at] for at in chosen],
    )
