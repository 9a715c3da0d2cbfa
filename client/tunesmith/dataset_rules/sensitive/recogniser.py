"""What every recogniser is: an expression, and a check of what it matches.

The expressions are RE2's: time is linear in the text whatever the text is, so that nobody can keep
a server busy with a row. They read bytes of UTF-8 one by one; letters outside of ASCII are in none.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import re2

from tunesmith.dataset_rules.sensitive.kinds import Kind

_MEMORY: Final = 16 * 2**20
"""What the automaton of one expression may take at most (bytes); beyond it is slow, not wrong."""
_CONTEXT: Final = 24
"""Bytes before a match that are its context."""
_WORD = re.compile(rb"[0-9A-Za-z_]*")

Check = Callable[[str], int]
"""How much of a match is meant: the number of its first characters, 0 if it is none after all."""


def compiled(pattern: str) -> Any:
    """An expression over bytes."""
    return re2.compile(pattern.encode("ascii"), _options())


def any_of(patterns: Sequence[str]) -> Any:
    """A search for all expressions at once; `Match` gives the indices of those that are found."""
    expressions = re2.Set.SearchSet(_options())
    for pattern in patterns:
        expressions.Add(pattern.encode("ascii"))
    expressions.Compile()
    return expressions


def _options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = _MEMORY
    return options


def all_of_it(check: Callable[[str], object]) -> Check:
    """A check that takes a match as a whole or not at all."""
    return lambda text: len(text) if check(text) else 0


def always(text: str) -> int:
    """Nothing more to check."""
    return len(text)


@dataclass(frozen=True)
class Recogniser:
    """Finds one form of one kind."""

    kind: Kind
    sign: str
    """A short expression that is in every text with a match, for the search through all texts at
    once. Never over the end of a line, and without a word boundary where `pattern` has none."""
    pattern: str
    """Its last group, if it has one, is what is meant."""
    check: Check = always
    not_before: str = r"[0-9A-Za-z_]"
    """What may not stand right before a match: a class of characters."""
    not_after: str = r"[0-9A-Za-z_]"
    """What may not stand right after it; looked for at the place, so more than one is possible."""
    not_in_context: str = ""
    """An expression that, found in the few characters before a match, tells of something else."""
    again: bool = False
    """Whether another match may begin with a later word of one that was refused."""

    def reader(self) -> "Reader":
        """It, ready for use."""
        return Reader(self)


class Reader:
    """A recogniser with its expressions compiled."""

    def __init__(self, recogniser: Recogniser) -> None:
        self.kind: Final = recogniser.kind
        self._check = recogniser.check
        self._again = recogniser.again
        self._expression = compiled(recogniser.pattern)
        self._before = re.compile(recogniser.not_before.encode())
        self._after = re.compile(recogniser.not_after.encode())
        context = recogniser.not_in_context
        self._context = re.compile(context.encode()) if context else None

    def spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where in the bytes it is found, in order."""
        search, at = self._expression.search, 0
        while found := search(data, at):
            start, end = found.span(self._expression.groups)
            if length := self._length(data, start, end):
                yield start, start + length
                at = start + length
            elif self._again:
                at = _end_of_word(data, found.start() + 1)
            else:
                at = found.end()

    def _length(self, data: bytes, start: int, end: int) -> int:
        """How much of a match is meant, looked at together with what stands beside it."""
        if start and self._before.match(data, start - 1):
            return 0
        if self._context and self._context.search(data[max(0, start - _CONTEXT) : start]):
            return 0
        text = data[start:end].decode("latin-1")
        while length := self._check(text):
            if not self._after.match(data, start + length):
                return length
            text = text[: max(text.rfind(" ", 0, length), 0)]
        return 0


def _end_of_word(data: bytes, at: int) -> int:
    found = _WORD.match(data, at)
    return found.end() if found else at
