"""Direct preference optimisation: learning which of two answers is preferred.

The loss of a pair is -log sigmoid(m), where the margin m is beta times what the model has moved, in
log-probability, towards the preferred answer and away from the other since training began
(Rafailov et al. 2023, "Direct Preference Optimization", arXiv:2305.18290, equation 7):

    m = beta * ((log p(preferred) - log p0(preferred)) - (log p(other) - log p0(other)))

beta * (log p - log p0) is called the implicit reward of an answer. p0 is the model as training
finds it: the base, or the tuned model that the run continues from. It is asked once for each
answer, before the first step. Prompts are not learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from tunesmith_trainer.activations import Activations
from tunesmith_trainer.examples import Encoded, Example, Tokenizer, conversation
from tunesmith_trainer.failures import BadData
from tunesmith_trainer.head import frozen_head_log_probabilities
from tunesmith_trainer.metrics import Sums
from tunesmith_trainer.network import Network
from tunesmith_trainer.records import Chat, Message, Preference, Record
from tunesmith_trainer.scoring import Scorer
from tunesmith_trainer.stop_request import StopRequest

MARGIN_COLUMNS = ("training_reward_margin", "validation_reward_margin")
ROWS = 2
"""Sequences of a pair: the conversation with the preferred answer, and with the other."""


def encode_pairs(records: Sequence[Record], tokenizer: Tokenizer, *, limit: int) -> Encoded:
    """The sequences of pairs, two for each, at most `limit` tokens long: the end goes.

    A pair of which nothing is left that differs is dropped and counted. BadData if none is left.
    """
    encoded = Encoded()
    for record in records:
        assert isinstance(record, Preference)  # read as such
        found = [
            conversation(_chat(record, answer), tokenizer, limit)
            for answer in (record.preferred, record.other)
        ]
        pair = [sequence for sequence, _ in found if sequence is not None]
        if len(pair) < ROWS or pair[0].tokens == pair[1].tokens:
            encoded.dropped += 1
            continue
        encoded.truncated += any(truncated for _, truncated in found)
        encoded.examples += pair
        encoded.records.append(record)
    if not encoded.examples:
        raise BadData(
            "No pair has two answers that differ within max_sequence_length.",
            advice="Shorten the conversations, or raise max_sequence_length.",
        )
    return encoded


def _chat(record: Preference, answer: str) -> Chat:
    """The conversation with this answer, which alone is learnt."""
    given = (replace(message, weight=0.0) for message in record.messages)
    return Chat(record.line, (*given, Message("assistant", answer)))


@dataclass(slots=True)
class PreferenceScore(Sums):
    """Sums over pairs, from which loss, accuracies and margin follow; sums can be added.

    `preferred` counts the pairs whose preferred answer has the higher implicit reward; `tokens` are
    those of the preferred answers, `tokens_right` how many of them were predicted right.
    """

    loss_sum: float = 0.0
    margin_sum: float = 0.0
    pairs: int = 0
    preferred: int = 0
    tokens: int = 0
    tokens_right: int = 0

    @property
    def loss(self) -> float:
        """Mean of -log sigmoid(m), in nats; log 2 for a model that has not moved."""
        return self.loss_sum / self.pairs

    def columns(self, prefix: str) -> dict[str, float]:
        """The cells of `results.csv` under `prefix` (training or validation)."""
        return {
            f"{prefix}_loss": self.loss,
            f"{prefix}_sequence_accuracy": self.preferred / self.pairs,
            f"{prefix}_token_accuracy": self.tokens_right / self.tokens,
            f"{prefix}_reward_margin": self.margin_sum / self.pairs,
        }


class PreferenceScorer(Scorer):
    """Scores pairs: `sequences` has two for each, that of the preferred answer first.

    Asks the model, as it stands, for what it makes of all answers: that is what training moves away
    from, so it must not have been trained yet. Raises Stopped in it if `request` asks for it.
    """

    def __init__(
        self,
        network: Network,
        sequences: Sequence[Example],
        *,
        beta: float,
        activations: Activations | None,
        request: StopRequest,
        tell: Callable[[str], None],
    ) -> None:
        super().__init__(
            network, sequences, rows=ROWS, activations=activations, request=request, tell=tell
        )
        self._beta = beta
        # The positions of the inputs that predict a token of the answer, and these tokens.
        self._answers = [
            (
                [at - 1 for start, end in each.learnt for at in range(start, end)],
                [token for start, end in each.learnt for token in each.tokens[start:end]],
            )
            for each in sequences
        ]
        pairs = range(len(sequences) // ROWS)
        self._start = self._within_memory(pairs, lambda: self._as_found(pairs))

    @torch.no_grad()
    def _as_found(self, pairs: Sequence[int]) -> Tensor:
        """log p0 of every answer: [pairs, 2]."""
        start = torch.zeros(len(pairs), ROWS, device=self._network.device)
        for micro, hidden in self._measuring(pairs):
            start[torch.tensor(micro)] = self._log_probabilities(micro, hidden)[0]
        return start

    def _train(self, batch: Sequence[int]) -> PreferenceScore:
        total = PreferenceScore()
        for micro, hidden in self._learning(batch):
            loss, score = self._loss(micro, hidden)
            (loss / len(batch)).backward()  # type: ignore[no-untyped-call]
            total.add(score)
        return total

    def _evaluate(
        self, numbers: Sequence[int], classes: Sequence[int]
    ) -> tuple[PreferenceScore, dict[int, list[float]]]:
        total = PreferenceScore()
        for micro, hidden in self._measuring(numbers):
            total.add(self._loss(micro, hidden)[1])
        return total, {}

    def _loss(self, micro: Sequence[int], hidden: Tensor) -> tuple[Tensor, PreferenceScore]:
        """The sum of the pairs' losses, differentiable, and their score."""
        found, right = self._log_probabilities(micro, hidden)
        rewards = self._beta * (found - self._start[torch.tensor(micro)])
        margins = rewards[:, 0] - rewards[:, 1]
        loss = functional.softplus(-margins).sum()  # -log sigmoid(m), exact far from 0
        score = PreferenceScore(
            loss_sum=loss.item(),
            margin_sum=margins.sum().item(),
            pairs=len(micro),
            preferred=int((margins > 0).sum()),
            tokens=len(right),
            tokens_right=int(right.sum()),
        )
        return loss, score

    def _log_probabilities(self, micro: Sequence[int], hidden: Tensor) -> tuple[Tensor, Tensor]:
        """log p of the answers of these pairs, [B, 2], and which tokens of the preferred are right.

        `hidden`: [2 B, T, H].
        """
        answers = [self._answers[number * ROWS + row] for number in micro for row in range(ROWS)]
        rows = torch.tensor([row for row, (at, _) in enumerate(answers) for _ in at])
        positions = torch.tensor([place for at, _ in answers for place in at])
        targets = torch.tensor([token for _, tokens in answers for token in tokens])
        device = hidden.device
        found, right = frozen_head_log_probabilities(
            hidden[rows.to(device), positions.to(device)],
            *self._network.head,
            targets.to(device),
        )
        sums = found.new_zeros(len(answers)).index_add(0, rows.to(device), found)
        return sums.view(-1, ROWS), right[(rows % ROWS == 0).to(device)]
