"""A pattern in RE2 syntax as an automaton over the characters of suffixes.

RE2 tells whether a text matches. An automaton also tells, after each character, whether anything
can still match: see `suffix_pattern.shortest`, which this is for.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import re2

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-"
"""All that a normalised suffix is made of; letters first, for examples that read well."""
MAX_STATES = 4000
"""A pattern that needs more is TooLarge."""


class TooLarge(Exception):
    """A pattern that takes more states than are looked at."""


def kind(char: str) -> str:
    """All that the next step must know of the last character: none, a dash or another."""
    return char if char in ("", "-") else "a"


_Node = Callable[["Automaton", int], int]
"""Part of a pattern: adds itself before a state, and gives the state that it begins in."""

_TOKEN = re.compile(
    r"""
    \\Q(?P<quoted>.*?)(?:\\E|\Z)
  | (?P<edge>\\[AzbB]|[\^$])
  | (?P<times>[*+?]|\{\d+(?:,\d*)?\})\??
  | \(\?(?P<flags>[a-zA-Z]*(?:-[a-zA-Z]*)?)(?P<scope>[:)])
  | (?P<open>\((?:\?P?<\w+>)?)
  | (?P<close>\))
  | (?P<alternative>\|)
  | (?P<one>
        \[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]
      | \\[pP](?:\{[^}]*\}|.) | \\x(?:\{[^}]*\}|..) | \\[0-7]{1,3} | \\. | .
    )
    """,
    re.VERBOSE | re.DOTALL,
)


class Automaton:
    """The pattern over ALPHABET as a nondeterministic automaton (Thompson's construction).

    The syntax is RE2's, which has accepted the pattern before; what a single character or class
    stands for is asked of RE2.
    """

    def __init__(self, pattern: str) -> None:
        self._reads: list[frozenset[str]] = []
        self._to: list[tuple[int, ...]] = []
        self._edge: list[str] = []
        self._memo: dict[tuple[frozenset[int], str, str], frozenset[int]] = {}
        self.accept = self.add()
        self.start = _Parser(pattern).whole()(self, self.accept)
        self.sets = set(self._reads)

    def add(
        self, to: Sequence[int] = (), *, reads: frozenset[str] = frozenset(), edge: str = ""
    ) -> int:
        """A state that leads on to others: on a character of `reads`, or else without reading.

        Where `edge` is set it leads on only between characters where that assertion holds.
        """
        if len(self._to) > MAX_STATES:
            raise TooLarge
        self._reads.append(reads)
        self._to.append(tuple(to))
        self._edge.append(edge)
        return len(self._to) - 1

    def lead(self, state: int, to: Sequence[int]) -> None:
        """Make a state lead on to others."""
        self._to[state] = tuple(to)

    def step(self, states: frozenset[int], before: str, char: str) -> frozenset[int]:
        """The states after reading `char`, which follows `before`; empty if nothing can match."""
        key = (states, kind(before), char)
        if key not in self._memo:
            self._memo[key] = frozenset(
                to
                for state in self._between(states, before, char)
                if char in self._reads[state]
                for to in self._to[state]
            )
        return self._memo[key]

    def ends(self, states: frozenset[int], before: str) -> bool:
        """Whether the whole pattern matches if the text ends here, after `before`."""
        return self.accept in self._between(states, before, "")

    def _between(self, states: frozenset[int], before: str, after: str) -> set[int]:
        """All states that these lead to without reading, between two characters."""
        word = (before not in ("", "-")) != (after not in ("", "-"))
        holds = {"^": not before, "$": not after, "b": word, "B": not word, "": True}
        found, waiting = set(states), list(states)
        while waiting:
            state = waiting.pop()
            if self._reads[state] or not holds[self._edge[state]]:
                continue
            for to in self._to[state]:
                if to not in found:
                    found.add(to)
                    waiting.append(to)
        return found


class _Parser:
    """Takes a pattern apart by RE2's grammar."""

    def __init__(self, pattern: str) -> None:
        self._tokens = list(_TOKEN.finditer(pattern))
        self._next = 0
        self._flags = ""

    def whole(self) -> _Node:
        """The pattern, or as much of it as a group holds."""
        alternatives: list[_Node] = []
        sequence: list[_Node] = []
        while self._next < len(self._tokens):
            token = self._tokens[self._next]
            if token["close"]:
                break
            self._next += 1
            if token["alternative"]:
                alternatives.append(_sequence(sequence))
                sequence = []
            elif token["times"] and sequence:
                sequence[-1] = _repeat(sequence[-1], token["times"])
            elif token["scope"] == ")":
                self._flags = _changed(self._flags, token["flags"])
            elif token["scope"] or token["open"]:
                sequence.append(self._group(token["flags"] or ""))
            elif token["edge"]:
                sequence.append(_edge({"A": "^", "z": "$"}.get(token[0][-1], token[0][-1])))
            elif token["quoted"] is not None:
                sequence += [_one(re2.escape(char), self._flags) for char in token["quoted"]]
            else:
                sequence.append(_one(token[0], self._flags))
        return _choice([*alternatives, _sequence(sequence)])

    def _group(self, flags: str) -> _Node:
        outside = self._flags
        self._flags = _changed(outside, flags)
        inside = self.whole()
        self._flags = outside
        self._next += 1
        return inside


def _changed(flags: str, change: str) -> str:
    """Flags that change what single characters stand for, after `i-s`."""
    on, _, off = change.partition("-")
    return "".join(flag for flag in "is" if flag in flags + on and flag not in off)


def _one(token: str, flags: str) -> _Node:
    reads = _characters(token, flags)
    return lambda automaton, then: automaton.add([then] if reads else [], reads=reads)


@lru_cache(maxsize=1024)
def _characters(token: str, flags: str) -> frozenset[str]:
    if token in ALPHABET and "i" not in flags:
        return frozenset(token)
    single = re2.compile(f"(?{flags}:{token})")  # a part of what was compiled before
    return frozenset(char for char in ALPHABET if single.fullmatch(char))


def _edge(kind: str) -> _Node:
    return lambda automaton, then: automaton.add([then], edge=kind)


def _sequence(nodes: Sequence[_Node]) -> _Node:
    def build(automaton: Automaton, then: int) -> int:
        for node in reversed(nodes):
            then = node(automaton, then)
        return then

    return build


def _choice(nodes: Sequence[_Node]) -> _Node:
    if len(nodes) == 1:
        return nodes[0]
    return lambda automaton, then: automaton.add([node(automaton, then) for node in nodes])


_TIMES = {"*": "0,", "+": "1,", "?": "0,1"}


def _repeat(node: _Node, times: str) -> _Node:
    few, comma, many = _TIMES.get(times, times.strip("{}")).partition(",")
    least, most = int(few), int(many or few) if many or not comma else None

    def build(automaton: Automaton, then: int) -> int:
        if most is None:
            loop = automaton.add()
            automaton.lead(loop, [node(automaton, loop), then])
            entry = loop
        else:
            entry = then
            for _ in range(most - least):
                entry = automaton.add([node(automaton, entry), then])
        for _ in range(least):
            entry = node(automaton, entry)
        return entry

    return build
