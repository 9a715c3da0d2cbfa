"""The shapes of an example, and their typed decoding: the fast way for rows without a fault.

The decoders are strict: what they take is sound JSON of exactly these fields and types. What they
refuse is not yet wrong; `examine` has the last word.
"""

from collections.abc import Collection, Iterable
from enum import StrEnum
from itertools import islice
from typing import Annotated, Literal

import msgspec


class Shape(StrEnum):
    """What every row of a dataset looks like."""

    PROMPT_COMPLETION = "prompt_completion"
    CHAT = "chat"
    PREFERENCE = "preference"


class PromptCompletion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A text and how it goes on; the prompt is empty for open-ended generation."""

    prompt: str
    completion: Annotated[str, msgspec.Meta(min_length=1)]


Role = Literal["system", "user", "assistant"]


class Message(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """One turn of a conversation."""

    role: Role
    content: Annotated[str, msgspec.Meta(min_length=1)]
    weight: Literal[0, 1] | None = None
    """0 excludes an assistant message from what is learnt."""
    name: str | None = None
    """Who speaks; training does not use it."""


class Chat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A conversation."""

    messages: tuple[Message, ...]


class Preference(msgspec.Struct, frozen=True, gc=False):
    """A conversation that waits for an answer, and two answers of which one is preferred."""

    input: tuple[Message, ...]
    preferred: tuple[Message, ...]
    non_preferred: tuple[Message, ...]

    @property
    def messages(self) -> tuple[Message, ...]:
        """All of them."""
        return self.input + self.preferred + self.non_preferred


Example = PromptCompletion | Chat | Preference

_prompt_completion = msgspec.json.Decoder(PromptCompletion)
_chat = msgspec.json.Decoder(Chat)

decode_prompt_completion, decode_chat = _prompt_completion.decode, _chat.decode
decode_prompt_completion_lines = _prompt_completion.decode_lines
decode_chat_lines = _chat.decode_lines
"""Not strict about lines: a value may go over several, and several may stand on one."""

_TELLING_FIELDS: dict[str, Shape] = {
    "preferred_output": Shape.PREFERENCE,
    "non_preferred_output": Shape.PREFERENCE,
    "messages": Shape.CHAT,
    "prompt": Shape.PROMPT_COMPLETION,
    "completion": Shape.PROMPT_COMPLETION,
}


def shape_of(fields: Collection[str]) -> Shape | None:
    """The shape that a row with these fields was meant to have, or None if none is telling."""
    for names in (fields, {field.strip().lower() for field in islice(fields, 20)}):
        for field, shape in _TELLING_FIELDS.items():
            if field in names:
                return shape
    return None


def utf8_length(text: str) -> int:
    """How many bytes `text` takes in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def text_bytes(example: Example) -> int:
    """How many bytes of UTF-8 all text of an example takes."""
    if isinstance(example, PromptCompletion):
        return utf8_length(example.prompt) + utf8_length(example.completion)
    return sum(utf8_length(message.content) for message in example.messages)


def texts_of(example: Example) -> Iterable[str]:
    """The texts of an example, in their order."""
    if isinstance(example, PromptCompletion):
        return example.prompt, example.completion
    return [message.content for message in example.messages]


def all_text(example: Example) -> str:
    """All text of an example, one after the other."""
    if isinstance(example, PromptCompletion):  # what is looked at most, and quicker so
        return f"{example.prompt}\n{example.completion}"
    return "\n".join(texts_of(example))
