"""Counting a file that is at hand, in this process: without any service."""

from collections.abc import Callable
from pathlib import Path

from tunesmith.dataset_rules.catalogue import RULES
from tunesmith.dataset_rules.examine import examine
from tunesmith.dataset_rules.findings import Severity
from tunesmith.dataset_rules.inspector import MAX_LINE_BYTES
from tunesmith.dataset_rules.scan import scan
from tunesmith.dataset_rules.shapes import Example, Shape
from tunesmith.dataset_rules.sources import Rows, open_source
from tunesmith.dataset_rules.statistics import Tally
from tunesmith.token_counts.count import TokenCount
from tunesmith.token_counts.tally import Encoder, TokenTally

_CHUNK = 2**20


def sound_examples(shape: Shape, rows: Rows) -> list[Example]:
    """The examples in some rows that have no error."""

    def odd(number: int, line: bytes) -> Example | None:
        verdict = examine(line, shape, explain=False)
        faults = (RULES[problem.code].severity for problem in verdict.problems)
        return None if Severity.ERROR in faults else verdict.example

    return scan(shape, rows.lines, rows.numbers, Tally(), odd)[0]


def count_file(
    path: str | Path,
    shape: Shape,
    encoder: Encoder,
    *,
    on_progress: Callable[[int], object] = lambda done: None,
) -> TokenCount:
    """The tokens of the sound examples of a file; OSError if it cannot be read."""
    tally = TokenTally(encoder)
    source = open_source(max_line_bytes=MAX_LINE_BYTES, file_name=Path(path).name)
    done = 0
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            for rows in source.feed(chunk):
                tally.add(sound_examples(shape, rows))
            on_progress(done := done + len(chunk))
    for rows in source.finish():
        tally.add(sound_examples(shape, rows))
    return tally.count()
