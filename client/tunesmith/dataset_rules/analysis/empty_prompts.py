"""Prompts that are empty in some rows and not in others."""

from collections.abc import Iterator, Sequence

from tunesmith.dataset_rules.analysis.check import Check
from tunesmith.dataset_rules.excerpts import plural
from tunesmith.dataset_rules.findings import FileProblem, Problem
from tunesmith.dataset_rules.shapes import Example, PromptCompletion


class EmptyPrompts(Check):
    """Tells a lost column from open-ended generation, which has no prompts at all."""

    def __init__(self) -> None:
        self._examples = 0
        self._empty = 0

    def add(self, examples: Sequence[Example], numbers: Sequence[int]) -> None:
        """Count them."""
        self._examples += len(examples)
        self._empty += sum(not row.prompt for row in examples if isinstance(row, PromptCompletion))

    def findings(self) -> Iterator[FileProblem]:
        """PROMPT_EMPTY, if it is some and not all."""
        if 0 < self._empty < self._examples:
            words = f"{self._empty:,} of {plural(self._examples, 'prompt')} are empty"
            yield FileProblem(0, Problem("PROMPT_EMPTY", words), self._empty)
