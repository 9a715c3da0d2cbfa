"""Secrets and personal data in the texts that are trained on."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tunesmith.dataset_rules.analysis.check import Check
from tunesmith.dataset_rules.excerpts import plural
from tunesmith.dataset_rules.findings import FileProblem, Problem
from tunesmith.dataset_rules.sensitive.kinds import SENSITIVE_CODES, Match
from tunesmith.dataset_rules.sensitive.recognition import recognise_each
from tunesmith.dataset_rules.shapes import Chat, Example, Message, PromptCompletion

_LISTED: Final = 100
"""Places of a code that are listed; the others are counted."""


@dataclass
class _Found:
    """What was found under one code."""

    places: list[FileProblem] = field(default_factory=list)
    others: int = 0


class SensitiveData(Check):
    """Tells in which texts they are, and of which kind. Never what: a report is read by many."""

    def __init__(self) -> None:
        self._found = {code: _Found() for code in SENSITIVE_CODES}

    def add(self, examples: Sequence[Example], numbers: Sequence[int]) -> None:
        """Search a batch of examples, all their texts at once."""
        places: list[tuple[int, str]] = []
        texts: list[str] = []
        for number, row in zip(numbers, examples, strict=True):
            for pointer, text in _texts(row):
                places.append((number, pointer))
                texts.append(text)
        for index, matches in recognise_each(texts):
            self._note(*places[index], matches)

    def findings(self) -> Iterator[FileProblem]:
        """A finding a text and kind, as far as they are listed; then one for all others."""
        for code, found in self._found.items():
            yield from found.places
            if found.others:
                yield FileProblem(0, Problem(code, f"{found.others:,} more"), found.others)

    def _note(self, line: int, pointer: str, matches: Sequence[Match]) -> None:
        for kind, count in sorted(Counter(match.kind for match in matches).items()):
            found = self._found[kind.code]
            if len(found.places) >= _LISTED:
                found.others += count
                continue
            words = f"{kind}: {plural(count, kind.noun)} in the text"
            found.places.append(FileProblem(line, Problem(kind.code, words, pointer), count))


def _texts(row: Example) -> Iterator[tuple[str, str]]:
    """The texts of a row, each with its JSON pointer."""
    if isinstance(row, PromptCompletion):
        yield "/prompt", row.prompt
        yield "/completion", row.completion
    elif isinstance(row, Chat):
        yield from _contents("/messages", row.messages)
    else:
        yield from _contents("/input/messages", row.input)
        yield from _contents("/preferred_output", row.preferred)
        yield from _contents("/non_preferred_output", row.non_preferred)


def _contents(pointer: str, messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
    for index, message in enumerate(messages):
        yield f"{pointer}/{index}/content", message.content
