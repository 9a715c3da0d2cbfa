"""What prompts and completions have in common: the rules of the old prepare tool."""

from collections.abc import Iterator, Sequence
from itertools import compress

from tunesmith.dataset_rules.analysis.check import Check
from tunesmith.dataset_rules.column_rules import LONG_ROW, column_problems
from tunesmith.dataset_rules.columns import Columns
from tunesmith.dataset_rules.excerpts import Quotable, plural
from tunesmith.dataset_rules.findings import FileProblem, Problem
from tunesmith.dataset_rules.shapes import Example, PromptCompletion


class CommonAffixes(Check):
    """Sums both columns up, and asks the rules at the end."""

    def __init__(self) -> None:
        self._columns = Columns.eager()
        self._long = 0
        self._first_long = 0
        self._quotable: Quotable = str

    def hush(self, quotable: Quotable) -> None:
        """What texts have in common may be somebody's."""
        self._quotable = quotable

    def add(self, examples: Sequence[Example], numbers: Sequence[int]) -> None:
        """Sum up some more rows."""
        prompts = [row.prompt for row in examples if isinstance(row, PromptCompletion)]
        completions = [row.completion for row in examples if isinstance(row, PromptCompletion)]
        self._columns.add(prompts, completions)
        if self._columns.prompt.longest + self._columns.completion.longest > LONG_ROW:
            long = [
                len(prompt) + len(completion) > LONG_ROW
                for prompt, completion in zip(prompts, completions, strict=True)
            ]
            self._long += sum(long)
            self._first_long = self._first_long or next(compress(numbers, long), 0)

    def findings(self) -> Iterator[FileProblem]:
        """Of the old rules, those that look at whole columns."""
        if self._long and not self._columns.open_ended:
            words = f"{plural(self._long, 'row')} of more than {LONG_ROW:,} characters"
            yield FileProblem(self._first_long, Problem("LONG_ROWS", words), self._long)
        for problem, count in column_problems(self._columns, self._quotable):
            yield FileProblem(0, problem, count)
