"""Who is computed next: continuous batching of prompts and answers.

A step computes one chunk of prompts, then one token of every row in the batch. Rows join between
steps and leave when they end, so a long answer does not hold up short ones, and a long prompt holds
up the batch by one chunk at a time.
"""

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tunesmith_server.adapters.inference.worker.base import Base
from tunesmith_server.adapters.inference.worker.job import Job, Row
from tunesmith_server.adapters.inference.worker.lora import Adapter, AdapterShelf
from tunesmith_server.adapters.inference.worker.prefill import Prefill, Waiting
from tunesmith_server.adapters.inference.worker.row_cache import RowCache
from tunesmith_server.adapters.inference.worker.sampling import pick
from tunesmith_server.domain.completion import (
    AdapterInvalid,
    EngineError,
    EngineUnavailable,
)

log = logging.getLogger(__name__)

_LOOKAHEAD = 256
_RESERVE = 128


@dataclass(frozen=True)
class Limits:
    """How much is done at once: rows in the batch, tokens of a prompt chunk, bytes of cache."""

    rows: int = 32
    prefill_tokens: int = 512
    cache_bytes: int = 1 << 30


class Scheduler:
    """The batch, and the line before it."""

    def __init__(self, base: Base, shelf: AdapterShelf, limits: Limits) -> None:
        self._base = base
        self._shelf = shelf
        self._limits = limits
        self._positions = max(1, limits.cache_bytes // base.bytes_per_position)
        self._waiting: deque[Waiting] = deque()
        self._prefill: Prefill | None = None
        self._rows: list[Row] = []
        self._cache: RowCache = base.new_cache()

    @property
    def idle(self) -> bool:
        """Whether there is nothing to compute."""
        return not (self._waiting or self._prefill or self._rows)

    @property
    def load(self) -> dict[str, int]:
        """How many rows are in the batch, and prompts wait."""
        return {"rows": len(self._rows), "waiting": len(self._waiting)}

    def add(self, job: Job) -> None:
        """Queue a job's prompts. A prompt with more answers than rows is computed in parts."""
        for prompt, rows in zip(job.prompts, job.rows, strict=True):
            score = job.scores_prompts
            for first in range(0, len(rows), self._limits.rows):
                part = rows[first : first + self._limits.rows]
                self._waiting.append(Waiting(prompt.tokens, part, score=score))
                score = False

    @torch.inference_mode()
    def step(self) -> None:
        """Compute something, if there is something."""
        self._drop_ended()
        if self._prefill is None:
            self._prefill = self._next_prefill()
        if self._prefill is not None:
            self._advance(self._prefill)
        self._make_room()
        if self._rows:
            self._decode()

    # --- prompts -------------------------------------------------------------------------------

    def _next_prefill(self) -> Prefill | None:
        """The first in line that fits, with others of like length; answers in order of arrival."""
        # While answers are being written, smaller chunks: each delays all of them.
        tokens = self._limits.prefill_tokens // (4 if self._rows else 1)
        group: list[Waiting] = []
        longest = rows = 0
        blocked = False
        for item in self._candidates():
            widest = max(longest, len(item.tokens))
            if group and (widest * (len(group) + 1) > tokens or item.score != group[0].score):
                continue
            if item.joins and (blocked or not self._fits(item, rows, widest)):
                blocked = True
                continue
            if not self._with_adapter(item, group):
                blocked = True
                continue
            group.append(item)
            longest = widest
            rows += len(item.rows) if item.joins else 0
        if not group:
            return None
        chosen = {id(item) for item in group}
        self._waiting = deque(item for item in self._waiting if id(item) not in chosen)
        group = [item for item in group if not item.over]  # their adapter could not be loaded
        # Rows of one adapter side by side.
        group.sort(key=lambda item: id(item.adapter))
        return Prefill(self._base, group, chunk_tokens=tokens) if group else None

    def _candidates(self) -> Sequence[Waiting]:
        """The head of the line, and then those behind it by how near they are in length."""
        line = list(self._waiting)[:_LOOKAHEAD]
        if not line:
            return line
        head = len(line[0].tokens)
        return line[:1] + sorted(line[1:], key=lambda item: abs(len(item.tokens) - head))

    def _fits(self, item: Waiting, joining: int, longest: int) -> bool:
        rows = len(self._rows) + joining + len(item.rows)
        if not self._rows and not joining:
            return True
        columns = max(longest, self._cache.columns) + _RESERVE
        return rows <= self._limits.rows and rows * columns <= self._positions

    def _with_adapter(self, item: Waiting, group: Sequence[Waiting]) -> bool:
        """Give an item its adapter. False: all places are taken. A broken one ends its job."""
        ref = item.rows[0].job.adapter
        if ref is None or item.adapter is not None:  # one that goes on keeps what it began with
            return True
        at_work = (*(row.adapter for row in self._rows), *(other.adapter for other in group))
        in_use: set[Adapter] = {adapter for adapter in at_work if adapter is not None}
        try:
            adapter = self._shelf.take(ref, in_use=in_use)
        except AdapterInvalid as fault:
            item.rows[0].job.fail(fault)
            return True
        if adapter is None:
            return False
        for row in item.rows:
            row.adapter = adapter
        return True

    def _advance(self, prefill: Prefill) -> None:
        try:
            with self._shelf.applied(prefill.adapters):
                finished = prefill.advance()
            if finished:
                self._prefill = None
                self._join(prefill)
        except Exception as error:
            self._prefill = None
            _fail([row for item in prefill.items for row in item.rows], error)

    def _join(self, prefill: Prefill) -> None:
        """Choose the first tokens; rows that go on enter the batch."""
        for row in prefill.rows:
            if not row.remaining:  # max_tokens 0: only the prompt was wanted
                row.finish("length")
                row.job.advanced(row)
        owners = [
            (place, row)
            for place, item in enumerate(prefill.items)
            for row in item.rows
            if row.finish_reason is None and not row.job.over
        ]
        if not owners:
            return
        logits = prefill.logits[[place for place, _ in owners]]
        self._accept([row for _, row in owners], logits)
        going = [(place, row) for place, row in owners if not _ended(row)]
        if not going:
            return
        rows = [row for _, row in going]
        columns = max(row.length - 1 for row in rows)
        prefill.cache.select([place for place, _ in going], columns=columns)
        if self._rows:
            self._cache.join(prefill.cache)
        else:
            self._cache = prefill.cache
        self._rows += rows

    # --- answers -------------------------------------------------------------------------------

    def _decode(self) -> None:
        """One more token for each row."""
        rows = self._rows
        try:
            with self._shelf.applied([row.adapter for row in rows]):
                logits = self._base.forward(
                    [[row.picks[-1].token] for row in rows],
                    lengths=[row.length for row in rows],
                    cache=self._cache,
                )
            self._accept(rows, logits[:, -1])
        except Exception as error:
            _fail(rows, error)
        self._drop_ended()

    def _accept(self, rows: Sequence[Row], logits: torch.Tensor) -> None:
        for row, picked in zip(rows, pick(logits, [row.sampler for row in rows]), strict=True):
            if picked is None:
                row.job.fail(_not_numbers(row))
            else:
                row.accept(picked)
                row.job.advanced(row)

    def _drop_ended(self) -> None:
        """Let go of rows and prompts that have ended, failed or been cancelled."""
        if any(item.over for item in self._waiting):
            self._waiting = deque(item for item in self._waiting if not item.over)
        if self._prefill is not None and all(item.over for item in self._prefill.items):
            self._prefill = None
        self._keep([place for place, row in enumerate(self._rows) if not _ended(row)])

    def _keep(self, places: Sequence[int]) -> None:
        if len(places) == len(self._rows):
            return
        self._rows = [self._rows[place] for place in places]
        if self._rows:
            # The newest token of a row is not in the cache yet.
            columns = max(row.length - 1 for row in self._rows)
            self._cache.select(places, columns=columns)
        else:
            self._cache = self._base.new_cache()

    def _make_room(self) -> None:
        """Send the youngest rows back to the line while the answers outgrow the cache.

        They go on where they were: what they have is computed again as a prompt.
        """
        while len(self._rows) > 1 and len(self._rows) * self._cache.columns > self._positions:
            row = self._rows[-1]
            self._waiting.appendleft(Waiting(row.tokens, [row], score=False))
            self._keep(range(len(self._rows) - 1))


def _ended(row: Row) -> bool:
    return row.finish_reason is not None or row.job.over


def _not_numbers(row: Row) -> EngineError:
    message = "its answers are not numbers (NaN or infinite)"
    if row.job.adapter is not None:
        return AdapterInvalid(row.job.adapter.id, message)
    return EngineUnavailable("the base model's answers are not numbers (NaN or infinite)")


def _fail(rows: Sequence[Row], error: Exception) -> None:
    log.exception("a step failed", exc_info=error)
    for row in rows:
        row.job.fail(EngineUnavailable(f"the engine failed ({type(error).__name__})"))
