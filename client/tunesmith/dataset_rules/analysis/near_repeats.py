"""Examples that say about the same as one before."""

from collections.abc import Iterator, Sequence

from tunesmith.dataset_rules.analysis import prints
from tunesmith.dataset_rules.analysis.check import Check
from tunesmith.dataset_rules.findings import FileProblem
from tunesmith.dataset_rules.shapes import Example


class NearRepeats(Check):
    """Finds examples that differ from an earlier one in case, blanks, punctuation or digits alone.

    Remembers the first 500,000 distinct ones, as `Repeats` does. Texts that share most of their
    words but not all are not found: to hash runs of words takes longer than all other checks.
    """

    def __init__(self) -> None:
        self._count = 0
        self._first_line = 0
        self._full = False
        self._exact: set[int] = set()
        self._folded: set[int | None] = set()

    def add(self, examples: Sequence[Example], numbers: Sequence[int]) -> None:
        """Compare some more examples with those before."""
        marks = prints.exact_prints(examples)
        abouts = prints.folded_prints(examples)
        fresh = set(abouts)
        if (
            len(fresh) == len(abouts)
            and None not in fresh
            and len(self._folded) + len(fresh) <= prints.MAX_REMEMBERED
            and self._folded.isdisjoint(fresh)
        ):
            self._folded.update(fresh)
            self._exact.update(marks)
        else:
            self._add_singly(marks, abouts, numbers)

    def _add_singly(
        self, marks: Sequence[int], abouts: Sequence[int | None], numbers: Sequence[int]
    ) -> None:
        exact, folded = self._exact, self._folded
        for mark, about, number in zip(marks, abouts, numbers, strict=True):
            if about is None:
                continue
            if about not in folded:
                if len(folded) < prints.MAX_REMEMBERED:
                    folded.add(about)
                    exact.add(mark)
                else:
                    self._full = True
            elif mark not in exact:
                self._count += 1
                self._first_line = self._first_line or number
                if len(exact) < 2 * prints.MAX_REMEMBERED:
                    exact.add(mark)

    def findings(self) -> Iterator[FileProblem]:
        """NEAR_DUPLICATE_ROWS, once, with the place of the first."""
        return prints.repeated(
            "NEAR_DUPLICATE_ROWS",
            "nearly the same as",
            self._count,
            self._first_line,
            full=self._full,
        )
