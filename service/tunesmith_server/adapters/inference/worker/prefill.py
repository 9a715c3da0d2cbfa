"""Prompts on their way through the model, a chunk of columns at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tunesmith_server.adapters.inference.worker.base import Base
from tunesmith_server.adapters.inference.worker.job import Row
from tunesmith_server.adapters.inference.worker.lora import Adapter
from tunesmith_server.adapters.inference.worker.sampling import Picked, score_prompt

# Logits of all columns are wanted only to score prompts; this many numbers of them at once.
_SCORED_NUMBERS = 1 << 24


@dataclass(frozen=True, eq=False)
class Waiting:
    """Tokens to compute, and the rows of one job that go on from there."""

    tokens: Sequence[int]
    rows: Sequence[Row]
    score: bool

    @property
    def joins(self) -> bool:
        """Whether a row may need more than the token that the prompt itself yields."""
        return self.rows[0].remaining > 1

    @property
    def over(self) -> bool:
        """Whether nobody wants it any more."""
        return self.rows[0].job.over

    @property
    def adapter(self) -> Adapter | None:
        """Whose rows these are."""
        return self.rows[0].adapter


class Prefill:
    """A group of prompts, aligned at their ends."""

    logits: torch.Tensor  # [items, vocabulary] behind each prompt, when all is computed

    def __init__(self, base: Base, items: Sequence[Waiting], *, chunk_tokens: int) -> None:
        self.items = items
        self.cache = base.new_cache()
        self._base = base
        self._columns = max(len(item.tokens) for item in items)
        self._scores = any(item.score for item in items)
        if self._scores:
            chunk_tokens = min(chunk_tokens, _SCORED_NUMBERS // base.outputs)
        self._chunk = max(1, chunk_tokens // len(items))

    @property
    def rows(self) -> list[Row]:
        """The rows of all items."""
        return [row for item in self.items for row in item.rows]

    @property
    def adapters(self) -> list[Adapter | None]:
        """The adapter of each item."""
        return [item.adapter for item in self.items]

    def advance(self) -> bool:
        """Compute the next chunk; True when all is computed."""
        first = self.cache.columns
        last = min(first + self._chunk, self._columns)
        pads = [self._columns - len(item.tokens) for item in self.items]
        tokens = [
            [item.tokens[column - pad] if column >= pad else 0 for column in range(first, last)]
            for item, pad in zip(self.items, pads, strict=True)
        ]
        logits = self._base.forward(
            tokens,
            lengths=[last - pad for pad in pads],
            cache=self.cache,
            all_logits=self._scores,
        )
        if self._scores:
            for place, pad in enumerate(pads):
                self._score(place, logits[place], first - pad)
        self.logits = logits[:, -1]
        return last == self._columns

    def _score(self, place: int, logits: torch.Tensor, first: int) -> None:
        """Score the tokens that follow those at `first` and behind it, as far as there are any."""
        item = self.items[place]
        if not item.score:
            return
        prompt, count = item.rows[0].prompt, item.rows[0].job.request.logprobs
        begin, end = max(first, 0), min(first + len(logits), len(item.tokens) - 1)
        if not prompt.scores:
            prompt.scores.append(Picked(item.tokens[0], None))
        if begin < end:
            followers = item.tokens[begin + 1 : end + 1]
            prompt.scores += score_prompt(
                logits[begin - first : end - first], followers, count or 0
            )
