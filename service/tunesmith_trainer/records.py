"""Reading the JSONL files of a run: structure only, no tokens yet.

A message names the line and what is wrong with it, never what the line says: training text stays
out of events and logs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith_trainer.failures import BadData
from tunesmith_trainer.spec import Shape


@dataclass(frozen=True, slots=True)
class Completion:
    """One prompt/completion record, and the line it stands on."""

    line: int
    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn; `weight` 0 takes an assistant turn out of the loss."""

    role: str
    content: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Chat:
    """One conversation, and the line it stands on."""

    line: int
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Preference:
    """A conversation with an answer that is preferred to another, and the line it stands on."""

    line: int
    messages: tuple[Message, ...]
    preferred: str
    other: str


Record = Completion | Chat | Preference


@dataclass(frozen=True, slots=True)
class RecordFile:
    """The records of one file and the SHA-256 (hex) of its bytes."""

    records: list[Record]
    sha256: str


def read_records(path: Path, shape: Shape) -> RecordFile:
    """Every record of the JSONL file at `path`, or BadData that names the line.

    Blank lines are skipped, a byte order mark is allowed, fields beyond those of the shape are
    left alone.
    """
    digest = hashlib.sha256()
    records: list[Record] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            digest.update(line)
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                where = f"{path.name}, line {number}"
                value = _parsed(line, where)
                records.append(_RECORDS[shape](number, value, where))
    if not records:
        raise BadData(f"{path.name} has no examples.", advice="Give a file with examples.")
    return RecordFile(records, digest.hexdigest())


def _parsed(line: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        raise _bad(where, "is not UTF-8") from None
    except (ValueError, RecursionError):
        raise _bad(where, "is not valid JSON") from None
    if not isinstance(value, dict):
        raise _bad(where, "is not a JSON object")
    return value


def _text(value: dict[str, Any], field: str, where: str) -> str:
    text = value.get(field)
    if not isinstance(text, str):
        raise _bad(where, f'needs "{field}" as a string')
    return text


_ROLES = {"system", "developer", "user", "assistant", "tool"}


def _completion(number: int, value: dict[str, Any], where: str) -> Record:
    return Completion(number, _text(value, "prompt", where), _text(value, "completion", where))


def _chat(number: int, value: dict[str, Any], where: str) -> Record:
    messages = _messages(value, where)
    if not any(message.role == "assistant" and message.weight for message in messages):
        raise _bad(where, "has no assistant message to learn from")
    return Chat(number, messages)


def _preference(number: int, value: dict[str, Any], where: str) -> Record:
    asked = value.get("input")
    if not isinstance(asked, dict):
        raise _bad(where, 'needs "input" as an object with messages')
    preferred, other = (
        _answer(value, field, where) for field in ("preferred_output", "non_preferred_output")
    )
    if preferred == other:
        raise _bad(where, "has the same answer twice, so that none is preferred")
    messages = _messages(asked, where)
    if messages[-1].role == "assistant":
        raise _bad(where, 'has an "input" that ends with an answer already')
    return Preference(number, messages, preferred, other)


def _answer(value: dict[str, Any], field: str, where: str) -> str:
    turns = value.get(field)
    if not isinstance(turns, list) or len(turns) != 1 or not isinstance(turns[0], dict):
        raise _bad(where, f'needs "{field}" as a list of one assistant message')
    if turns[0].get("role") != "assistant":
        raise _bad(where, f'has in "{field}" a message that is not the assistant\'s')
    content = _text(turns[0], "content", where)
    if not content:
        raise _bad(where, f'has an empty answer in "{field}"')
    return content


_RECORDS: dict[Shape, Callable[[int, dict[str, Any], str], Record]] = {
    "prompt_completion": _completion,
    "chat": _chat,
    "preference": _preference,
}


def _messages(value: dict[str, Any], where: str) -> tuple[Message, ...]:
    turns = value.get("messages")
    if not isinstance(turns, list) or not turns:
        raise _bad(where, 'needs "messages" as a list that is not empty')
    messages = []
    for turn in turns:
        if not isinstance(turn, dict) or turn.get("role") not in _ROLES:
            raise _bad(where, f"has a message whose role is not one of {', '.join(sorted(_ROLES))}")
        weight = turn.get("weight", 1)
        if weight not in (0, 1):
            raise _bad(where, "has a message whose weight is neither 0 nor 1")
        messages.append(Message(turn["role"], _text(turn, "content", where), float(weight)))
    return tuple(messages)


def _bad(where: str, problem: str) -> BadData:
    return BadData(f"{where} {problem}.", advice="Correct the line and start a new run.")
