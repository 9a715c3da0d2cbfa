"""What every source gives, whatever it reads."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Protocol

from tunesmith.dataset_rules.findings import FileProblem
from tunesmith.dataset_rules.sources.formats import Format

SourceProblem = FileProblem
"""What a source has to say of the file itself."""


class Rows:
    """Some rows of a file, in its order: listed, or as the block of lines that they are."""

    __slots__ = ("_count", "_first", "_lines", "_numbers", "block")

    block: bytes | None
    """The lines as they stand in the file, each with its line feed; None where they are listed."""

    def __init__(self, numbers: Sequence[int], lines: Sequence[bytes]) -> None:
        self._numbers: Sequence[int] | None = numbers
        self._lines: Sequence[bytes] | None = lines
        self._count: int | None = len(lines)
        self._first = 0
        self.block = None

    @classmethod
    def of_block(cls, first: int, block: bytes) -> "Rows":
        """The lines of a block, of which the first has the number `first`. Cut when needed."""
        rows = cls((), ())
        rows.block, rows._first = block, first
        rows._numbers = rows._lines = rows._count = None
        return rows

    def counted(self, count: int) -> None:
        """Tell how many lines the block has, for one who knows without cutting it."""
        self._count = count

    def __len__(self) -> int:
        return len(self.lines) if self._count is None else self._count

    @property
    def lines(self) -> Sequence[bytes]:
        """Each as one line of JSON, line feed or not; a `CutLine` where it was too long."""
        if self._lines is None:
            # Much faster than split, and JSON does not mind the line feeds that stay on.
            self._lines = BytesIO(self.block or b"").readlines()
            self._count = len(self._lines)
        return self._lines

    @property
    def numbers(self) -> Sequence[int]:
        """The line on which each begins, from 1; ascending."""
        if self._numbers is None:
            self._numbers = range(self._first, self._first + len(self))
        return self._numbers


class Source(Protocol):
    """Reads one file. Memory is bounded, whatever the file is."""

    @property
    def format(self) -> Format | None:
        """As told or detected; None as long as too little has been read."""

    @property
    def encoding(self) -> str:
        """Of the text, such as `utf-8` or `utf-16-le`; empty for a workbook or if not known."""

    def feed(self, chunk: bytes) -> Iterator[Rows]:
        """The rows that `chunk` completes, in batches of at least one.

        Must be read to its end before the next call, each batch before the next is asked for.
        """

    def finish(self) -> Iterator[Rows]:
        """The rows that were left; no more pieces can come."""

    def problems(self) -> Sequence[SourceProblem]:
        """What was found so far about the file, and about rows that are not among those given."""
