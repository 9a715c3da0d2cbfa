"""The look at a whole dataset: what no single row can tell.

Validation decides, while the bytes come in, whether a file can be trained on. What is here warns
and measures, takes longer, and may run later over the stored bytes: it never finds an error.

A check is a class of one small module. To add one: the class, its line in `_CHECKS`, and its codes
in the catalogue.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from tunesmith.dataset_rules.analysis.check import Check
from tunesmith.dataset_rules.analysis.classes import Classes
from tunesmith.dataset_rules.analysis.columns import CommonAffixes
from tunesmith.dataset_rules.analysis.empty_prompts import EmptyPrompts
from tunesmith.dataset_rules.analysis.near_repeats import NearRepeats
from tunesmith.dataset_rules.analysis.repeats import Repeats
from tunesmith.dataset_rules.analysis.separators import Separators
from tunesmith.dataset_rules.analysis.text_sizes import ConversationSizes, TextSizes
from tunesmith.dataset_rules.findings import FileProblem
from tunesmith.dataset_rules.sensitive import need
from tunesmith.dataset_rules.shapes import Example, Shape
from tunesmith.dataset_rules.statistics import Statistics

__all__ = ["Analysis", "Check"]

_CHECKS: Mapping[Shape, Sequence[Callable[[], Check]]] = {
    Shape.PROMPT_COMPLETION: (
        TextSizes,
        EmptyPrompts,
        Separators,
        Classes,
        Repeats,
        NearRepeats,
        CommonAffixes,
    ),
    Shape.CHAT: (ConversationSizes, Repeats, NearRepeats),
    Shape.PREFERENCE: (ConversationSizes, Repeats, NearRepeats),
}


class Analysis:
    """All checks of a shape, over the sound examples of one file, in their order."""

    def __init__(self, shape: Shape, *, sensitive: bool = False) -> None:
        """With `sensitive` it looks for secrets and personal data, too; SensitiveUnavailable."""
        self._checks = [make() for make in _CHECKS[shape]]
        if sensitive:
            need()
            from tunesmith.dataset_rules.analysis.sensitive_data import SensitiveData
            from tunesmith.dataset_rules.sensitive.redaction import redact_text

            for check in self._checks:
                check.hush(redact_text)
            self._checks.append(SensitiveData())

    def add(self, examples: Sequence[Example], numbers: Sequence[int]) -> None:
        """Take a batch of examples and the lines they stand on."""
        for check in self._checks:
            check.add(examples, numbers)

    def findings(self) -> Iterator[FileProblem]:
        """What the checks found, once all examples were added."""
        for check in self._checks:
            yield from check.findings()

    def statistics(self) -> Statistics:
        """The figures of all checks together."""
        figures = Statistics()
        for check in self._checks:
            figures = check.measured(figures)
        return figures
