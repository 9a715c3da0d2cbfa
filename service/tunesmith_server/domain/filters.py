"""Filters of lists: comparisons joined by AND, in the form of AIP-160.

    state = RUNNING AND labels.team = "search" AND create_time >= 2026-11-24T10:00:00Z

Each list declares which fields it can be filtered by and of what kind they are; `filter_parser`
reads texts. A value that is not there, such as a label that a row lacks, matches no comparison,
`!=` included: `labels.team:*` asks whether it is there.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol


class Operator(StrEnum):
    """How a field is compared. HAS asks for a key of a map."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    HAS = ":"


@dataclass(frozen=True)
class Comparison:
    """One condition on a row: `field` or, in a map, the value under `key` of it."""

    field: str
    operator: Operator
    value: str | datetime = ""
    """Empty for HAS."""
    key: str = ""

    def __str__(self) -> str:
        path = f"{self.field}.{self.key}" if self.key else self.field
        if self.operator is Operator.HAS:
            return f"{path}:*"
        if isinstance(self.value, datetime):
            text = self.value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        else:
            text = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{path} {self.operator} "{text}"'


@dataclass(frozen=True)
class Filter:
    """Every comparison must hold. Its text parses to itself; none is everything."""

    comparisons: tuple[Comparison, ...] = ()

    def __str__(self) -> str:
        return " AND ".join(map(str, self.comparisons))


EVERYTHING = Filter()


class Kind(Protocol):
    """The type of a field: which operators it has, and what a text means as its value."""

    @property
    def operators(self) -> Sequence[Operator]:
        """What it can be compared by."""
        ...

    def value(self, text: str) -> str | datetime:
        """The value, or ValueError that says what is wrong with the text."""
        ...


_EQUALITY = (Operator.EQ, Operator.NE)


@dataclass(frozen=True)
class Text:
    """Any text. `prefix` is what the contract writes before it, such as `baseModels/`."""

    prefix: str = ""

    @property
    def operators(self) -> Sequence[Operator]:
        """Equal or not."""
        return _EQUALITY

    def value(self, text: str) -> str:
        """The text without the prefix."""
        return text.removeprefix(self.prefix)


@dataclass(frozen=True)
class Choice:
    """One of a few names, in our spelling or, after `prefix`, in the contract's."""

    names: tuple[str, ...]
    prefix: str = ""

    @classmethod
    def of(cls, names: Iterable[str], prefix: str = "") -> "Choice":
        """Of an enum's values."""
        return cls(tuple(map(str, names)), prefix)

    @property
    def operators(self) -> Sequence[Operator]:
        """Equal or not."""
        return _EQUALITY

    def value(self, text: str) -> str:
        """The name in our spelling."""
        plain = text.lower().removeprefix(self.prefix.lower())
        if plain in self.names:
            return plain
        shown = {name: name.upper() if self.prefix else name for name in self.names}
        near = difflib.get_close_matches(plain[:80], self.names, 1)
        meant = f"; did you mean {shown[near[0]]}?" if near else ""
        raise ValueError(f"is not one of {', '.join(shown.values())}{meant}")


# What fromisoformat takes is wider than RFC 3339, and rounds silently what is finer than it keeps.
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


@dataclass(frozen=True)
class Moment:
    """A point in time after RFC 3339, to the microsecond."""

    @property
    def operators(self) -> Sequence[Operator]:
        """All that order gives."""
        return (*_EQUALITY, Operator.LT, Operator.LE, Operator.GT, Operator.GE)

    def value(self, text: str) -> datetime:
        """The moment in UTC."""
        if _MOMENT.fullmatch(text):
            try:
                return datetime.fromisoformat(text.upper()).astimezone(UTC)
            except (ValueError, OverflowError):
                raise ValueError("is no date and time that there is") from None
        raise ValueError("is no RFC 3339 time with a zone, such as 2026-11-24T10:00:00Z")


@dataclass(frozen=True)
class Labels:
    """A map of texts, asked for by key."""

    @property
    def operators(self) -> Sequence[Operator]:
        """Equal or not, or there at all."""
        return (*_EQUALITY, Operator.HAS)

    def value(self, text: str) -> str:
        """The text itself."""
        return text


Fields = Mapping[str, Kind]
"""What a list can be filtered by."""
