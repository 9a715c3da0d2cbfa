"""Problems of a file, remembered in bounded memory."""

from collections.abc import Sequence
from typing import Final

from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.sources.rows import SourceProblem

KEPT: Final = 100
"""Of one code so many are kept with their lines; the others are counted."""


class Unreadable(Exception):
    """The file cannot be read on from here."""

    def __init__(self, problem: Problem, line: int = 0) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.line = line


class Noted:
    """What a source has found so far."""

    def __init__(self) -> None:
        self._kept: dict[str, list[SourceProblem]] = {}
        self._more: dict[str, int] = {}

    def add(self, line: int, code: str, message: str, suggestion: str = "") -> None:
        """Note one more."""
        kept = self._kept.setdefault(code, [])
        if len(kept) < KEPT:
            kept.append(SourceProblem(line, Problem(code, message, suggestion=suggestion)))
        else:
            self._more[code] = self._more.get(code, 0) + 1

    def all(self) -> Sequence[SourceProblem]:
        """Everything, the ones beyond `KEPT` as one without a line."""
        found = [problem for kept in self._kept.values() for problem in kept]
        found += [
            SourceProblem(0, Problem(code, f"{count:,} more of the same kind"), count)
            for code, count in self._more.items()
        ]
        return found
