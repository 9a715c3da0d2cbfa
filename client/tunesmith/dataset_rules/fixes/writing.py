"""The mended file, written as a plan has it; or two of them, split."""

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from tunesmith.dataset_rules.examples import plain
from tunesmith.dataset_rules.excerpts import excerpt
from tunesmith.dataset_rules.fixes.changes import changed
from tunesmith.dataset_rules.fixes.draft import Draft, Written
from tunesmith.dataset_rules.fixes.pieces import Piece, desk
from tunesmith.dataset_rules.fixes.plan import Plan, Unfixable
from tunesmith.dataset_rules.fixes.survey import View
from tunesmith.dataset_rules.shapes import PromptCompletion, Shape
from tunesmith.dataset_rules.split import (
    SplitChoice,
    choose,
    marks,
    validation_count,
)

_encoder = msgspec.json.Encoder()


class _Block(NamedTuple):
    """The rows of one piece as they are to be; for a split, what it needs to know of each."""

    content: Written
    marks: Sequence[int] = ()
    classes: Sequence[int] = ()
    sizes: Sequence[int] = ()


@dataclass(frozen=True)
class Prepared:
    """A mended file."""

    row_count: int
    size_bytes: int


class CannotSplit(ValueError):
    """The rows cannot be split as asked; the words say why."""


class NothingLeft(ValueError):
    """No row is left to be written."""


class _Ungrouped(Exception):
    """A row has no value to group it by. The numbers of its piece, and of its line in that."""


def apply(plan: Plan, path_out: str | Path, *, cores: int | None = None) -> Prepared:
    """Write the file that the plan makes: one JSON object a line, UTF-8, letters as they are.

    `path_out` is there in full or not at all. Raises Unfixable if rows are left that nothing can
    mend, NothingLeft if no row is, and OSError.
    """
    with Draft.beside(Path(path_out).parent) as draft, _complete(path_out) as file:
        size = 0
        for block in _blocks(plan, None, draft, cores):
            size += file.write(draft.read(block.content))
    return Prepared(plan.rows_after, size)


def apply_split(
    plan: Plan,
    training_out: str | Path,
    validation_out: str | Path,
    choice: SplitChoice,
    *,
    cores: int | None = None,
) -> tuple[Prepared, Prepared]:
    """Write what the plan makes as two files, for training and for validation, each in its order.

    Raises as `apply` does, and CannotSplit.
    """
    hashes: array[int] = array("Q")
    classes: array[int] = array("q")
    blocks: list[_Block] = []
    with Draft.beside(Path(training_out).parent) as draft:
        try:
            for block in _blocks(plan, choice, draft, cores):
                hashes.extend(block.marks)
                classes.extend(block.classes)
                blocks.append(block._replace(marks=(), classes=()))
        except _Ungrouped as error:
            line = plan.file.line_number(*error.args)
            what = f"line {line:,} has no value at {excerpt(choice.group_by)}"
            raise CannotSplit(what) from None
        rows = len(hashes)
        count = validation_count(rows, choice.validation_share)
        chosen = choose(hashes, classes, count, grouped=bool(choice.group_by))
        if not 0 < len(chosen) < rows:
            raise CannotSplit(_why(rows, choice))
        with _complete(training_out) as training, _complete(validation_out) as validation:
            written = _divide(draft, blocks, chosen, training, validation)
    return Prepared(rows - len(chosen), written[0]), Prepared(len(chosen), written[1])


def _why(rows: int, choice: SplitChoice) -> str:
    words = f"{rows:,} rows cannot be split so that both sides get some"
    return f"{words} of the groups by {choice.group_by}" if choice.group_by else words


def _divide(
    draft: Draft,
    blocks: Sequence[_Block],
    chosen: Sequence[int],
    training: BinaryIO,
    validation: BinaryIO,
) -> tuple[int, int]:
    """Copy the lines `chosen` to validation and all others to training; the bytes of each."""
    first = size = validation_size = 0
    for block in blocks:
        content, sizes = memoryview(draft.read(block.content)), block.sizes
        low, high = bisect_left(chosen, first), bisect_left(chosen, first + len(sizes))
        at = line = 0
        for place in [row - first for row in chosen[low:high]]:
            start = at + sum(sizes[line:place])
            training.write(content[at:start])
            at, line = start + sizes[place], place + 1
            validation_size += validation.write(content[start:at])
        training.write(content[at:])
        first += len(sizes)
        size += len(content)
    return size - validation_size, validation_size


@contextmanager
def _complete(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write that is at `path` only when the block has ended well."""
    target = Path(path)
    partial = target.with_name(f".{target.name[:100]}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _blocks(
    plan: Plan, split: SplitChoice | None, draft: Draft, cores: int | None
) -> Iterator[_Block]:
    """The rows of the plan as they are to be; with `split` also the hash and class of each."""
    if plan.fault_count:
        raise Unfixable(plan.faults, plan.fault_count)
    if plan.view is None or not plan.rows_after:
        raise NothingLeft("no example is left")
    view = plan.view
    if split is not None and not (split.stratified and plan.after.classifies):
        split = replace(split, stratified=False)

    def jobs() -> Iterator[tuple[Piece, int, View, SplitChoice | None, Draft]]:
        for index, piece in enumerate(plan.file.pieces()):
            yield piece, index, view.within(index), split, draft

    with desk(plan.file, cores) as at:
        yield from at.each(_rewritten, jobs())


def _rewritten(
    piece: Piece, index: int, view: View, split: SplitChoice | None, draft: Draft
) -> _Block:
    """Write the rows of one piece to the draft as they are to be; the hash and class of each."""
    places, rows = view.of(index, view.read(index, piece))
    completions: Sequence[str] = ()
    if view.shape is Shape.PROMPT_COMPLETION:
        prompts = [row.prompt for row in rows]
        completions = [row.completion for row in rows]
        if view.changes:
            after = changed(view.changes, prompts, completions)
            rows, completions = list(map(PromptCompletion, *after)), after[1]
        block = _encoder.encode_lines(rows)
    else:
        block = _encoder.encode_lines([plain(row) for row in rows])
    content = draft.write(block)
    if split is None:
        return _Block(content)
    written = BytesIO(block).readlines()
    if split.group_by:
        lines, names = piece.all_lines(), []
        for place in places:
            name = _group(lines[place], split.group_by)
            if name is None:
                raise _Ungrouped(index, place)
            names.append(name)
    else:
        names = written
    classes = array("q", map(hash, completions) if split.stratified else ())
    return _Block(content, marks(names, split.seed), classes, array("L", map(len, written)))


def _group(line: bytes, pointer: str) -> bytes | None:
    """The value by which a row is grouped, as JSON; None if it has none."""
    try:
        value = msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"))
        for step in pointer.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            value = value[int(step)] if isinstance(value, list) else value[step]
    except (LookupError, TypeError, ValueError, RecursionError):
        return None  # also one in whose other fields something is so odd that nobody can look
    return _encoder.encode(value)
