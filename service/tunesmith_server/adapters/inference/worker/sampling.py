"""Choosing the next token of each row."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch

from tunesmith_server.domain.completion import CompletionRequest

# What the old API said instead of minus infinity, which JSON does not have.
LEAST_LOGPROB = -9999.0
_LIKELIEST = 256


@dataclass(frozen=True)
class Picked:
    """A token with its log-probability, and the likeliest in its place if these were asked for."""

    token: int
    logprob: float | None
    top: tuple[tuple[int, float], ...] | None = None


@dataclass
class Sampler:
    """How one row chooses: its request's parameters, what it has chosen, and its random numbers."""

    request: CompletionRequest
    seed: int
    counts: Counter[int] = field(default_factory=Counter)

    @cached_property
    def generator(self) -> torch.Generator:
        """Its own: what others draw does not matter."""
        return torch.Generator().manual_seed(self.seed)

    @property
    def plain(self) -> bool:
        """Whether the likeliest token is the answer."""
        return self.request.temperature == 0 and not (self.request.logit_bias or self._penalised)

    @property
    def _penalised(self) -> bool:
        return bool(self.request.presence_penalty or self.request.frequency_penalty)

    def choose(self, logits: torch.Tensor) -> int:
        """A token by these logits of one row, which stay as they are."""
        request = self.request
        scores = logits.double()  # a copy; exact enough that order of summing does not matter
        if self._penalised and self.counts:
            tokens = torch.tensor(list(self.counts), device=logits.device)
            times = torch.tensor(list(self.counts.values()), device=logits.device).double()
            scores[tokens] -= request.presence_penalty + request.frequency_penalty * times
        for token, bias in request.logit_bias.items():
            scores[token] += bias
        if request.temperature == 0:
            return int(scores.argmax())
        probabilities = ((scores - scores.max()) / request.temperature).exp()
        probabilities /= probabilities.sum()
        if request.top_p < 1:
            probabilities = nucleus(probabilities, request.top_p)
        # One number a token, whatever the size of the vocabulary and whoever else is in the batch.
        # By the inverse of the distribution, in the order of token ids: logits that differ by
        # rounding then give another token only if the number falls on a border.
        number = torch.rand((), generator=self.generator, dtype=torch.float64).item()
        heights = probabilities.cumsum(0)
        token = int(torch.searchsorted(heights, heights[-1] * number, right=True))
        return min(token, int(probabilities.nonzero()[-1]))


def nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """The fewest likeliest tokens that together have `top_p`, at least one; zero for the others."""
    likeliest = torch.topk(probabilities, min(_LIKELIEST, len(probabilities)))
    if likeliest.values.sum() < top_p:  # rare: sorting all costs more than the rest of the choice
        likeliest = torch.topk(probabilities, len(probabilities))
    before = likeliest.values.cumsum(0) - likeliest.values
    kept = likeliest.indices[before < top_p] if top_p > 0 else likeliest.indices[:1]
    return torch.zeros_like(probabilities).index_copy_(0, kept, probabilities[kept])


def pick(logits: torch.Tensor, samplers: Sequence[Sampler]) -> list[Picked | None]:
    """The next token of each row [rows, vocabulary]; None where the logits are not numbers."""
    totals = torch.logsumexp(logits, dim=-1)
    sound = torch.isfinite(totals).tolist()
    tokens: list[int] = logits.argmax(dim=-1).tolist()
    for row, sampler in enumerate(samplers):
        if sound[row] and not sampler.plain:
            tokens[row] = sampler.choose(logits[row])
    asked = [sampler.request.logprobs for sampler in samplers]
    scored = score(logits, totals, tokens, max((count or 0 for count in asked), default=0))
    picked: list[Picked | None] = []
    for row, sampler in enumerate(samplers):
        if not sound[row]:
            picked.append(None)
            continue
        sampler.counts[tokens[row]] += 1
        picked.append(_limited(scored[row], asked[row]))
    return picked


def score(
    logits: torch.Tensor, totals: torch.Tensor, tokens: Sequence[int], most: int
) -> list[Picked]:
    """These tokens [rows] with their log-probabilities and the `most` likeliest in their places."""
    chosen = logits.gather(1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0] - totals
    tops: list[list[tuple[int, float]]] = [[] for _ in tokens]
    if most:
        likeliest = torch.topk(logits, most)
        values = (likeliest.values - totals[:, None]).tolist()
        tops = [
            list(zip(ids, map(_floored, row), strict=True))
            for ids, row in zip(likeliest.indices.tolist(), values, strict=True)
        ]
    return [
        Picked(token, _floored(logprob), tuple(top))
        for token, logprob, top in zip(tokens, chosen.tolist(), tops, strict=True)
    ]


def _limited(picked: Picked, count: int | None) -> Picked:
    """As many of the likeliest as were asked for, and the chosen one."""
    if count is None or picked.logprob is None:
        return Picked(picked.token, picked.logprob)
    top = (picked.top or ())[:count]
    if all(token != picked.token for token, _ in top):
        top += ((picked.token, picked.logprob),)
    return Picked(picked.token, picked.logprob, top)


def score_prompt(logits: torch.Tensor, tokens: Sequence[int], count: int) -> list[Picked]:
    """The tokens of a prompt as if they had been chosen, by the logits before each of them."""
    scored = score(logits, torch.logsumexp(logits, dim=-1), tokens, count)
    return [_limited(picked, count) for picked in scored]


def _floored(logprob: float) -> float:
    return max(logprob, LEAST_LOGPROB) if logprob == logprob else LEAST_LOGPROB
