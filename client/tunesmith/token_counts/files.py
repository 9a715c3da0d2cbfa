"""Counting a file that is at hand, in this process: without any service."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tunesmith.dataset_rules.catalogue import RULES
from tunesmith.dataset_rules.examine import examine
from tunesmith.dataset_rules.findings import Severity
from tunesmith.dataset_rules.inspector import MAX_LINE_BYTES
from tunesmith.dataset_rules.shapes import (
    Example,
    Shape,
    decode_chat,
    decode_prompt_completion,
)
from tunesmith.dataset_rules.sources import Format, open_source
from tunesmith.token_counts.count import TokenCount
from tunesmith.token_counts.tally import Encoder, TokenTally

_CHUNK = 2**20


def readable_examples(shape: Shape, lines: Sequence[bytes]) -> list[Example]:
    """The examples in some rows of a file that the rules have seen.

    Rows that cannot be read are left out. Of a file with errors this may take a row that training
    would refuse, such as one with NUL in its text; of a valid one it takes just what is trained on.
    """
    decode = decode_chat if shape is Shape.CHAT else decode_prompt_completion
    try:
        return list(map(decode, lines))  # nearly always: the rules' own checks are not made again
    except ValueError:
        return [example for line in lines if (example := _example(shape, line)) is not None]


def _example(shape: Shape, line: bytes) -> Example | None:
    verdict = examine(line, shape, explain=False)
    faults = (RULES[problem.code].severity for problem in verdict.problems)
    return None if Severity.ERROR in faults else verdict.example


def count_file(
    path: str | Path,
    shape: Shape,
    encoder: Encoder,
    *,
    format: Format | None = None,
    on_progress: Callable[[int], object] = lambda done: None,
) -> TokenCount:
    """The tokens of the examples of a file; OSError if it cannot be read."""
    tally = TokenTally(encoder)
    source = open_source(max_line_bytes=MAX_LINE_BYTES, format=format, file_name=Path(path).name)
    done = 0
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            for rows in source.feed(chunk):
                tally.add(readable_examples(shape, rows.lines))
            on_progress(done := done + len(chunk))
    for rows in source.finish():
        tally.add(readable_examples(shape, rows.lines))
    return tally.count()
