"""The mended file, written as a plan has it; or two of them, split."""

import os
import tempfile
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
from tunesmith.dataset_rules.fixes.pieces import Piece, desk
from tunesmith.dataset_rules.fixes.plan import Plan, Unfixable
from tunesmith.dataset_rules.fixes.survey import View
from tunesmith.dataset_rules.shapes import PromptCompletion, Shape
from tunesmith.dataset_rules.split import (
    SplitChoice,
    as_numbers,
    choose,
    divided,
    hashes,
    validation_count,
)

_encoder = msgspec.json.Encoder()


class _Block(NamedTuple):
    """The rows of one piece as they are to be; for a split, what it needs to know of each."""

    content: bytes
    marks: bytes = b""
    classes: bytes = b""
    sizes: bytes = b""


@dataclass(frozen=True)
class Prepared:
    """A mended file."""

    row_count: int
    size_bytes: int


class CannotSplit(ValueError):
    """The rows cannot be split as asked; the words say why."""


def apply(plan: Plan, path_out: str | Path, *, cores: int | None = None) -> Prepared:
    """Write the file that the plan makes: one JSON object a line, UTF-8, letters as they are.

    `path_out` is there in full or not at all. Raises Unfixable if rows are left that nothing can
    mend, ValueError if no row is left, and OSError.
    """
    with _complete(path_out) as file:
        size = 0
        for block in _blocks(plan, None, cores):
            file.write(block.content)
            size += len(block.content)
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
    marks: array[int] = array("Q")
    classes: array[int] = array("q")
    sizes: list[array[int]] = []
    folder = Path(training_out).parent
    with tempfile.TemporaryFile(dir=folder) as whole:
        for block in _blocks(plan, choice, cores):
            whole.write(block.content)
            marks.extend(as_numbers(block.marks))
            classes.frombytes(block.classes)
            sizes.append(array("L", block.sizes))
        count = validation_count(len(marks), choice.validation_share)
        chosen = choose(marks, classes, count, grouped=bool(choice.group_by))
        if not 0 < len(chosen) < len(marks):
            raise CannotSplit(_why(len(marks), choice))
        with _complete(training_out) as training, _complete(validation_out) as validation:
            written = _divide(whole, sizes, chosen, training, validation)
    left = len(marks) - len(chosen)
    return Prepared(left, written[0]), Prepared(len(chosen), written[1])


def _why(rows: int, choice: SplitChoice) -> str:
    words = f"{rows:,} rows cannot be split so that both sides get some"
    return f"{words} of the groups by {choice.group_by}" if choice.group_by else words


def _divide(
    whole: BinaryIO,
    sizes: Sequence[Sequence[int]],
    chosen: Sequence[int],
    training: BinaryIO,
    validation: BinaryIO,
) -> tuple[int, int]:
    whole.seek(0)
    start = training_size = validation_size = 0
    for lines in sizes:
        low, high = bisect_left(chosen, start), bisect_left(chosen, start + len(lines))
        places = [row - start for row in chosen[low:high]]
        left, right = divided(whole.read(sum(lines)), lines, places)
        training.write(left)
        validation.write(right)
        training_size += len(left)
        validation_size += len(right)
        start += len(lines)
    return training_size, validation_size


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


def _blocks(plan: Plan, split: SplitChoice | None, cores: int | None) -> Iterator[_Block]:
    """The rows of the plan as they are to be; with `split` also the hash and class of each."""
    if plan.fault_count:
        raise Unfixable(plan.faults, plan.fault_count)
    if plan.view is None or not plan.rows_after:
        raise ValueError("no example is left")
    view = plan.view
    if split is not None and not (split.stratified and plan.after.classifies):
        split = replace(split, stratified=False)

    def jobs() -> Iterator[tuple[Piece, int, View, SplitChoice | None]]:
        for index, piece in enumerate(plan.file.pieces()):
            yield piece, index, view.within(index), split

    with desk(plan.file, cores) as at:
        yield from at.each(_rewritten, jobs())


def _rewritten(piece: Piece, index: int, view: View, split: SplitChoice | None) -> _Block:
    """The rows of one piece as they are to be, and the hash and class of each."""
    places, rows = view.of(index, view.read(index, piece))
    is_text = view.shape is Shape.PROMPT_COMPLETION
    if not is_text:
        block = _encoder.encode_lines([plain(row) for row in rows])
    else:
        if view.changes:
            prompts = [row.prompt for row in rows]
            completions = [row.completion for row in rows]
            rows = list(map(PromptCompletion, *changed(view.changes, prompts, completions)))
        block = _encoder.encode_lines(rows)
    if split is None:
        return _Block(block)
    written = BytesIO(block).readlines()
    if split.group_by:
        lines = piece.all_lines()
        names = [_group(lines[place], split.group_by) for place in places]
    else:
        names = written
    classes = array("q", [hash(row.completion) for row in rows] if split.stratified else ())
    sizes = array("L", map(len, written))
    return _Block(block, hashes(names, split.seed), classes.tobytes(), sizes.tobytes())


def _group(line: bytes, pointer: str) -> bytes:
    """The value by which a row is grouped, as JSON."""
    value = msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"))
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise CannotSplit(
                f"a row has no value at {excerpt(pointer)}: {excerpt(line[:200].decode())}"
            ) from None
    return _encoder.encode(value)
