"""The accuracies of the old guide, from teacher-forced predictions.

Both look at completion tokens only; prompts never count. *Token accuracy* is the share of
completion tokens predicted right; *sequence accuracy* the share of completions whose tokens were
all predicted right. With the completions [[1,2],[0,5],[4,2]] and the predictions
[[1,1],[0,5],[4,2]] they are 5/6 and 2/3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self


class Sums:
    """Sums over examples; those of a batch can be added to those of another."""

    __slots__ = ()

    def add(self, other: Self) -> None:
        """Add the sums of `other` to these."""
        for field in fields(self):  # type: ignore[arg-type]  # every kind of sums is a dataclass
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


@dataclass(slots=True)
class Score(Sums):
    """Sums over examples, from which loss and accuracies follow; sums can be added.

    `loss_sum` is sum(w * CE) in nats over predicted tokens, `weight_sum` the sum of their w.
    """

    loss_sum: float = 0.0
    weight_sum: float = 0.0
    tokens: int = 0
    tokens_right: int = 0
    sequences: int = 0
    sequences_right: int = 0

    def count(self, right: Sequence[bool]) -> None:
        """Add one completion, given for each of its tokens whether it was predicted right."""
        self.tokens += len(right)
        self.tokens_right += sum(right)
        self.sequences += 1
        self.sequences_right += all(right)

    @property
    def loss(self) -> float:
        """sum(w * CE) / sum(w), in nats per unit of weight."""
        return self.loss_sum / self.weight_sum

    @property
    def token_accuracy(self) -> float:
        """Share of completion tokens predicted right."""
        return self.tokens_right / self.tokens

    @property
    def sequence_accuracy(self) -> float:
        """Share of completions predicted right from the first token to the last."""
        return self.sequences_right / self.sequences

    def columns(self, prefix: str) -> dict[str, float]:
        """The three cells of `results.csv` under `prefix` (training or validation)."""
        return {
            f"{prefix}_loss": self.loss,
            f"{prefix}_sequence_accuracy": self.sequence_accuracy,
            f"{prefix}_token_accuracy": self.token_accuracy,
        }
