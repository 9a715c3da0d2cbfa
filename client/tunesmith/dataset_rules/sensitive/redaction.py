"""Texts and rows without what is recognised in them."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

import msgspec

from tunesmith.dataset_rules.sensitive.kinds import SENSITIVE_CODES, Match
from tunesmith.dataset_rules.sensitive.recognition import recognise, recognise_each
from tunesmith.dataset_rules.shapes import (
    Chat,
    Example,
    Message,
    Preference,
    PromptCompletion,
    texts_of,
)

_MOST_ROUNDS: Final = 8
"""Something may only come to light once its neighbour is gone; twice in a row has not been seen."""


def redact_text(text: str, codes: Collection[str] = SENSITIVE_CODES) -> str:
    """The text with a placeholder such as `[EMAIL]` in each place.

    `codes` are those of the findings that tell of what is to go. Redacting it again changes
    nothing.
    """
    for _ in range(_MOST_ROUNDS):
        matches = _meant(recognise(text), codes)
        if not matches:
            break
        parts, at = [], 0
        for kind, start, end in matches:
            parts += [text[at:start], kind.placeholder]
            at = end
        text = "".join(parts) + text[at:]
    return text


def redact(row: Example, codes: Collection[str] = SENSITIVE_CODES) -> Example:
    """The row with its texts redacted and nothing else changed; an equal one if nothing is."""
    if isinstance(row, PromptCompletion):
        return PromptCompletion(redact_text(row.prompt, codes), redact_text(row.completion, codes))
    if isinstance(row, Chat):
        return Chat(_redacted(row.messages, codes))
    return Preference(
        _redacted(row.input, codes),
        _redacted(row.preferred, codes),
        _redacted(row.non_preferred, codes),
    )


def redact_each(
    rows: Sequence[Example], codes: Collection[str]
) -> Iterator[tuple[int, Example, Collection[Match]]]:
    """The rows in which something is recognised, redacted, with their index and what it was."""
    texts: list[str] = []
    owners: list[int] = []
    for index, row in enumerate(rows):
        for text in texts_of(row):
            texts.append(text)
            owners.append(index)
    found: dict[int, list[Match]] = {}
    for at, matches in recognise_each(texts):
        if meant := _meant(matches, codes):
            found.setdefault(owners[at], []).extend(meant)
    for index, matches in found.items():
        yield index, redact(rows[index], codes), matches


def _meant(matches: Sequence[Match], codes: Collection[str]) -> list[Match]:
    return [match for match in matches if match.kind.code in codes]


def _redacted(messages: Sequence[Message], codes: Collection[str]) -> tuple[Message, ...]:
    return tuple(
        msgspec.structs.replace(message, content=redact_text(message.content, codes))
        for message in messages
    )
