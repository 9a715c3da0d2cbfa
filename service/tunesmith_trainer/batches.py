"""Which examples make which batch: pure functions, so that a resumed run sees the same ones."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

WINDOW = 16
"""Batches whose examples are sorted by length together (measured: padding 64 % -> 5 %)."""

TOKEN_BUDGET = 1024
"""Padded tokens in one forward pass; it bounds memory, not the result (a batch is one sum)."""


def epoch_batches(
    lengths: Sequence[int], *, batch_size: int, seed: int, epoch: int
) -> list[list[int]]:
    """The batches of `epoch` as lists of example numbers; each example comes exactly once.

    The examples are shuffled by (seed, epoch), each window of 16 batches is sorted by length, so
    that a batch needs little padding, and the batches are shuffled again, so that short and long
    ones alternate. If the examples do not divide evenly, one batch is smaller.
    """
    # A string seed is hashed by SHA-512: the order is the same on every Python and machine.
    shuffle = random.Random(f"tunesmith:{seed}:{epoch}")
    order = list(range(len(lengths)))
    shuffle.shuffle(order)
    batches = []
    span = WINDOW * batch_size
    for start in range(0, len(order), span):
        window = sorted(order[start : start + span], key=lambda number: (lengths[number], number))
        batches += [window[at : at + batch_size] for at in range(0, len(window), batch_size)]
    shuffle.shuffle(batches)
    return batches


def micro_batches(
    numbers: Iterable[int], lengths: Sequence[int], *, budget: int = TOKEN_BUDGET
) -> list[list[int]]:
    """`numbers`, sorted by length and cut so that rows x longest row is at most `budget` tokens.

    An example longer than the budget gets a micro-batch of its own.
    """
    cut: list[list[int]] = []
    for number in sorted(numbers, key=lambda number: (lengths[number], number)):
        # Sorted, so this example is the longest of its micro-batch.
        if cut and (len(cut[-1]) + 1) * lengths[number] <= budget:
            cut[-1].append(number)
        else:
            cut.append([number])
    return cut
