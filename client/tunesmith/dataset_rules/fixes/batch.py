"""The rows of a piece of a file, and what was mended to have them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from operator import ne
from typing import Any

import msgspec

from tunesmith.dataset_rules.affixes import shared_prefix
from tunesmith.dataset_rules.examples import plain
from tunesmith.dataset_rules.excerpts import excerpt_around
from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.fixes.samples import KEPT, MOST
from tunesmith.dataset_rules.sensitive import Kind
from tunesmith.dataset_rules.shapes import Example, texts_of

LISTED_FAULTS = 20
_FEW = 64
"""So many rows are taken out of a list one by one; of more, a new list is made."""
_encode = msgspec.json.Encoder().encode


@dataclass
class Mended:
    """How often one fix was needed, and some of the rows."""

    count: int = 0
    samples: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    """The index of the line, and the row before and after; empty if it went."""

    def add(self, index: int, before: bytes, after: Example | None = None) -> None:
        """Count one more."""
        self.count += 1
        if len(self.samples) < MOST:
            row = _encode(plain(after)) if after else b""
            self.samples.append((index, before[:KEPT], row[:KEPT]))

    def add_redacted(
        self, index: int, before: Example, after: Example, kinds: Collection[Kind]
    ) -> None:
        """Count one more: what was is told by its kind, what is from where it differs."""
        self.count += 1
        if len(self.samples) < MOST:
            nouns = ", ".join(sorted({kind.noun for kind in kinds}))
            pairs = zip(texts_of(before), texts_of(after), strict=True)
            was, now = next(pair for pair in pairs if ne(*pair))
            shown = excerpt_around(now, len(shared_prefix(was, [now]) or ""))
            self.samples.append((index, f"({nouns})".encode(), shown.encode()))


@dataclass
class Batch:
    """The rows of one piece."""

    examples: list[Any] = field(default_factory=list)
    indices: Sequence[int] = ()
    """The line of each within the piece, from 0."""
    line_count: int = 0
    mended: dict[str, Mended] = field(default_factory=dict)
    faults: list[tuple[int, Problem]] = field(default_factory=list)
    """The first rows that nothing can mend but somebody's judgement, with why."""
    fault_count: int = 0
    whole: bool = False
    """Whether it was decoded in one go: `read_whole_piece` finds the same rows in it."""


def without(batch: Batch, places: Sequence[int]) -> Batch:
    """The batch without the rows at these places among them, which ascend."""
    if not places:
        return batch
    rows, indices = batch.examples, batch.indices
    if len(places) > _FEW:
        gone = frozenset(places)
        rows = [row for place, row in enumerate(rows) if place not in gone]
        indices = [index for place, index in enumerate(indices) if place not in gone]
    else:
        rows, indices = list(rows), list(indices)
        for place in reversed(places):
            del rows[place], indices[place]
    return replace(batch, examples=rows, indices=indices)


def redacted(batch: Batch, codes: Collection[str]) -> Batch:
    """The batch without what findings of these codes tell of, counted under each of them."""
    if not codes:
        return batch
    # what it needs may not be installed
    from tunesmith.dataset_rules.sensitive.redaction import redact_each

    rows = list(batch.examples)
    for place, row, matches in redact_each(batch.examples, codes):
        for code in codes:
            if kinds := {match.kind for match in matches if match.kind.code == code}:
                mended = batch.mended.setdefault(code, Mended())
                mended.add_redacted(batch.indices[place], rows[place], row, kinds)
        rows[place] = row
    return replace(batch, examples=rows)


def joined(first: Batch, second: Batch) -> Batch:
    """Two pieces as one."""
    offset = first.line_count
    both = Batch(
        first.examples + second.examples,
        [*first.indices, *(offset + index for index in second.indices)],
        offset + second.line_count,
        first.mended,
        [*first.faults, *((offset + index, problem) for index, problem in second.faults)],
        first.fault_count + second.fault_count,
    )
    both.faults = both.faults[:LISTED_FAULTS]
    for code, more in second.mended.items():
        mended = both.mended.setdefault(code, Mended())
        mended.count += more.count
        for index, before, after in more.samples[: MOST - len(mended.samples)]:
            mended.samples.append((offset + index, before, after))
    return both
