"""Patterns that suffixes must match: RE2, and whether any suffix at all can match.

RE2 (https://github.com/google/re2) runs in time linear in the text, whatever the pattern, and in
memory bounded by MAX_MEMORY: a tenant's pattern cannot hang the service. It answers "does this
suffix match?" and nothing else; whether a policy leaves any suffix to choose, `shortest` finds
out with an automaton of our own. The two agree by test on random patterns, and whatever `shortest`
finds has been confirmed by RE2.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import re2

from tunesmith_server.domain.automaton import ALPHABET, Automaton, TooLarge, kind

MAX_PATTERN = 256
"""Characters of a pattern."""
MAX_PROGRAM = 1000
"""Instructions of a compiled pattern; `[a-z0-9-]{1,64}` has 259."""
MAX_MEMORY = 1 << 20
"""Bytes that a compiled pattern and its caches may take."""
MAX_SEARCH = 2000
"""States of the search for a suffix that matches."""


class PatternInvalid(ValueError):
    """A pattern that RE2 does not take, or that is larger than allowed. Its text says why."""


def matches(pattern: str, suffix: str) -> bool:
    """Whether the whole of `suffix` matches; PatternInvalid for one that is none."""
    return bool(_compiled(pattern).fullmatch(suffix))


def program_size(pattern: str) -> int:
    """Instructions of the compiled pattern, at most MAX_PROGRAM, or PatternInvalid."""
    return int(_compiled(pattern).programsize)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    if len(pattern) > MAX_PATTERN:
        raise PatternInvalid(f"has {len(pattern)} characters; at most {MAX_PATTERN} are allowed")
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        why = error.args[0] if error.args else ""
        told = why.decode(errors="replace") if isinstance(why, bytes) else "not valid Unicode"
        raise PatternInvalid(f"is not in RE2 syntax: {told}") from None
    if compiled.programsize > MAX_PROGRAM:
        raise PatternInvalid(
            f"compiles to {compiled.programsize} instructions; at most {MAX_PROGRAM} are allowed: "
            "use fewer or shorter repetitions"
        )
    return compiled


def shortest(
    pattern: str,
    *,
    start: str,
    max_length: int,
    without: Sequence[str] = (),
    search: int = MAX_SEARCH,
) -> str | None:
    """The shortest normalised suffix that begins with `start`, matches and has none of the words.

    `start` must be a normalised suffix or the beginning of one. None if there is no such suffix of
    at most `max_length` characters. Raises PatternInvalid, and TooLarge if after `search` states
    there may still be one.
    """
    _compiled(pattern)
    automaton = Automaton(pattern)
    words = _Words(without)
    letters = _representatives(automaton, words)
    states, tail, before = frozenset({automaton.start}), words.after("", "-"), ""
    for char in start:
        states, tail = automaton.step(states, before, char), words.after(tail, char)
        before = char
        if not states or tail is None:
            return None
    level = {(states, tail, kind(before)): start}
    seen = set(level)
    for length in range(len(start), max_length + 1):
        following: dict[tuple[frozenset[int], str | None, str], str] = {}
        for (states, tail, last), text in level.items():
            whole = last == "a"
            if whole and words.after(tail, "-") is not None and automaton.ends(states, last):
                if not matches(pattern, text):  # a fault of our automaton: RE2's word counts
                    raise TooLarge
                return text
            for char in letters if whole else letters.replace("-", ""):
                states_then, tail_then = automaton.step(states, last, char), words.after(tail, char)
                key = (states_then, tail_then, kind(char))
                if states_then and tail_then is not None and key not in seen:
                    seen.add(key)
                    following[key] = text + char
        if len(seen) > search and length < max_length:
            raise TooLarge
        level = following
    return None


def _representatives(automaton: Automaton, words: "_Words") -> str:
    """One character of each kind that neither the pattern nor the words tell apart."""
    kinds: dict[object, str] = {}
    for char in ALPHABET:
        own = char if char == "-" or char in words.characters else ""
        kinds.setdefault((own, *(char in some for some in automaton.sets)), char)
    return "".join(kinds.values())


class _Words:
    """Whether a text has one of some words between its dashes, told a character at a time."""

    def __init__(self, words: Sequence[str]) -> None:
        self._banned = {f"-{word}-" for word in words}
        self._begun = {word[:end] for word in self._banned for end in range(len(word) + 1)}
        self.characters = frozenset("".join(words))

    def after(self, tail: str | None, char: str) -> str | None:
        """What must be remembered after one more character; None once there is a word."""
        if tail is None:
            return None
        tail += char
        while tail not in self._begun and tail:
            tail = tail[1:]
        # a word may end inside the beginning of a longer one: "ai" in "open-ai-…"
        ended = char == "-" and any(
            tail[place:] in self._banned for place, one in enumerate(tail) if one == "-"
        )
        return None if ended else tail
