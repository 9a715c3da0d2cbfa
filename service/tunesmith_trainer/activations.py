"""The activations below the lowest adapter, computed once per example.

They depend on the frozen base and the example's tokens only, so every epoch and every validation
after the first finds them here: with the last 10 of 30 layers trained that is two
thirds of a forward pass.

To be bit-equal after a resume, a value must not depend on when it was computed. A matrix product's
last bits depend on the shape of the batch, so examples are computed in *groups* fixed by the data
alone: sorted by length and cut under the token budget, whatever order the epochs take. A group is
computed when one of its examples is first needed, which brings the first step forward.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

from tunesmith_trainer.batches import micro_batches
from tunesmith_trainer.network import Network

MEMORY_LIMIT = 512 << 20
"""Bytes of activations kept in memory; a larger set goes into a file that is mapped."""


class Activations:
    """The activations of `sequences` (token lists), filled group by group."""

    def __init__(
        self,
        network: Network,
        sequences: Sequence[Sequence[int]],
        *,
        spill: Path,
        memory_limit: int = MEMORY_LIMIT,
    ) -> None:
        self._network = network
        self._sequences = sequences
        lengths = [len(tokens) for tokens in sequences]
        self._offsets = [0, *accumulate(lengths)]
        self._groups = micro_batches(range(len(sequences)), lengths)
        self._group_of = {
            number: group for group, members in enumerate(self._groups) for number in members
        }
        self._filled = [False] * len(self._groups)
        rows, width = self._offsets[-1], network.hidden_size
        size = rows * width * network.dtype.itemsize
        if size > memory_limit:
            self._store = _mapped(spill, rows * width, network.dtype, size).view(rows, width)
        else:
            self._store = torch.empty(rows, width, dtype=network.dtype, device=network.device)

    def batch(self, numbers: Sequence[int]) -> Tensor:
        """The activations of the examples `numbers`, padded on the right: [B, T, H]."""
        for group in {self._group_of[number] for number in numbers}:
            if not self._filled[group]:
                self._fill(group)
        rows = [self._store[self._offsets[n] : self._offsets[n + 1]] for n in numbers]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(self._network.device)

    def _fill(self, group: int) -> None:
        members = self._groups[group]
        tokens = padded([self._sequences[number] for number in members])
        activations = self._network.lower(tokens.to(self._network.device))
        for row, number in enumerate(members):
            length = len(self._sequences[number])
            start = self._offsets[number]
            self._store[start : start + length] = activations[row, :length]
        self._filled[group] = True


def padded(sequences: Sequence[Sequence[int]]) -> Tensor:
    """Token lists as one tensor [B, T], padded on the right with 0, which nothing ever looks at."""
    rows = [torch.tensor(tokens) for tokens in sequences]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def _mapped(path: Path, elements: int, dtype: torch.dtype, size: int) -> Tensor:
    # Reserved first: a full disk is then an error here, not a bus error in the middle of a step.
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)
    store = torch.from_file(str(path), shared=True, size=elements, dtype=dtype)
    path.unlink()  # it lives as long as the mapping, and a killed run leaves nothing behind
    return store
