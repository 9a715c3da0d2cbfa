"""What every source gives, whatever it reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.sources.formats import Format


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a file, in its order."""

    numbers: Sequence[int]
    """The line on which each begins, from 1; ascending."""
    lines: Sequence[bytes]
    """Each as a line of JSON, with or without a line feed; a `CutLine` where it was too long."""


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """What a source has to say of the file itself."""

    line: int
    """0 where it is about the whole file."""
    problem: Problem
    count: int = 1


class Source(Protocol):
    """Reads one file. Memory is bounded, whatever the file is."""

    @property
    def format(self) -> Format | None:
        """As told or detected; None as long as too little has been read."""

    def feed(self, chunk: bytes) -> Iterator[Rows]:
        """The rows that `chunk` completes. Must be read to its end before the next call."""

    def finish(self) -> Iterator[Rows]:
        """The rows that were left; no more pieces can come."""

    def problems(self) -> Sequence[SourceProblem]:
        """What was found about the file so far; of an error there are no more rows to come."""
