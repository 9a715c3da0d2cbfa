"""The fast way through many lines: decode, look for the few faults that decoding lets pass.

Whatever is not plainly sound goes to `odd`, which has the last word (see `examine`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tunesmith.dataset_rules.blocks import read_block
from tunesmith.dataset_rules.chat import measure
from tunesmith.dataset_rules.shapes import (
    Example,
    Shape,
    decode_chat,
    decode_prompt_completion,
    text_bytes,
)
from tunesmith.dataset_rules.sources import Rows

Odd = Callable[[int, bytes], Example | None]
"""Takes the number and the bytes of a line; gives the example in it, if there is one after all."""

# {"prompt":"","completion":""} takes 29 bytes, and the shortest second key, ,"prompt":"", 12 more:
# a line with less than that beside its texts cannot have a key twice.
_ROOM_FOR_NO_SECOND_KEY = 40


class Sound(NamedTuple):
    """The examples among some rows."""

    examples: Sequence[Example]
    numbers: Sequence[int]
    """The lines they stand on."""
    text_bytes: int
    """UTF-8 bytes of all their text."""


def scan(shape: Shape, rows: Rows, odd: Odd) -> Sound:
    """The examples in some rows."""
    if rows.block is not None:
        block = read_block(shape, rows.block)
        if block is not None:
            rows.counted(len(block.examples))
            return Sound(block.examples, rows.numbers, block.text_bytes)
    return scan_lines(shape, rows.lines, rows.numbers, odd)


def scan_lines(shape: Shape, lines: Sequence[bytes], numbers: Sequence[int], odd: Odd) -> Sound:
    """The examples in some lines, looked at one by one."""
    try_line = _PLAINLY_SOUND[shape]
    examples: list[Example] = []
    without: set[int] = set()
    """Places in `lines`: several rows may stand on one line of a file."""
    size = 0
    for place, (number, line) in enumerate(zip(numbers, lines, strict=True)):
        example, weight = try_line(line)
        if example is None:
            example = odd(number, line)
            if example is None:
                without.add(place)
                continue
            weight = text_bytes(example)
        examples.append(example)
        size += weight
    if without:
        numbers = [number for place, number in enumerate(numbers) if place not in without]
    return Sound(examples, numbers, size)


def structural_quotes(line: bytes) -> int:
    """How many quotes in a line of sound JSON open or close a string."""
    return line.replace(rb"\\", b"").replace(rb"\"", b"").count(b'"')


def _prompt_completion(line: bytes) -> tuple[Example | None, int]:
    """A row that is plainly sound, and the bytes of its text."""
    try:
        row = decode_prompt_completion(line)
    except ValueError:
        return None, 0
    prompt, completion = row.prompt, row.completion
    size = (len(prompt) if prompt.isascii() else len(prompt.encode())) + (
        len(completion) if completion.isascii() else len(completion.encode())
    )
    if (
        not completion.isspace()
        and "\0" not in prompt
        and "\0" not in completion
        and (len(line) - size <= _ROOM_FOR_NO_SECOND_KEY or structural_quotes(line) == 8)
    ):
        return row, size
    return None, 0


def _chat(line: bytes) -> tuple[Example | None, int]:
    """A conversation that is plainly sound, and the bytes of its text."""
    try:
        row = decode_chat(line)
    except ValueError:
        return None, 0
    measures = measure(row.messages)
    if measures is None or not _quotes(line, 2 * measures.strings):
        return None, 0
    return row, measures.text_bytes


def _never(line: bytes) -> tuple[Example | None, int]:
    """There is no faster way."""
    return None, 0


_PLAINLY_SOUND: dict[Shape, Callable[[bytes], tuple[Example | None, int]]] = {
    Shape.PROMPT_COMPLETION: _prompt_completion,
    Shape.CHAT: _chat,
    Shape.PREFERENCE: _never,
}


def _quotes(line: bytes, expected: int) -> bool:
    """Whether as many quotes as `expected` open and close strings: there are never fewer."""
    return line.count(b'"') == expected or structural_quotes(line) == expected
