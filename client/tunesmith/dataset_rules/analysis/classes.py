"""Completions that look like the labels of a classification."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tunesmith.dataset_rules.analysis.check import Check
from tunesmith.dataset_rules.shapes import Example, PromptCompletion
from tunesmith.dataset_rules.statistics import Statistics

MAX_CLASSES: Final = 50
"""With more distinct completions than this, a dataset is no classification."""
MAX_CLASS_CHARACTERS: Final = 64
"""A longer completion is a text and no label."""


class Classes(Check):
    """Counts the examples of each class, until the completions cannot be classes."""

    def __init__(self) -> None:
        self._counts: Counter[str] | None = Counter()

    def add(self, examples: Sequence[Example], numbers: Sequence[int]) -> None:
        """Count the completions."""
        if self._counts is None:
            return
        labels = [row.completion for row in examples if isinstance(row, PromptCompletion)]
        self._counts.update(labels)
        if len(self._counts) > MAX_CLASSES or max(map(len, labels)) > MAX_CLASS_CHARACTERS:
            self._counts = None

    def measured(self, figures: Statistics) -> Statistics:
        """With the classes, most frequent first."""
        classes = sorted((self._counts or {}).items(), key=lambda c: (-c[1], c[0]))
        return replace(figures, class_counts=dict(classes) or None)
