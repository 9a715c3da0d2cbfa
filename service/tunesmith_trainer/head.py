"""What the frozen output head makes of chosen positions: losses, log-probabilities, predictions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

CHUNK_ROWS = 256
"""Positions whose logits exist at once: 256 x 49,152 floats are 50 MB."""


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Iterator[tuple[slice, Tensor]]:
    """The logits (float32) of some rows after the other, and which rows those are."""
    for start in range(0, len(hidden), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        yield rows, functional.linear(hidden[rows], weight, bias).float()


class _FrozenHeadLoss(torch.autograd.Function):
    """sum(w * CE) of hidden states through a head that is not trained.

    As the head is frozen, the gradient with respect to the hidden states,
    (softmax(logits) - onehot(target)) * w @ head, is known as soon as the logits are. Computing it
    in the forward pass means that no chunk's logits outlive the chunk, and none is computed twice.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,  # [N, H]
        weight: Tensor,  # [V, H]
        bias: Tensor | None,  # [V]
        targets: Tensor,  # [N]
        weights: Tensor,  # [N], float32
    ) -> tuple[Tensor, Tensor]:
        """The weighted sum of cross entropies (float32 scalar), and which rows' argmax is right."""
        wants_gradient = ctx.needs_input_grad[0]
        gradient = torch.empty_like(hidden) if wants_gradient else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        right = torch.empty(len(targets), dtype=torch.bool, device=hidden.device)
        for rows, logits in _logits(hidden, weight, bias):
            chosen = targets[rows, None]
            right[rows] = logits.argmax(dim=-1) == targets[rows]
            normaliser = logits.logsumexp(dim=-1, keepdim=True)
            losses = (normaliser - logits.gather(1, chosen)).squeeze(1)
            total += (losses * weights[rows]).sum()
            if gradient is not None:
                slope = logits.sub_(normaliser).exp_()
                slope.scatter_add_(1, chosen, slope.new_full(chosen.shape, -1.0))
                slope.mul_(weights[rows, None])
                gradient[rows] = slope.to(weight.dtype) @ weight
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(right)
        return total, right

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, None, None, None, None]:
        """The gradient of the hidden states."""
        (gradient,) = ctx.saved_tensors
        return (None if gradient is None else gradient * outputs[0]), None, None, None, None


def frozen_head_loss(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """sum(weights * CE) over rows of `hidden` [N, H], and whether each row's argmax is its target.

    Differentiable in `hidden` only.
    """
    loss, right = _FrozenHeadLoss.apply(hidden, weight, bias, targets, weights)  # type: ignore[no-untyped-call]
    return loss, right


class _FrozenHeadLogProbabilities(torch.autograd.Function):
    """log p(target) of each row through a head that is not trained.

    What becomes of these values is not known yet, so their gradient with respect to the hidden
    states, (onehot(target) - softmax(logits)) @ head, is computed when it is asked for, from logits
    computed anew: to keep them would take V floats a row.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,  # [N, H]
        weight: Tensor,  # [V, H]
        bias: Tensor | None,  # [V]
        targets: Tensor,  # [N]
    ) -> tuple[Tensor, Tensor]:
        """The log-probabilities (float32, [N]), and which rows' argmax is the target."""
        found = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        right = torch.empty(len(targets), dtype=torch.bool, device=hidden.device)
        for rows, logits in _logits(hidden, weight, bias):
            chosen = targets[rows, None]
            right[rows] = logits.argmax(dim=-1) == targets[rows]
            found[rows] = logits.gather(1, chosen).squeeze(1) - logits.logsumexp(dim=-1)
        ctx.save_for_backward(hidden, weight, bias, targets)
        ctx.mark_non_differentiable(right)
        return found, right

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None, None, None]:
        """The gradient of the hidden states."""
        hidden, weight, bias, targets = ctx.saved_tensors
        gradient = torch.empty_like(hidden)
        for rows, logits in _logits(hidden, weight, bias):
            chosen = targets[rows, None]
            slope = logits.softmax(dim=-1).neg_()
            slope.scatter_add_(1, chosen, slope.new_ones(chosen.shape))
            slope.mul_(outputs[0][rows, None])
            gradient[rows] = slope.to(weight.dtype) @ weight
        return gradient, None, None, None


def frozen_head_log_probabilities(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """log p of the target of each row of `hidden` [N, H], and whether it is the row's argmax.

    Differentiable in `hidden` only.
    """
    found, right = _FrozenHeadLogProbabilities.apply(hidden, weight, bias, targets)  # type: ignore[no-untyped-call]
    return found, right
