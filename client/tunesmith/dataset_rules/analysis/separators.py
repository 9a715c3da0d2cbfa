"""Different separators at the end of prompts."""

import string
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from tunesmith.dataset_rules.analysis.check import Check
from tunesmith.dataset_rules.excerpts import excerpt
from tunesmith.dataset_rules.findings import FileProblem, Problem
from tunesmith.dataset_rules.shapes import Example, PromptCompletion

MANY: Final = 0.1
"""The share of the rows from which on an ending counts as a separator of this dataset."""
_LONGEST = 24
_MOST = 1000
_SIGNS = string.punctuation + string.whitespace
_OF_SENTENCES = set(".?!\"')…")
"""Signs with which sentences end: alone they are no separator."""


class Separators(Check):
    """Counts the signs with which prompts end."""

    def __init__(self) -> None:
        self._examples = 0
        self._endings: Counter[str] = Counter()

    def add(self, examples: Sequence[Example], numbers: Sequence[int]) -> None:
        """Count the endings, of at most 1,000 kinds."""
        self._examples += len(examples)
        tails = [row.prompt[-_LONGEST:] for row in examples if isinstance(row, PromptCompletion)]
        for tail in tails:
            ending = tail[len(tail.rstrip(_SIGNS)) :]
            if ending and (ending in self._endings or len(self._endings) < _MOST):
                self._endings[ending] += 1

    def findings(self) -> Iterator[FileProblem]:
        """SEPARATORS_MIXED, if there is more than one that part of the rows uses."""
        used = [
            (ending, count)
            for ending, count in sorted(self._endings.items(), key=lambda e: (-e[1], e[0]))
            if count > 1 and count >= MANY * self._examples and not set(ending) <= _OF_SENTENCES
        ]
        if len(used) < 2:
            return
        shown = ", ".join(f'"{excerpt(ending, 20)}" ({count:,})' for ending, count in used[:3])
        words = f"{len(used)} different endings of prompts: {shown}"
        yield FileProblem(0, Problem("SEPARATORS_MIXED", words), sum(c for _, c in used[1:]))
