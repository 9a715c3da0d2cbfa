"""The tokens of a file as a value, and what the context of a model makes of them: arithmetic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, Final

import msgspec

PERCENTILES: Final = (5, 25, 50, 75, 95, 99)


@dataclass(frozen=True)
class Within:
    """What a context of `limit` tokens makes of a file."""

    limit: int
    billable: int
    """Tokens that one epoch trains on."""
    truncated: int
    """Examples that are trained on without their beginning (of a conversation: their end)."""
    dropped: int
    """Examples with nothing to learn in them."""


@dataclass(frozen=True)
class TokenCount:
    """The lengths of all examples of a file in the tokens of one tokenizer.

    Exact, and true for every context: lengths are those before anything is cut.
    """

    example_count: int = 0
    """All that were read, those with nothing to learn in them included."""
    empty_count: int = 0
    """Examples with nothing to learn in them, whatever the context. They have no length here."""
    lengths: tuple[tuple[int, int], ...] = ()
    """(tokens, how many examples are as long), ascending."""
    starts: tuple[tuple[int, int], ...] = ()
    """Of conversations: (tokens before the first that is learnt, how many), ascending. Where those
    alone fill the context, nothing is left to learn; a prompt is cut instead."""
    labels: Mapping[str, tuple[int, ...]] | None = field(default=None)
    """The tokens of each completion, if these look like class labels."""

    @property
    def total(self) -> int:
        """Tokens of all examples, whatever their length."""
        return sum(length * times for length, times in self.lengths)

    @property
    def longest(self) -> int:
        """Tokens of the longest example; 0 if there is none."""
        return self.lengths[-1][0] if self.lengths else 0

    def within(self, limit: int) -> Within:
        """What is left in a context of `limit` tokens, as the trainer cuts."""
        lost = sum(times for start, times in self.starts if start >= limit)
        over = sum(times for length, times in self.lengths if length > limit)
        kept = sum(min(length, limit) * times for length, times in self.lengths)
        # a conversation that is lost was longer than the limit, so it was counted with `limit`
        return Within(limit, kept - lost * limit, over - lost, self.empty_count + lost)

    def percentiles(self) -> dict[int, int]:
        """The length that so many per cent of the examples do not pass (nearest rank)."""
        if not self.lengths:
            return {}
        upto = list(accumulate(times for _, times in self.lengths))
        found = {}
        for percent in PERCENTILES:
            rank = max(1, -(-upto[-1] * percent // 100))
            found[percent] = next(
                length for (length, _), seen in zip(self.lengths, upto, strict=True) if seen >= rank
            )
        return found

    def histogram(self) -> list[tuple[int, int, int]]:
        """(from, below, examples) for bounds of 1, 2 and 5 times powers of ten, without gaps."""
        if not self.lengths:
            return []
        shortest = self.lengths[0][0]
        bounds = [0, 1]
        while bounds[-1] <= self.longest:
            bounds.append(bounds[-1] * 5 // 2 if str(bounds[-1])[0] == "2" else bounds[-1] * 2)
        bars = [[low, high, 0] for low, high in pairwise(bounds)]
        at = 0
        for length, times in self.lengths:
            while length >= bars[at][1]:
                at += 1
            bars[at][2] += times
        return [(low, high, times) for low, high, times in bars if high > shortest]


def encode_count(count: TokenCount) -> dict[str, Any]:
    """The count as plain JSON-able values."""
    encoded: dict[str, Any] = msgspec.to_builtins(count)
    return encoded


def decode_count(encoded: Mapping[str, Any]) -> TokenCount:
    """The count that `encode_count` wrote."""
    return msgspec.convert(encoded, TokenCount)
