"""Validation data that a model has seen in training."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Part:
    """The bytes of the training or of the validation data."""

    chunks: Iterable[bytes]
    format: Format | None = None
    """None to detect it."""
    file_name: str = ""
    """Helps to detect it."""


def leakage(
    training: str | Path,
    validation: str | Path,
    shape: Shape,
    *,
    training_format: Format | None = None,
    on_progress: Callable[[int], object] = lambda done: None,
) -> list[Finding]:
    """As `leakage_between`, of two files; OSError if one cannot be read.

    The formats are detected, but for the training file's if it is told. Tells the bytes that were
    read of both.
    """
    before = Path(validation).stat().st_size
    return leakage_between(
        Part(
            _chunks(training, lambda done: on_progress(before + done)),
            training_format,
            Path(training).name,
        ),
        Part(_chunks(validation, on_progress), None, Path(validation).name),
        shape,
    )


def leakage_between(training: Part, validation: Part, shape: Shape) -> list[Finding]:
    """The rows of the validation data that also stand in the training data, or nearly.

    At most two findings, whose lines are those of the validation data. Rows with an error are left
    out. Compares the first 500,000 rows of the validation data, which is read first, to its end.
    """
    exact, folded = _Remembered(), _Remembered()
    lines = array("q")  # by row: several rows may stand on one line
    count = 0
    for sound in _sound(validation, shape):
        marks = prints.exact_prints(sound.examples)
        abouts = prints.folded_prints(sound.examples)
        for mark, about, number in zip(marks, abouts, sound.numbers, strict=True):
            if count < prints.MAX_REMEMBERED:
                exact.add(mark, count)
                folded.add(about, count)
                lines.append(number)
            count += 1
    for sound in _sound(training, shape):
        exact.meet(prints.exact_prints(sound.examples))
        folded.meet(prints.folded_prints(sound.examples))
    same = exact.met()
    return [
        finding
        for code, rows, how in (
            ("LEAKAGE", same, "also in the training data"),
            ("NEAR_LEAKAGE", folded.met() - same, "nearly the same as one of the training data"),
        )
        for finding in _finding(
            code, [lines[row] for row in sorted(rows)], f"of {plural(count, 'row')} {how}"
        )
    ]


def _finding(code: str, lines: Sequence[int], words: str) -> Iterator[Finding]:
    """The finding about some rows of the validation data, given by their lines, if any."""
    if lines:
        rule = RULES[code]
        message = f"{len(lines):,} {words}, the first of them on line {lines[0]:,}"
        yield Finding(
            code,
            rule.severity,
            lines[0],
            "",
            message,
            rule.suggestion,
            len(lines),
            rule.fixable,
        )


class _Remembered:
    """The prints of the rows of one part, of which some are met in another."""

    def __init__(self) -> None:
        self._rows: dict[int, int | list[int]] = {}
        self._met: set[int] = set()

    def add(self, mark: int | None, row: int) -> None:
        """Remember that a row has this print."""
        if mark is None:
            return
        before = self._rows.setdefault(mark, row)
        if isinstance(before, list):
            before.append(row)
        elif before != row:
            self._rows[mark] = [before, row]

    def meet(self, marks: Iterable[int | None]) -> None:
        """Look at prints of the other part."""
        self._met.update(mark for mark in marks if mark is not None and mark in self._rows)

    def met(self) -> set[int]:
        """The rows of all prints that were met."""
        rows: set[int] = set()
        for mark in self._met:
            found = self._rows[mark]
            rows.update(found if isinstance(found, list) else (found,))
        return rows


def _sound(part: Part, shape: Shape) -> Iterator[Sound]:
    """The examples of one part, those with an error left out."""
    source = open_source(
        max_line_bytes=MAX_LINE_BYTES, format=part.format, file_name=part.file_name
    )

    def odd(number: int, line: bytes) -> Example | None:
        return examine(line, shape, explain=False).example

    for chunk in part.chunks:
        for rows in source.feed(chunk):
            yield scan(shape, rows, odd)
    for rows in source.finish():
        yield scan(shape, rows, odd)


def _chunks(path: str | Path, on_progress: Callable[[int], object]) -> Iterator[bytes]:
    done = 0
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
            on_progress(done := done + len(chunk))
