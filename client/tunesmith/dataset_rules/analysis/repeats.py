"""Examples that came before, word for word."""

from collections.abc import Iterator, Sequence

from tunesmith.dataset_rules.analysis import prints
from tunesmith.dataset_rules.analysis.check import Check
from tunesmith.dataset_rules.findings import FileProblem
from tunesmith.dataset_rules.shapes import Example


class Repeats(Check):
    """Finds examples that came before.

    Remembers a 64-bit fingerprint of each, for the first 500,000 distinct ones; later examples are
    still compared with those.
    """

    def __init__(self) -> None:
        self._count = 0
        self._first_line = 0
        self._full = False  # whether there were more distinct examples than are remembered
        self._seen: set[int] = set()

    def add(self, examples: Sequence[Example], numbers: Sequence[int]) -> None:
        """Compare a batch of examples, and the lines they stand on, with those before."""
        marks = prints.exact_prints(examples)
        if len(self._seen) + len(marks) > prints.MAX_REMEMBERED:
            repeated = self._add_singly(marks)
        elif self._seen.isdisjoint(marks):
            before = len(self._seen)
            self._seen.update(marks)
            if len(self._seen) - before == len(marks):
                return
            repeated = _indices_of_repeats(marks, set(marks))
        else:
            unseen = set(marks) - self._seen
            self._seen |= unseen
            repeated = _indices_of_repeats(marks, unseen)
        self._count += len(repeated)
        if repeated and not self._first_line:
            self._first_line = numbers[repeated[0]]

    def findings(self) -> Iterator[FileProblem]:
        """DUPLICATE_ROWS, once, with the place of the first."""
        return prints.repeated(
            "DUPLICATE_ROWS", "the same as", self._count, self._first_line, full=self._full
        )

    def _add_singly(self, marks: Sequence[int]) -> list[int]:
        """One by one: what is remembered must not depend on the sizes of the batches."""
        repeated: list[int] = []
        for index, mark in enumerate(marks):
            if mark in self._seen:
                repeated.append(index)
            elif len(self._seen) < prints.MAX_REMEMBERED:
                self._seen.add(mark)
            else:
                self._full = True
        return repeated


def _indices_of_repeats(marks: Sequence[int], unseen: set[int]) -> list[int]:
    """Where in `marks` stands a mark that is not `unseen`, or no more; empties `unseen`."""
    repeated: list[int] = []
    for index, mark in enumerate(marks):
        if mark in unseen:
            unseen.discard(mark)
        else:
            repeated.append(index)
    return repeated
