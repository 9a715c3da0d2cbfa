"""The rules of chat rows. Of several problems of one kind in a row, the first is told."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, get_args

from tunesmith.dataset_rules.catalogue import RULES
from tunesmith.dataset_rules.excerpts import excerpt
from tunesmith.dataset_rules.fields import missing, text_problems, type_name, unknown
from tunesmith.dataset_rules.findings import Problem, Severity
from tunesmith.dataset_rules.shapes import Chat, Message, Role

_ROLES: frozenset[str] = frozenset(get_args(Role))
_TOOL_ROLES = frozenset({"tool", "function"})
_TOOL_FIELDS = frozenset({"tools", "functions", "tool_calls", "function_call", "tool_call_id"})
_ROW_FIELDS = frozenset({"messages"}) | _TOOL_FIELDS
_MESSAGE_FIELDS = frozenset({"role", "content", "weight", "name"}) | _TOOL_FIELDS


_GIVEN_UP_AFTER = 1000
"""After so many messages, a conversation with an error is not searched for more of them."""


class Measures(NamedTuple):
    """What a conversation without a fault amounts to."""

    text_bytes: int
    strings: int
    """How many strings its JSON has, keys included, if no key stands twice in an object."""


def measure(messages: Sequence[Message]) -> Measures | None:
    """The measures of a decoded conversation that breaks no rule of this module.

    None where that is not plain to see; `check` decides then. One look at every message.
    """
    previous = ""
    learnt = size_of_all = 0
    strings = 1
    for message in messages:
        role, content, weight = message.role, message.content, message.weight
        size = len(content) if content.isascii() else len(content.encode())
        if not size or "\0" in content or message.name is not None:
            return None
        strings += 4 if weight is None else 5
        if role == "assistant":
            if previous != "user":
                return None
            learnt += weight != 0
        elif role == previous or (role == "system" and previous):
            return None
        size_of_all += size
        previous = role
    if not learnt or previous != "assistant":
        return None
    return Measures(size_of_all, strings)


def check(value: dict[str, Any]) -> tuple[Chat, list[Problem]]:
    """The example in a row and what is wrong with it; with errors the example means nothing."""
    first: dict[str, Problem] = {}
    turns: list[Message] = []
    for problem in _row_problems(value):
        first.setdefault(problem.code, problem)
    messages = value.get("messages")
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        for problem in _message_problems(message, f"/messages/{index}"):
            first.setdefault(problem.code, problem)
        if isinstance(message, dict) and message.get("role") in tuple(_ROLES):
            turns.append(_turn(message))
        if index % _GIVEN_UP_AFTER == _GIVEN_UP_AFTER - 1 and _has_error(first):
            break
    if isinstance(messages, list) and messages and len(turns) == len(messages):
        for problem in _order_problems(turns):
            first.setdefault(problem.code, problem)
    return Chat(tuple(turns)), list(first.values())


def _has_error(codes: Iterable[str]) -> bool:
    return any(RULES[code].severity is Severity.ERROR for code in codes)


def _turn(message: dict[str, Any]) -> Message:
    """A message of a known role as its typed self."""
    content, weight = message.get("content"), message.get("weight")
    return Message(
        message["role"],
        content if isinstance(content, str) else "",
        # 1.0 is as good as 1; anything but 0 and 1 was named before and counts as not given.
        0 if weight == 0 else 1 if weight == 1 else None,
    )


def _row_problems(value: dict[str, Any]) -> Iterator[Problem]:
    messages = value.get("messages")
    if "messages" not in value:
        yield missing(value, "messages", "", _ROW_FIELDS)
    elif not isinstance(messages, list):
        words = f'"messages" is {type_name(messages)}, not a list'
        advice = 'Write "messages" as a list of {"role": …, "content": …} objects.'
        yield Problem("FIELD_TYPE", words, "/messages", advice)
    elif not messages:
        yield Problem("CHAT_NO_MESSAGES", '"messages" is empty', "/messages")
    for field in value:
        if field in _TOOL_FIELDS:
            yield Problem("CHAT_TOOLS_UNSUPPORTED", f'the row has "{field}"', f"/{field}")
    yield from unknown(value, "", _ROW_FIELDS)


def _message_problems(message: object, at: str) -> Iterator[Problem]:
    if not isinstance(message, dict):
        words = f"the message is {type_name(message)}, not an object"
        yield Problem("FIELD_TYPE", words, at, 'Write {"role": …, "content": …}.')
        return
    tools = [field for field in message if field in _TOOL_FIELDS]
    for field in tools:
        yield Problem("CHAT_TOOLS_UNSUPPORTED", f'the message has "{field}"', f"{at}/{field}")
    yield from _role_problems(message, at)
    # A call of a tool has no content, and the finding about tools says enough.
    if not (tools and message.get("content") is None):
        yield from _content_problems(message, at)
    weight = message.get("weight")
    if weight is not None and (isinstance(weight, bool) or weight not in (0, 1)):
        advice = 'Write "weight" as 0 (not learnt) or 1 (learnt).'
        yield Problem("FIELD_TYPE", '"weight" is neither 0 nor 1', f"{at}/weight", advice)
    if message.get("name") is not None:
        yield from text_problems(message["name"], "name", f"{at}/name")
    yield from unknown(message, at, _MESSAGE_FIELDS)


def _role_problems(message: dict[str, Any], at: str) -> Iterator[Problem]:
    role = message.get("role")
    if "role" not in message:
        yield missing(message, "role", at, _MESSAGE_FIELDS)
    elif not isinstance(role, str):
        words = f'"role" is {type_name(role)}, not a string'
        yield Problem("FIELD_TYPE", words, f"{at}/role", 'Write "role" as a string.')
    elif role in _TOOL_ROLES:
        yield Problem("CHAT_TOOLS_UNSUPPORTED", f'the message has the role "{role}"', f"{at}/role")
    elif role not in _ROLES:
        near = role[:20].strip().lower()
        advice = f'Write "{near}".' if near in _ROLES else ""
        words = f'the role "{excerpt(role, 30)}" is not known'
        yield Problem("CHAT_ROLE_UNKNOWN", words, f"{at}/role", advice)


def _content_problems(message: dict[str, Any], at: str) -> Iterator[Problem]:
    content, role = message.get("content"), message.get("role")
    if "content" not in message:
        yield missing(message, "content", at, _MESSAGE_FIELDS)
    elif content is not None and content != "":
        yield from text_problems(content, "content", f"{at}/content")
    elif role != "assistant":
        yield Problem("CHAT_TURN_EMPTY", "the message has no content", f"{at}/content")
    elif message.get("weight") != 0:
        yield Problem("CHAT_CONTENT_EMPTY", "the assistant says nothing", f"{at}/content")


def _order_problems(turns: Sequence[Message]) -> Iterator[Problem]:
    """The rules about a conversation as a whole."""
    if all(turn.role != "assistant" or turn.weight == 0 for turn in turns):
        yield Problem("CHAT_NO_ASSISTANT", "no assistant message to learn from", "/messages")
        return
    previous = ""
    for index, turn in enumerate(turns):
        words = ""
        if turn.role == "system" and previous:
            words = "a system message after the beginning"
        elif turn.role == previous:
            words = f"two {turn.role} messages in a row"
        elif turn.role == "assistant" and previous != "user":
            words = "an assistant message without a user message before it"
        if words:
            yield Problem("CHAT_ROLE_ORDER", words, f"/messages/{index}")
        previous = turn.role
    if previous != "assistant":
        words = f"the conversation ends with a {previous} message"
        yield Problem("CHAT_ROLE_ORDER", words, f"/messages/{len(turns) - 1}")
