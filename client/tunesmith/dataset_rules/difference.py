"""What is different between two datasets, row by row, whatever the formats they are written in.

Two rows are the same if the same is trained on: the order of fields, white space, escapes and
fields that training does not use make no difference. A row with an error is the same as one of the
same bytes. Memory grows with the number of rows, not with their size: of each row two fingerprints
are kept, which are Python's own hashes of 64 bits and differ from process to process.
"""

from array import array
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tunesmith.dataset_rules.examine import examine
from tunesmith.dataset_rules.examples import plain
from tunesmith.dataset_rules.inspector import MAX_LINE_BYTES
from tunesmith.dataset_rules.shapes import (
    Example,
    Message,
    Preference,
    PromptCompletion,
    decode_chat,
    decode_prompt_completion,
)
from tunesmith.dataset_rules.sources import Format, Rows, open_source

_CHUNK: Final = 2**20
_FAULTY: Final = 0
"""The print of what a row asks where it has an error: it is never said to be changed."""
_encode = msgspec.json.Encoder().encode

Pair = tuple[int, int]
"""The places of a row on either side, from 0, blank lines left out."""


@dataclass(frozen=True)
class Difference:
    """Rows by their places, from 0; each row is in one of these alone."""

    same: int
    """How many are the same and in the same order."""
    moved: Sequence[Pair] = ()
    """The same on both sides, elsewhere in the order: as few as can be said to have moved."""
    changed: Sequence[Pair] = ()
    """That ask the same (the prompt; the messages before the last of the assistant) and are
    answered otherwise, weights included."""
    removed: Sequence[int] = ()
    """Only on the left side."""
    added: Sequence[int] = ()
    """Only on the right side."""

    @property
    def differs(self) -> bool:
        """Whether anything is different, the order included."""
        return bool(self.moved or self.changed or self.removed or self.added)


class Prints:
    """The fingerprints of the rows of one dataset, in its order: 24 bytes a row."""

    def __init__(self) -> None:
        self.rows = array("q")
        """Of all that is trained on."""
        self.questions = array("q")
        """Of what the row asks."""
        self.lines = array("q")
        """The lines that the rows stand on."""

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, rows: Rows) -> None:
        """The next rows of the file."""
        for number, line in zip(rows.numbers, rows.lines, strict=True):
            if not line.strip():
                continue
            example = _read(line)
            whole, question = _prints(line, example)
            self.rows.append(whole)
            self.questions.append(question)
            self.lines.append(number)


def compare(left: Prints, right: Prints) -> Difference:
    """What is different between the rows of two datasets."""
    start = _common(left.rows, right.rows)
    end = _common(reversed(left.rows[start:]), reversed(right.rows[start:]))
    lefts = range(start, len(left) - end)
    rights = range(start, len(right) - end)
    pairs, gone, come = _paired(left.rows, lefts, right.rows, rights)
    stayed = _longest_rising([there for _, there in pairs])
    moved = [pair for index, pair in enumerate(pairs) if index not in stayed]
    sound = [place for place in gone if left.questions[place] != _FAULTY]
    changed, _, _ = _paired(left.questions, sound, right.questions, come)
    altered = {here for here, _ in changed}, {there for _, there in changed}
    return Difference(
        same=start + end + len(stayed),
        moved=moved,
        changed=changed,
        removed=[place for place in gone if place not in altered[0]],
        added=[place for place in come if place not in altered[1]],
    )


def print_file(
    path: str | Path,
    *,
    format: Format | None = None,
    on_progress: Callable[[int], object] = lambda done: None,
) -> Prints:
    """The fingerprints of a file; OSError if it cannot be read. Tells the bytes that were read."""
    prints = Prints()
    for rows in _rows(path, format, on_progress):
        prints.add(rows)
    return prints


