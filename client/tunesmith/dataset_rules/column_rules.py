"""The rules about whole columns of prompt/completion data: those of the old prepare tool, mended.

Each looks at the summary of the columns. `fixes` asks the same questions again after every fix.
"""

from collections.abc import Iterator
from typing import Final

from tunesmith.dataset_rules.affixes import whole_words
from tunesmith.dataset_rules.columns import Column, Columns
from tunesmith.dataset_rules.excerpts import Quotable, excerpt
from tunesmith.dataset_rules.findings import Problem

LONG_ROW: Final = 10_000
"""Characters of prompt and completion together above which a row is very long."""
LONG_AFFIX: Final = 10
"""Characters above which a separator is longer than it needs to be."""
LONG_PROMPT_PREFIX: Final = 12
"""A common beginning of prompts above so many characters is an instruction."""
COMPLETION_PREFIX: Final = 5
"""A common beginning of completions of so many characters says nothing of the row."""


def removable_prompt_prefix(columns: Columns) -> str:
    """What could be cut off all prompts: whole words, and no prompt ends up empty."""
    return _removable(columns.prompt, LONG_PROMPT_PREFIX + 1)


def removable_completion_prefix(columns: Columns) -> str:
    """What could be cut off all completions: whole words, and no completion ends up empty."""
    return _removable(columns.completion, COMPLETION_PREFIX)


def _removable(column: Column, at_least: int) -> str:
    if column.row_count < 2 or column.identical or len(column.prefix or "") < at_least:
        return ""
    prefix = whole_words(column.prefix or "")
    return prefix if at_least <= len(prefix) < (column.shortest or 0) else ""


def lacks_separator(columns: Columns) -> bool:
    """Whether prompts have no common end that tells where the completion begins."""
    prompt = columns.prompt
    return not (columns.open_ended or prompt.identical or prompt.ending or columns.row_count < 2)


def lacks_ending(columns: Columns) -> bool:
    """Whether completions have no common end to stop at, and need one: labels do not."""
    completion = columns.completion
    return not (
        columns.open_ended
        or columns.classifies
        or completion.identical
        or completion.ending
        or columns.row_count < 2
    )


def column_problems(columns: Columns, quotable: Quotable = str) -> Iterator[tuple[Problem, int]]:
    """What is to be said of the columns, and of how many rows."""
    if columns.row_count:
        yield from _prompt(columns, quotable)
        yield from _completion(columns, quotable)


def _prompt(columns: Columns, quotable: Quotable) -> Iterator[tuple[Problem, int]]:
    prompt, rows = columns.prompt, columns.row_count
    if columns.open_ended:
        return
    if prompt.mostly_upper:
        yield _upper("PROMPT_UPPER_CASE", "prompts", prompt), rows
    if prompt.identical:
        words = f"all prompts are “{excerpt(quotable(prompt.prefix or ''))}”"
        yield Problem("PROMPTS_IDENTICAL", words), rows
        return
    if lacks_separator(columns):
        words = "the prompts do not end alike"
        advice = f"End each prompt with “{excerpt(columns.separator())}”."
        yield Problem("PROMPT_SUFFIX_MISSING", words, suggestion=advice), rows
    elif rows > 1:
        yield from _suffix("PROMPT", "prompts", prompt, quotable)
    if removable_prompt_prefix(columns):
        words = f"all prompts begin with “{excerpt(quotable(prompt.prefix or ''))}”"
        yield Problem("PROMPT_PREFIX_COMMON", words), rows


def _completion(columns: Columns, quotable: Quotable) -> Iterator[tuple[Problem, int]]:
    completion, rows = columns.completion, columns.row_count
    if completion.mostly_upper:
        yield _upper("COMPLETION_UPPER_CASE", "completions", completion), rows
    if completion.identical:
        words = f"all completions are “{excerpt(quotable(completion.prefix or ''))}”"
        yield Problem("COMPLETIONS_IDENTICAL", words), rows
    else:
        if removable_completion_prefix(columns):
            words = f"all completions begin with “{excerpt(quotable(completion.prefix or ''))}”"
            yield Problem("COMPLETION_PREFIX_COMMON", words), rows
        if lacks_ending(columns):
            words = "the completions do not end alike"
            advice = f"End each completion with “{excerpt(columns.ending())}”."
            yield Problem("COMPLETION_SUFFIX_MISSING", words, suggestion=advice), rows
        elif not (columns.open_ended or columns.classifies) and rows > 1:
            yield from _suffix("COMPLETION", "completions", completion, quotable)
    if completion.without_blank:
        words = "completions that do not begin with a blank"
        yield Problem("COMPLETION_SPACE_MISSING", words), completion.without_blank


def _upper(code: str, noun: str, column: Column) -> Problem:
    share = column.upper / (column.upper + column.lower)
    return Problem(code, f"{share:.0%} of the letters in {noun} are upper case")


def _suffix(
    prefix: str, noun: str, column: Column, quotable: Quotable
) -> Iterator[tuple[Problem, int]]:
    suffix, rows = column.ending, column.row_count
    shown = excerpt(quotable(suffix))
    if column.repeating:
        words = f"{noun} end with “{shown}”, but some have it before their end, too"
        yield Problem(f"{prefix}_SUFFIX_AMBIGUOUS", words), rows
    if len(suffix) > LONG_AFFIX:
        words = f"all {noun} end with the {len(suffix)} characters “{shown}”"
        yield Problem(f"{prefix}_SUFFIX_LONG", words), rows
