"""What an inspection has to say, and about which place in the file."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """The dataset cannot be trained on until this is mended."""
    WARNING = "warning"
    """It can be trained on, but the model will probably be worse than it could be."""
    INFO = "info"
    """Worth knowing; nothing needs to be done."""


@dataclass(frozen=True)
class Finding:
    """One thing found in a dataset."""

    code: str
    """Which rule; a key of `RULES`, and API: it never changes."""
    severity: Severity
    line: int
    """Counted from 1, blank lines included; 0 where the finding is about the whole file."""
    pointer: str
    """RFC 6901 JSON pointer to the value within the row; empty for the row itself."""
    message: str
    """What was found, with at most a short, escaped excerpt of the text."""
    suggestion: str
    """What to do about it."""
    count: int = 1
    """How many rows (or, for NUL and the like, texts) it speaks of."""
    fixable: bool = False
    """Whether it can be mended without anybody's judgement."""

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.message}"


@dataclass(frozen=True)
class Problem:
    """A rule broken by one row, before it is known which line that is."""

    code: str
    message: str
    pointer: str = ""
    suggestion: str = ""
    """Empty where the rule's own suggestion says it best."""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A rule broken by a file as a whole, or by many of its rows together."""

    line: int
    """0 where it is about the whole file."""
    problem: Problem
    count: int = 1
    """How many rows it speaks of."""
