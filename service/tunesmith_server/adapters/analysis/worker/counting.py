"""Counting tokens on all cores: blocks of rows go to processes, counts come back."""

import contextlib
import ctypes
import gc
import multiprocessing
import signal
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tunesmith.dataset_rules import Shape
from tunesmith.dataset_rules.sources import Rows
from tunesmith.dataset_rules.sources.lines import cut
from tunesmith.token_counts import (
    Encoder,
    EncodingMissing,
    TokenCount,
    TokenTally,
    encode_count,
    load_encoding,
    readable_examples,
)

from tunesmith_server.adapters.analysis import wire
from tunesmith_server.adapters.analysis.hugging_face import HuggingFaceEncoder, tokenizer_digest

_PR_SET_PDEATHSIG = 1
_BLOCK = 2**19
"""Bytes that are sent to a process at once: sending a block, and adding up what comes back, costs
about as much as counting some rows."""
_WAITING_A_PROCESS = 3
"""Blocks that are read ahead for each process: enough to keep it busy, few enough for memory."""

_tallies: dict[str, TokenTally] = {}
"""Of this process, by the ref of the tokenizer. Filled before the fork, which shares them."""

Outcome = TokenCount | str
"""What was counted, or why that failed."""


@dataclass(frozen=True)
class _Block:
    shape: str
    first: int
    """The line on which it begins."""
    parts: Sequence[bytes | Sequence[bytes]]
    """Rows as they stand in the file, cut into lines only where they are counted; or as lines."""


class Counting:
    """Counts a file with several tokenizers at once. Memory is that of a few blocks."""

    def __init__(
        self, sources: Sequence[wire.TokenizerSource], shape: Shape, processes: int
    ) -> None:
        self._shape = shape
        self._names: dict[str, str] = {}
        self._errors: dict[str, str] = {}
        self._totals: dict[str, TokenTally] = {}
        _tallies.clear()
        for source in sources:
            self._load(source)
        self._room = processes * _WAITING_A_PROCESS
        self._parts: list[bytes | Sequence[bytes]] = []
        self._first = self._bytes = 0
        self._waiting: deque[Future[dict[str, Outcome]]] = deque()
        gc.freeze()  # what is shared is not looked through, and so not copied, in each process
        self._pool = ProcessPoolExecutor(
            # forked, so that the vocabularies are in memory once; nothing here has a thread yet
            processes,
            mp_context=multiprocessing.get_context("fork"),
            initializer=_end_with_the_worker,
        )

    def _load(self, source: wire.TokenizerSource) -> None:
        try:
            encoder: Encoder
            if source.folder:
                encoder = HuggingFaceEncoder(Path(source.folder))
                name = tokenizer_digest(Path(source.folder))
            else:
                name = source.ref.partition(":")[2]
                encoder = load_encoding(name)
        except (OSError, ValueError, EncodingMissing) as error:
            self._errors[source.ref] = f"the tokenizer {source.ref} cannot be loaded: {error}"
        except Exception as error:  # `tokenizers` raises Exception itself
            self._errors[source.ref] = f"the tokenizer {source.ref} is damaged: {error}"
        else:
            self._names[source.ref] = name
            self._totals[source.ref] = TokenTally()
            _tallies[source.ref] = TokenTally(encoder)

    def add(self, rows: Rows) -> None:
        """Have some rows counted; waits while enough are under way."""
        if not self._names or not len(rows):
            return
        if not self._parts:
            self._first = rows.numbers[0]
        if rows.block is None:
            self._parts.append(rows.lines)
            self._bytes += sum(map(len, rows.lines))
        else:
            self._parts.append(rows.block)
            self._bytes += len(rows.block)
        if self._bytes >= _BLOCK:
            self._submit()

    def _submit(self) -> None:
        """Send off what is there; waits while enough is under way."""
        block = _Block(self._shape.value, self._first, self._parts)
        self._parts, self._bytes = [], 0
        self._waiting.append(self._pool.submit(_count, block))
        while len(self._waiting) > self._room:
            self._take()

    def finish(self) -> dict[str, wire.Counted]:
        """What was counted, by the tokenizer's ref."""
        if self._parts:
            self._submit()
        while self._waiting:
            self._take()
        self._pool.shutdown()
        counted = {
            ref: wire.Counted(tokenizer=name, count=encode_count(self._totals[ref].count()))
            for ref, name in self._names.items()
            if ref not in self._errors
        }
        return counted | {ref: wire.Counted(error=words) for ref, words in self._errors.items()}

    def _take(self) -> None:
        for ref, outcome in self._waiting.popleft().result().items():
            if isinstance(outcome, str):
                self._errors.setdefault(ref, outcome)
            else:
                self._totals[ref].merge(outcome)


def _end_with_the_worker() -> None:
    """In a process of the pool: be killed when the worker ends, however it ends.

    It waits at a pipe that its siblings hold open too, so it would never see the end of it.
    """
    with contextlib.suppress(OSError, AttributeError):  # not on Linux
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _count(block: _Block) -> dict[str, Outcome]:
    """In a process of the pool: count a block with every tokenizer."""
    shape = Shape(block.shape)
    parts = [readable_examples(shape, cut(part)) for part in block.parts]
    outcomes: dict[str, Outcome] = {}
    for ref, tally in _tallies.items():
        try:
            for examples in parts:
                tally.add(examples)
            outcomes[ref] = tally.take()
        # a panic in a tokenizer's native code is no Exception
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            tally.take()
            words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            outcomes[ref] = (
                f"the tokenizer fails in the rows from {block.first:,} on: {words[:300]}"
            )
    return outcomes
