"""Completions that look like the labels of a classification."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from tunesmith.dataset_rules.analysis.check import Check
from tunesmith.dataset_rules.excerpts import Quotable, excerpt, plural
from tunesmith.dataset_rules.findings import FileProblem, Problem
from tunesmith.dataset_rules.shapes import Example, PromptCompletion
from tunesmith.dataset_rules.statistics import Statistics

MAX_CLASSES: Final = 50
"""With more distinct completions than this, a dataset is no classification."""
MAX_CLASS_CHARACTERS: Final = 64
"""A longer completion is a text and no label."""
EXAMPLES_A_CLASS: Final = 3
"""With fewer examples a class than this, on average, completions are no labels."""
FEW_OF_A_CLASS: Final = 100
"""As the old guide had it."""
IMBALANCED: Final = 10
"""So many times as many examples as the rarest class has are too many."""
_SHOWN = 30


class Classes(Check):
    """Counts the examples of each class, until the completions cannot be classes."""

    def __init__(self) -> None:
        self._counts: Counter[str] | None = Counter()
        self._quotable: Quotable = str

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
        counts: Counter[str] = Counter()
        for label, count in self._sorted().items():
            counts[self._quotable(label)] += count
        return replace(figures, class_counts=dict(counts) or None)

    def hush(self, quotable: Quotable) -> None:
        """Labels may be addresses of people."""
        self._quotable = quotable

    def findings(self) -> Iterator[FileProblem]:
        """What is wrong with the classes, if the completions are any."""
        classes = self._sorted()
        if len(classes) < 2 or len(classes) * EXAMPLES_A_CLASS > sum(classes.values()):
            return
        small = {label: count for label, count in classes.items() if count < FEW_OF_A_CLASS}
        largest, *_, rarest = classes
        quoted = {label: excerpt(self._quotable(label), _SHOWN) for label in classes}
        if small:
            words = (
                f"{len(small)} of {len(classes)} classes have fewer than {FEW_OF_A_CLASS} examples;"
                f' "{quoted[rarest]}" has {classes[rarest]:,}'
            )
            yield FileProblem(0, Problem("CLASS_SMALL", words), sum(small.values()))
        if classes[largest] >= IMBALANCED * classes[rarest]:
            words = (
                f'"{quoted[largest]}" has {plural(classes[largest], "example")},'
                f' "{quoted[rarest]}" has {classes[rarest]:,}'
            )
            yield FileProblem(0, Problem("CLASS_IMBALANCE", words), classes[largest])
        for one, other in _variants(classes):
            words = (
                f'the classes "{quoted[one]}" and "{quoted[other]}" differ in'
                " case or white space alone"
            )
            yield FileProblem(0, Problem("CLASS_VARIANTS", words), classes[other])

    def _sorted(self) -> dict[str, int]:
        """Most frequent first."""
        return dict(sorted((self._counts or {}).items(), key=lambda c: (-c[1], c[0])))


def _variants(classes: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Classes that were probably meant as one, each with the most frequent of its kind."""
    meant: dict[str, str] = {}
    for label in classes:
        first = meant.setdefault("".join(label.lower().split()), label)
        if first != label:
            yield first, label
