"""What every check of the analysis is."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from tunesmith.dataset_rules.excerpts import Quotable
from tunesmith.dataset_rules.findings import FileProblem
from tunesmith.dataset_rules.shapes import Example
from tunesmith.dataset_rules.statistics import Statistics


class Check(Protocol):
    """Looks at all examples of a file, one batch after the other, in bounded memory.

    How the examples are cut into batches must not change what it finds. Subclass it to have
    `findings` and `measured` for nothing.
    """

    def add(self, examples: Sequence[Example], numbers: Sequence[int]) -> None:
        """Take some sound examples and the lines they stand on; never none."""

    def findings(self) -> Iterable[FileProblem]:
        """What was found; called once, after the last example."""
        return ()

    def measured(self, figures: Statistics) -> Statistics:
        """`figures` with those that this check gathered."""
        return figures

    def hush(self, quotable: Quotable) -> None:
        """From now on quote texts only as `quotable` gives them; called before the first example.

        To be overridden by a check that quotes whole texts.
        """
        return None
