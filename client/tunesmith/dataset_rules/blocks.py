"""The fastest way through a block of lines: decode it whole, write it anew, compare.

Programs write their rows in one of few layouts. If the rows that decoding gave, written in such a
layout, are the very bytes of the block, then nothing was hidden in it that decoding lets pass: no
field twice, no value over two lines, no blank line, no two objects on one. So there is nothing left
to look at one by one. A block that is written otherwise is no worse for it; it only takes longer,
see `scan`.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from tunesmith.dataset_rules.shapes import (
    Example,
    Role,
    Shape,
    decode_chat_lines,
    decode_prompt_completion_lines,
    utf8_length,
)

_LONGEST_CONVERSATION = 64
"""More messages than this are looked at one by one: what is remembered stays small."""


class Block(NamedTuple):
    """What is in a block without any fault or oddity; every line is an example."""

    examples: Sequence[Example]
    text_bytes: int


class _Layout(NamedTuple):
    """What a writer of JSON puts after commas and colons, and how its texts are looked at."""

    comma: str
    colon: str
    escapes: bool
    """Whether there are any. Else each text is written as it is; with escapes there are several
    ways, so that texts are compared as they were written, quotes included."""


def read_block(shape: Shape, block: bytes) -> Block | None:
    """The examples of a block of whole lines; None where that takes a closer look."""
    try:
        return _READERS[shape](block) if shape in _READERS else None
    except (ValueError, IndexError):
        return None


def _read_prompt_completion(block: bytes) -> Block | None:
    layout = _layout_of(block, '{"prompt":', '"')
    if layout is None:
        return None
    rows = decode_prompt_completion_lines(block)
    completions = [row.completion for row in rows]
    if True in map(str.isspace, completions):
        return None
    prompts = [row.prompt for row in rows]
    row, structure, end = _row_heads(layout)
    parts = row * len(rows)
    if layout.escapes:
        written = _decode_written_rows(block)
        parts[1::4] = [row.prompt for row in written]
        parts[3::4] = [row.completion for row in written]
    else:
        parts[1::4], parts[3::4] = prompts, completions
    if not _is(block, parts, end):
        return None
    if layout.escapes:
        return _unescaped(rows, "".join(prompts) + "".join(completions))
    return Block(rows, len(block) - len(rows) * structure)


def _read_chat(block: bytes) -> Block | None:
    layout = _layout_of(block, '{"messages":', '[{"role":')
    if layout is None:
        return None
    rows = decode_chat_lines(block)
    conversations = [row.messages for row in rows]
    texts = [message.content for messages in conversations for message in messages]
    heads, sizes, end = _chat_heads(layout)
    lengths = list(map(len, conversations))
    parts: list[Any] = []
    for length in lengths:
        parts += heads[length]
    structure = sum(map(sizes.__getitem__, lengths))
    if layout.escapes:
        written = _decode_written_chats(block)
        parts[1::2] = [message.content for row in written for message in row.messages]
    else:
        parts[1::2] = texts
    if not _is(block, parts, end):
        return None
    if layout.escapes:
        return _unescaped(rows, "".join(texts))
    return Block(rows, len(block) - structure)


def _unescaped(rows: Sequence[Example], text: str) -> Block | None:
    """The rows with all their text, which was written with escapes: a NUL may be among them."""
    return None if "\0" in text else Block(rows, utf8_length(text))


def _layout_of(block: bytes, key: str, value: str) -> _Layout | None:
    """How the block begins to be written, if it is one of the usual ways."""
    for comma, colon in ((" ", " "), ("", "")):
        if block.startswith(f"{key}{colon}{value}".encode()):
            return _Layout(comma, colon, b"\\" in block)
    return None


def _is(block: bytes, parts: list[Any], end: str | bytes) -> bool:
    """Whether the parts make up the block; the first of them begins with the end of a row before,
    as all others do, and the last row has none yet."""
    if not parts:
        return False
    parts[0] = parts[0][len(end) :]
    parts.append(end)
    if isinstance(end, bytes):
        return b"".join(parts) == block
    return "".join(parts).encode() == block


_Row = tuple[list[Any], int]
"""What is written before each text of a row, a gap after each, and the bytes of what is no text."""


@lru_cache(maxsize=8)
def _row_heads(layout: _Layout) -> tuple[list[Any], int, Any]:
    """A prompt and a completion, and what is written after them."""
    quote = "" if layout.escapes else '"'
    end = f"{quote}}}\n"
    first = f'{end}{{"prompt":{layout.colon}{quote}'
    second = f'{quote},{layout.comma}"completion":{layout.colon}{quote}'
    return *_gaps([first, second], layout), end.encode() if layout.escapes else end


@lru_cache(maxsize=8)
def _chat_heads(layout: _Layout) -> tuple[list[list[Any]], list[int], Any]:
    """A conversation of so many messages, and what is written after it.

    Of one in the usual order, which is user and assistant in turn, after the system if the messages
    are odd in number. Where the roles are others, the block is not written so; nor is it where a
    conversation has less than two messages.
    """
    comma, colon = layout.comma, layout.colon
    quote = "" if layout.escapes else '"'
    end = f"{quote}}}]}}\n"
    conversations = []
    for count in range(_LONGEST_CONVERSATION + 1):
        turns = count // 2
        roles = ["system"] * (count % 2) * bool(turns) + ["user", "assistant"] * turns
        heads = [
            f'{quote}}},{comma}{{"role":{colon}"{role}",{comma}"content":{colon}{quote}'
            for role in roles
        ]
        if heads:
            start = f'{end}{{"messages":{colon}['
            heads[0] = start + heads[0][len(f"{quote}}},{comma}") :]
        conversations.append(_gaps(heads, layout))
    parts, sizes = [row for row, _ in conversations], [size for _, size in conversations]
    return parts, sizes, end.encode() if layout.escapes else end


def _gaps(heads: list[str], layout: _Layout) -> _Row:
    """With the gaps for the texts."""
    parts: list[Any] = [""] * (2 * len(heads))
    parts[0::2] = [head.encode() for head in heads] if layout.escapes else heads
    return parts, len("".join(heads)) + 2 * len(heads) * layout.escapes


class _WrittenRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A row with its texts as they stand in the file."""

    prompt: msgspec.Raw
    completion: msgspec.Raw


class _WrittenMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A message with its text as it stands in the file."""

    role: Role
    content: msgspec.Raw


class _WrittenChat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A conversation with its texts as they stand in the file."""

    messages: tuple[_WrittenMessage, ...]


_decode_written_rows = msgspec.json.Decoder(_WrittenRow).decode_lines
_decode_written_chats = msgspec.json.Decoder(_WrittenChat).decode_lines
_READERS = {Shape.PROMPT_COMPLETION: _read_prompt_completion, Shape.CHAT: _read_chat}
