"""Reads filters: from text to typed comparisons, or an error that shows where and what else."""

import difflib
import re
from collections.abc import Iterable
from typing import NoReturn

from tunesmith_server.domain.errors import InvalidArgument
from tunesmith_server.domain.filters import (
    EVERYTHING,
    Comparison,
    Fields,
    Filter,
    Kind,
    Labels,
    Operator,
)

MAX_LENGTH = 2048
"""Of a filter, in characters."""


def parse(text: str, fields: Fields) -> Filter:
    """The filter that `text` spells; an empty one is everything.

    Raises InvalidArgument on `filter`: at which character, what was found, what is allowed.
    """
    if not text.strip():
        return EVERYTHING
    try:
        return Filter(tuple(_Reader(text, fields).comparisons()))
    except _Malformed as error:
        at = f"at character {error.place + 1}: "
        raise InvalidArgument.of("filter", f"{at}{error.problem}") from None


class _Malformed(Exception):
    """What is wrong with the text at a place of it, counted from 0."""

    def __init__(self, place: int, problem: str) -> None:
        self.place = place
        self.problem = problem


_SPACE = re.compile(r"[ \t\r\n]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
_OPERATOR = re.compile(r"!=|<=|>=|[=<>:]")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_WORD = re.compile(r"[^\s\"'()]+")
_BARE = re.compile(r"[^\s\"'()=<>!:][^\s\"'()]*")
# PostgreSQL keeps no NUL, and half of a surrogate pair is no text
_NEVER = re.compile(r"[\x00\ud800-\udfff]")


class _Reader:
    """Reads one filter from left to right."""

    def __init__(self, text: str, fields: Fields) -> None:
        if len(text) > MAX_LENGTH:
            raise _Malformed(MAX_LENGTH, f"a filter has at most {MAX_LENGTH} characters")
        if odd := _NEVER.search(text):
            raise _Malformed(odd.start(), f"U+{ord(odd[0]):04X} cannot be in a filter")
        self._text = text
        self._fields = fields
        self._at = 0

    def comparisons(self) -> Iterable[Comparison]:
        """Every comparison, in order."""
        yield self._comparison()
        while self._rest():
            word = _WORD.match(self._text, self._at)
            if not word or word[0] != "AND":
                self._unjoined(word[0] if word else self._text[self._at])
            self._at = word.end()
            if not self._rest():
                raise _Malformed(self._at, "nothing follows AND")
            yield self._comparison()

    def _unjoined(self, found: str) -> NoReturn:
        if found.upper() == "AND":
            raise _Malformed(self._at, f"found {found!r}; write AND in capitals")
        if found == "OR":
            raise _Malformed(self._at, "OR is not supported; comparisons are joined by AND")
        raise _Malformed(self._at, f"found {_short(found)}, where AND or the end should be")

    def _comparison(self) -> Comparison:
        self._rest()
        start = self._at
        name, kind = self._field()
        key = self._key() if isinstance(kind, Labels) else ""
        path = f"{name}.{key}" if key else name
        self._rest()
        operator = self._operator(path, kind)
        self._rest()
        place = self._at
        text, quoted = self._value(path, operator)
        if operator is Operator.HAS:
            return self._has(name, key, text, quoted, place)
        if isinstance(kind, Labels) and not key:
            raise _Malformed(start, f"{name} needs a key: {name}.KEY {operator} VALUE")
        try:
            return Comparison(name, operator, kind.value(text), key)
        except ValueError as error:
            raise _Malformed(place, f"{path}: {_short(text)} {error}") from None

    def _has(self, name: str, key: str, text: str, quoted: bool, place: int) -> Comparison:
        """`labels:KEY` and `labels.KEY:*` ask for a key; `labels.KEY:VALUE` means equal."""
        if key:
            if text == "*" and not quoted:
                return Comparison(name, Operator.HAS, key=key)
            return Comparison(name, Operator.EQ, text, key)
        if not _KEY.fullmatch(text):
            raise _Malformed(place, f"{name}: {_short(text)} cannot be a key")
        return Comparison(name, Operator.HAS, key=text)

    def _field(self) -> tuple[str, Kind]:
        found = _NAME.match(self._text, self._at)
        if not found:
            shown = self._text[self._at : self._at + 1]
            hint = "negation and parentheses are not supported; " if shown in ("-", "(") else ""
            raise _Malformed(self._at, f"found {shown!r}, where a field should be; {hint}{self}")
        name = found[0]
        if name == "NOT":
            raise _Malformed(self._at, "NOT is not supported; use !=")
        kind = self._fields.get(name)
        if kind is None:
            near = difflib.get_close_matches(name[:80], self._fields, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise _Malformed(self._at, f"there is no field {_short(name)}{meant}; {self}")
        self._at = found.end()
        return name, kind

    def _key(self) -> str:
        if self._text[self._at : self._at + 1] != ".":
            return ""
        found = _KEY.match(self._text, self._at + 1)
        if not found:
            raise _Malformed(self._at + 1, "a label's key should follow the dot")
        self._at = found.end()
        return found[0]

    def _operator(self, path: str, kind: Kind) -> Operator:
        allowed = ", ".join(kind.operators)
        found = _OPERATOR.match(self._text, self._at)
        if not found:
            rest = self._text[self._at : self._at + 20]
            shown = f"found {rest!r}" if rest else "the filter ends"
            raise _Malformed(self._at, f"{shown}, where one of {allowed} should follow {path}")
        operator = Operator(found[0])
        if operator not in kind.operators:
            raise _Malformed(self._at, f"{path} cannot be compared by {operator}; use {allowed}")
        self._at = found.end()
        return operator

    def _value(self, path: str, operator: Operator) -> tuple[str, bool]:
        quoted = _QUOTED.match(self._text, self._at)
        found = quoted or _BARE.match(self._text, self._at)
        if not found:
            rest = self._text[self._at : self._at + 1]
            if rest in ('"', "'") and rest:
                raise _Malformed(self._at, f"the {rest} is never closed")
            shown = f"found {rest!r}" if rest else "the filter ends"
            raise _Malformed(self._at, f"{shown}, where a value should follow {path} {operator}")
        start, self._at = self._at, found.end()
        if not quoted:
            return found[0], False
        for escape in _ESCAPE.finditer(found[0]):
            if escape[1] not in "\"'\\":
                at = start + escape.start()
                raise _Malformed(at, f"a backslash stands before \", ' or \\, not {escape[1]!r}")
        return _ESCAPE.sub(r"\1", found[0][1:-1]), True

    def _rest(self) -> bool:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._at < len(self._text)

    def __str__(self) -> str:
        shown = [f"{n}.KEY" if isinstance(k, Labels) else n for n, k in self._fields.items()]
        return f"this list has: {', '.join(shown)}" if shown else "this list cannot be filtered"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")
