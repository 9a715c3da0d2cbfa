"""Texts and rows without what is recognised in them."""

from collections.abc import Sequence
from typing import Final

import msgspec

from tunesmith.dataset_rules.sensitive.recognition import recognise
from tunesmith.dataset_rules.shapes import Chat, Example, Message, Preference, PromptCompletion

_MOST_ROUNDS: Final = 8
"""Something may only come to light once its neighbour is gone; twice in a row has not been seen."""


def redact_text(text: str) -> str:
    """The text with a placeholder such as `[EMAIL]` in each place.

    Redacting it again changes nothing.
    """
    for _ in range(_MOST_ROUNDS):
        matches = recognise(text)
        if not matches:
            break
        parts, at = [], 0
        for kind, start, end in matches:
            parts += [text[at:start], kind.placeholder]
            at = end
        text = "".join(parts) + text[at:]
    return text


def redact(row: Example) -> Example:
    """The row with its texts redacted and nothing else changed; an equal one if nothing is."""
    if isinstance(row, PromptCompletion):
        return PromptCompletion(redact_text(row.prompt), redact_text(row.completion))
    if isinstance(row, Chat):
        return Chat(_redacted(row.messages))
    return Preference(_redacted(row.input), _redacted(row.preferred), _redacted(row.non_preferred))


def _redacted(messages: Sequence[Message]) -> tuple[Message, ...]:
    return tuple(
        msgspec.structs.replace(message, content=redact_text(message.content))
        for message in messages
    )
