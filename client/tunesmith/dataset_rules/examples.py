"""The examples of a sound dataset, clean enough for the simplest reader.

An uploaded file may be of any format, in UTF-16, packed by gzip, with blank lines and with fields
that training does not use: all tolerated, none of them the trainer's business.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tunesmith.dataset_rules.catalogue import NOT_TRAINED, RULES
from tunesmith.dataset_rules.examine import examine
from tunesmith.dataset_rules.findings import Problem, Severity
from tunesmith.dataset_rules.inspector import MAX_LINE_BYTES
from tunesmith.dataset_rules.scan import Odd, scan
from tunesmith.dataset_rules.shapes import (
    Example,
    Message,
    Preference,
    PromptCompletion,
    Shape,
)
from tunesmith.dataset_rules.sources import Format, Rows, Source, open_source

_CHUNK = 2**20


class UnsoundRow(ValueError):
    """An error, in a file that was expected to have none; on line 0 that of the whole file."""

    def __init__(self, line: int, problem: Problem) -> None:
        place = f"line {line}: " if line else ""
        super().__init__(f"{place}{problem.message} ({problem.code})")
        self.line = line
        self.problem = problem


def examples(
    path: str | Path,
    shape: Shape,
    *,
    format: Format | None = None,
    file_name: str | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> Iterator[dict[str, Any]]:
    """The examples of a file, in its order, as plain dicts of the fields that training uses.

    `{"prompt": …, "completion": …}`, or `{"messages": [{"role": …, "content": …}, …]}` where
    `"weight": 0` stands on the messages that are not learnt, and only there. Without a `format` it
    is detected as by the inspector; `file_name` says how the file was called then, if not as now.
    Raises UnsoundRow.
    """
    name = Path(path).name if file_name is None else file_name
    source = open_source(max_line_bytes=max_line_bytes, format=format, file_name=name)
    for rows in _rows(path, source):
        for example in scan(shape, rows, _odd(shape)).examples:
            yield plain(example)
    for found in source.problems():
        if RULES[found.problem.code].severity is Severity.ERROR:
            raise UnsoundRow(found.line, found.problem)


def normalise(
    path_in: str | Path,
    path_out: str | Path,
    shape: Shape,
    *,
    format: Format | None = None,
    file_name: str | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> int:
    """Write the examples of a file as plain JSONL: UTF-8, one row a line; how many there are.

    `path_out` is there in full or not at all. The options are those of `examples`. Raises
    UnsoundRow and OSError.
    """
    target = Path(path_out)
    partial = target.with_name(f".{target.name[:100]}.{os.getpid()}.partial")
    encode = msgspec.json.Encoder().encode
    count = 0
    try:
        with partial.open("wb") as file:
            for example in examples(
                path_in,
                shape,
                format=format,
                file_name=file_name,
                max_line_bytes=max_line_bytes,
            ):
                file.write(encode(example) + b"\n")
                count += 1
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _rows(path: str | Path, source: Source) -> Iterator[Rows]:
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield from source.feed(chunk)
    yield from source.finish()


def _odd(shape: Shape) -> Odd:
    """The slow way for one line, where an error is one too many."""

    def odd(number: int, line: bytes) -> Example | None:
        verdict = examine(line, shape)
        for problem in verdict.problems:
            if RULES[problem.code].severity is Severity.ERROR or problem.code in NOT_TRAINED:
                raise UnsoundRow(number, problem)
        return verdict.example

    return odd


def plain(example: Example) -> dict[str, Any]:
    """The fields of an example that training uses, and no others."""
    if isinstance(example, PromptCompletion):
        return {"prompt": example.prompt, "completion": example.completion}
    if isinstance(example, Preference):
        return {
            "input": {"messages": _turns(example.input)},
            "preferred_output": _turns(example.preferred),
            "non_preferred_output": _turns(example.non_preferred),
        }
    return {"messages": _turns(example.messages)}


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for message in messages:
        turn: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.weight == 0:
            turn["weight"] = 0
        turns.append(turn)
    return turns
