"""The choice of one token."""

from collections import Counter

import pytest
import torch
from tunesmith_server.adapters.inference.worker.sampling import Sampler, nucleus, pick
from tunesmith_server.domain.completion import CompletionRequest


def test_a_nucleus_is_the_fewest_tokens_that_reach_the_share():
    probabilities = torch.tensor([0.1, 0.5, 0.15, 0.25], dtype=torch.float64)
    for share, kept in (
        (0.0, {1}),
        (0.5, {1}),
        (0.51, {1, 3}),
        (0.8, {1, 2, 3}),
        (1.0, {*range(4)}),
    ):
        assert set(nucleus(probabilities, share).nonzero().flatten().tolist()) == kept


def test_a_nucleus_wider_than_the_short_list_is_whole():
    probabilities = torch.full((1000,), 0.001, dtype=torch.float64)
    assert int((nucleus(probabilities, 0.6) > 0).sum()) == pytest.approx(600, abs=1)


def test_samples_follow_the_distribution():
    logits = torch.tensor([0.0, 1.0, 2.0])
    sampler = Sampler(CompletionRequest(prompts=("x",), temperature=0.5), seed=1)
    times = Counter(sampler.choose(logits) for _ in range(4000))
    wanted = torch.softmax(logits / 0.5, dim=0)
    for token in range(3):
        assert times[token] / 4000 == pytest.approx(wanted[token].item(), abs=0.03)


def test_rounding_in_the_logits_does_not_change_a_sample():
    logits = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    request = CompletionRequest(prompts=("x",), top_p=0.95)
    exact, rounded = Sampler(request, seed=3), Sampler(request, seed=3)
    noise = torch.randn(1000) * 1e-6
    same = sum(exact.choose(logits) == rounded.choose(logits + noise) for _ in range(500))
    assert same >= 499


def test_penalties_count_what_was_chosen():
    request = CompletionRequest(
        prompts=("x",), temperature=0, presence_penalty=1.0, frequency_penalty=0.5
    )
    sampler = Sampler(request, seed=0)
    logits = torch.tensor([[3.0, 2.0, 0.0]])
    # 3.0 -> 1.5 behind one choice; 2.0 -> 0.5 behind one; then 1.5 -> 1.0, which is above 0.5.
    chosen = [pick(logits, [sampler])[0].token for _ in range(4)]
    assert chosen == [0, 1, 0, 0]


def test_logits_that_are_not_numbers_are_found_out():
    sampler = Sampler(CompletionRequest(prompts=("x",)), seed=0)
    fine = Sampler(CompletionRequest(prompts=("x",)), seed=0)
    first, second = pick(torch.tensor([[float("nan"), 1.0], [0.0, 1.0]]), [sampler, fine])
    assert first is None
    assert second is not None


def test_the_chosen_token_is_among_the_likeliest_told():
    request = CompletionRequest(prompts=("x",), temperature=0, logit_bias={2: 50}, logprobs=1)
    (picked,) = pick(torch.tensor([[2.0, 1.0, 0.0]]), [Sampler(request, seed=0)])
    assert picked.token == 2
    assert [token for token, _ in picked.top] == [0, 2]
    assert picked.logprob == pytest.approx(torch.tensor([2.0, 1.0, 0.0]).log_softmax(0)[2].item())
