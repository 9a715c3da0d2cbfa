"""The learning rate of a step, and how many steps there are: pure arithmetic."""

from __future__ import annotations

import math


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Optimiser steps in one epoch; the last batch may be smaller, nothing is left out."""
    return math.ceil(examples / batch_size)


def learning_rate(step: int, *, total: int, warmup_ratio: float, peak: float) -> float:
    """The learning rate of `step` (from 1 to `total`): linear warm-up, then linear decay.

    Warm-up takes ceil(warmup_ratio * total) steps and ends on `peak`; the decay would reach zero
    one step after the last, so that no step is wasted on a rate of zero.
    """
    warmup = math.ceil(warmup_ratio * total)
    if step <= warmup:
        return peak * step / warmup
    return peak * (total + 1 - step) / (total + 1 - warmup)
