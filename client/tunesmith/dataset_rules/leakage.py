"""Validation data that a model has seen in training."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tunesmith.dataset_rules.analysis import prints
from tunesmith.dataset_rules.catalogue import RULES
from tunesmith.dataset_rules.examine import examine
from tunesmith.dataset_rules.excerpts import plural
from tunesmith.dataset_rules.findings import Finding
from tunesmith.dataset_rules.inspector import MAX_LINE_BYTES
from tunesmith.dataset_rules.scan import Sound, scan
from tunesmith.dataset_rules.shapes import Example, Shape
from tunesmith.dataset_rules.sources import Format, open_source

_CHUNK = 2**20


def leakage(
    training: str | Path,
    validation: str | Path,
    shape: Shape,
    *,
    training_format: Format | None = None,
    on_progress: Callable[[int], object] = lambda done: None,
) -> list[Finding]:
    """The rows of a validation file that also stand in a training file, or nearly.

    At most two findings, whose lines are those of the validation file. Rows with an error are left
    out. Compares the first 500,000 rows of the validation file; OSError if one cannot be read.
    The format of the training file is detected, too, unless it is told. Tells the bytes that were
    read of both.
    """
    exact, folded = _Remembered(), _Remembered()
    count = 0
    for sound in _sound(validation, shape, None, on_progress):
        marks = prints.exact_prints(sound.examples)
        abouts = prints.folded_prints(sound.examples)
        for mark, about, number in zip(marks, abouts, sound.numbers, strict=True):
            if count < prints.MAX_REMEMBERED:
                exact.add(mark, number)
                folded.add(about, number)
            count += 1
    before = Path(validation).stat().st_size
    for sound in _sound(training, shape, training_format, lambda done: on_progress(before + done)):
        exact.meet(prints.exact_prints(sound.examples))
        folded.meet(prints.folded_prints(sound.examples))
    same = exact.met()
    return [
        finding
        for code, lines, how in (
            ("LEAKAGE", same, "also in the training data"),
            ("NEAR_LEAKAGE", folded.met() - same, "nearly the same as one of the training data"),
        )
        for finding in _finding(code, lines, f"of {plural(count, 'row')} {how}")
    ]


def _finding(code: str, lines: set[int], words: str) -> Iterator[Finding]:
    """The finding about some lines of the validation file, if there are any."""
    if lines:
        rule = RULES[code]
        message = f"{len(lines):,} {words}, the first of them on line {min(lines):,}"
        yield Finding(
            code,
            rule.severity,
            min(lines),
            "",
            message,
            rule.suggestion,
            len(lines),
            rule.fixable,
        )


class _Remembered:
    """The prints of one file, with their lines, of which some are met in another file."""

    def __init__(self) -> None:
        self._lines: dict[int, int | list[int]] = {}
        self._met: set[int] = set()

    def add(self, mark: int | None, line: int) -> None:
        """Remember that an example of this print stands on a line."""
        if mark is None:
            return
        before = self._lines.setdefault(mark, line)
        if isinstance(before, list):
            before.append(line)
        elif before != line:
            self._lines[mark] = [before, line]

    def meet(self, marks: Iterable[int | None]) -> None:
        """Look at prints of the other file."""
        self._met.update(mark for mark in marks if mark is not None and mark in self._lines)

    def met(self) -> set[int]:
        """The lines of all prints that were met."""
        lines: set[int] = set()
        for mark in self._met:
            found = self._lines[mark]
            lines.update(found if isinstance(found, list) else (found,))
        return lines


def _sound(
    path: str | Path,
    shape: Shape,
    format: Format | None,
    on_progress: Callable[[int], object],
) -> Iterator[Sound]:
    """The examples of a file, those with an error left out."""
    source = open_source(max_line_bytes=MAX_LINE_BYTES, format=format, file_name=Path(path).name)

    def odd(number: int, line: bytes) -> Example | None:
        return examine(line, shape, explain=False).example

    done = 0
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            for rows in source.feed(chunk):
                yield scan(shape, rows, odd)
            on_progress(done := done + len(chunk))
    for rows in source.finish():
        yield scan(shape, rows, odd)