def rows_at(
    path: str | Path, places: Iterable[int], *, format: Format | None = None
) -> dict[int, str]:
    """The rows at some places: what is trained on, as one line of JSON; one with an error as it is.

    Reads the file up to the last of them.
    """
    wanted = set(places)
    found: dict[int, str] = {}
    place = 0
    if not wanted:
        return found
    for rows in _rows(path, format, lambda done: None):
        for line in rows.lines:
            if not line.strip():
                continue
            if place in wanted:
                example = _read(line)
                shown = line if example is None else _encode(plain(example))
                found[place] = shown.decode(errors="replace").strip()
            place += 1
        if len(found) == len(wanted):
            break
    return found


def spans(before: str, after: str) -> tuple[Pair, Pair]:
    """Where two texts differ: what is left on each side between what they begin and end with."""
    start = _common(before, after)
    end = _common(reversed(before[start:]), reversed(after[start:]))
    return (start, len(before) - end), (start, len(after) - end)


def _rows(
    path: str | Path, format: Format | None, on_progress: Callable[[int], object]
) -> Iterator[Rows]:
    source = open_source(max_line_bytes=MAX_LINE_BYTES, format=format, file_name=Path(path).name)
    done = 0
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield from source.feed(chunk)
            on_progress(done := done + len(chunk))
    yield from source.finish()


def _read(line: bytes) -> Example | None:
    """The example in a line; None if there is an error in it."""
    for decode in (decode_prompt_completion, decode_chat):
        try:
            row: Example = decode(line)
        except ValueError:
            continue
        return row
    return examine(line, None, explain=False).example


def _prints(line: bytes, example: Example | None) -> tuple[int, int]:
    """The fingerprints of a whole row and of what it asks."""
    if example is None:
        return hash(line.strip()), _FAULTY
    if isinstance(example, PromptCompletion):
        return hash((example.prompt, example.completion)), _of_question(example.prompt)
    if isinstance(example, Preference):
        asked = _turns(example.input)
        whole = (asked, _turns(example.preferred), _turns(example.non_preferred))
        return hash(whole), _of_question(asked)
    turns = _turns(example.messages)
    last = max((i for i, turn in enumerate(turns) if turn[0] == "assistant"), default=len(turns))
    return hash(turns), _of_question(turns[:last])


def _of_question(asked: object) -> int:
    return hash(asked) or 1


def _turns(messages: Sequence[Message]) -> tuple[tuple[str, str, bool], ...]:
    return tuple((each.role, each.content, each.weight != 0) for each in messages)


def _common(left: Iterable[object], right: Iterable[object]) -> int:
    """How many the two begin with alike."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def _paired(
    left: Sequence[int], lefts: Iterable[int], right: Sequence[int], rights: Iterable[int]
) -> tuple[list[Pair], list[int], list[int]]:
    """Places of equal prints, the first with the first; and those that are left on either side."""
    waiting: dict[int, deque[int]] = defaultdict(deque)
    rights = list(rights)
    for place in rights:
        waiting[right[place]].append(place)
    pairs: list[Pair] = []
    gone: list[int] = []
    for place in lefts:
        there = waiting.get(left[place])
        if there:
            pairs.append((place, there.popleft()))
        else:
            gone.append(place)
    rest = {place for places in waiting.values() for place in places}
    return pairs, gone, [place for place in rights if place in rest]


def _longest_rising(numbers: Sequence[int]) -> set[int]:
    """The indices of a longest rising subsequence of different numbers: n log n."""
    ends: list[int] = []
    """Of the subsequences of each length found so far: the lowest number that one ends with."""
    lasts: list[int] = []
    before: list[int] = []
    for index, number in enumerate(numbers):
        length = bisect_left(ends, number)
        before.append(lasts[length - 1] if length else -1)
        ends[length : length + 1] = [number]
        lasts[length : length + 1] = [index]
    rising: set[int] = set()
    index = lasts[-1] if lasts else -1
    while index >= 0:
        rising.add(index)
        index = before[index]
    return rising
