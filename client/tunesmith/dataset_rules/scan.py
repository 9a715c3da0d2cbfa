"""The fast way through many lines: decode, look for the few faults that decoding lets pass, count.

These loops run once a row and are written for speed: local names, no calls that could be saved.
Whatever is not plainly sound goes to `odd`, which has the last word (see `examine`).
"""

from collections.abc import Callable, Sequence

from tunesmith.dataset_rules.chat import measure
from tunesmith.dataset_rules.shapes import (
    Example,
    Shape,
    decode_chat,
    decode_prompt_completion,
)
from tunesmith.dataset_rules.statistics import Tally

Odd = Callable[[int, bytes], Example | None]
"""Takes the number and the bytes of a line; gives the example in it, if there is one after all."""

# {"prompt":"","completion":""} takes 29 bytes, and the shortest second key, ,"prompt":"", 12 more:
# a line with less than that beside its texts cannot have a key twice.
_ROOM_FOR_NO_SECOND_KEY = 40


def scan(
    shape: Shape, lines: Sequence[bytes], numbers: Sequence[int], tally: Tally, odd: Odd
) -> tuple[list[Example], Sequence[int]]:
    """The examples in some lines, counted in `tally`, and the lines they stand on."""
    if shape is Shape.CHAT:
        return _scan_chat(lines, numbers, tally, odd)
    return _scan_prompt_completion(lines, numbers, tally, odd)


def structural_quotes(line: bytes) -> int:
    """How many quotes in a line of sound JSON open or close a string."""
    return line.replace(rb"\\", b"").replace(rb"\"", b"").count(b'"')


def _scan_prompt_completion(
    lines: Sequence[bytes], numbers: Sequence[int], tally: Tally, odd: Odd
) -> tuple[list[Example], Sequence[int]]:
    decode = decode_prompt_completion
    examples: list[Example] = []
    without: set[int] = set()
    prompt_bytes = completion_bytes = longest = empty = by_odd = 0
    for number, line in zip(numbers, lines, strict=True):
        try:
            row = decode(line)
        except ValueError:
            pass
        else:
            prompt, completion = row.prompt, row.completion
            p = len(prompt) if prompt.isascii() else len(prompt.encode())
            c = len(completion) if completion.isascii() else len(completion.encode())
            both = p + c
            if (
                c
                and not completion.isspace()
                and "\0" not in prompt
                and "\0" not in completion
                and (len(line) - both <= _ROOM_FOR_NO_SECOND_KEY or structural_quotes(line) == 8)
            ):
                prompt_bytes += p
                completion_bytes += c
                if both > longest:
                    longest = both
                if not p:
                    empty += 1
                examples.append(row)
                continue
        example = odd(number, line)
        if example is None:
            without.add(number)
        else:
            by_odd += 1
            tally.add(example)
            examples.append(example)
    tally.example_count += len(examples) - by_odd
    tally.prompt_bytes += prompt_bytes
    tally.completion_bytes += completion_bytes
    tally.longest = max(tally.longest, longest)
    tally.empty_prompts += empty
    tally.count_classes(examples)
    return examples, _remaining(numbers, without)


def _scan_chat(
    lines: Sequence[bytes], numbers: Sequence[int], tally: Tally, odd: Odd
) -> tuple[list[Example], Sequence[int]]:
    examples: list[Example] = []
    without: set[int] = set()
    for number, line in zip(numbers, lines, strict=True):
        try:
            row = decode_chat(line)
        except ValueError:
            pass
        else:
            measures = measure(row.messages)
            if measures is not None and _quotes(line, 2 * measures.strings):
                tally.add_chat(row, measures.prompt_bytes, measures.completion_bytes)
                examples.append(row)
                continue
        example = odd(number, line)
        if example is None:
            without.add(number)
        else:
            tally.add(example)
            examples.append(example)
    return examples, _remaining(numbers, without)


def _remaining(numbers: Sequence[int], without: set[int]) -> Sequence[int]:
    return [number for number in numbers if number not in without] if without else numbers


def _quotes(line: bytes, expected: int) -> bool:
    """Whether as many quotes as `expected` open and close strings: there are never fewer."""
    return line.count(b'"') == expected or structural_quotes(line) == expected
