"""The rules of chat rows. Of several problems of one kind in a row, the first is told."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, get_args

from tunesmith.dataset_rules import tools
from tunesmith.dataset_rules.catalogue import RULES
from tunesmith.dataset_rules.excerpts import excerpt
from tunesmith.dataset_rules.fields import missing, text_problems, type_name, unknown
from tunesmith.dataset_rules.findings import Problem, Severity
from tunesmith.dataset_rules.shapes import Chat, Message, Role

_ROLES: frozenset[str] = frozenset(get_args(Role))
_SYSTEM_TODAY = "developer"
"""What newer interfaces call the system; it is trained as such."""
_ROW_FIELDS = frozenset({"messages"}) | tools.ROW_FIELDS
_MESSAGE_FIELDS = frozenset({"role", "content", "weight", "name"}) | tools.MESSAGE_FIELDS


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
    messages, problems = check_conversation(value, "", answered=True)
    return Chat(messages), problems


def check_conversation(
    value: dict[str, Any], at: str, *, answered: bool
) -> tuple[tuple[Message, ...], list[Problem]]:
    """The messages in an object and what is wrong with them.

    A conversation that is `answered` ends with the assistant, and trains what the assistant says;
    another waits for an answer.
    """
    first: dict[str, Problem] = {}
    for problem in _row_problems(value, at):
        first.setdefault(problem.code, problem)
    messages = value.get("messages")
    if not isinstance(messages, list):
        return (), list(first.values())
    for index, message in enumerate(messages):
        for problem in message_problems(message, f"{at}/messages/{index}"):
            first.setdefault(problem.code, problem)
        if index % _GIVEN_UP_AFTER == _GIVEN_UP_AFTER - 1 and _has_error(first):
            break
    turns = turns_of(messages)
    if messages and len(turns) == len(messages):
        for problem in _order_problems(turns, f"{at}/messages", answered=answered):
            first.setdefault(problem.code, problem)
        if "CHAT_TOOLS_UNSUPPORTED" in first:
            for problem in tools.order_problems(messages, value.get("tools"), f"{at}/messages"):
                first.setdefault(problem.code, problem)
    return turns, list(first.values())


def turns_of(messages: object) -> tuple[Message, ...]:
    """The messages of known roles, as their typed selves."""
    return tuple(
        _turn(message)
        for message in (messages if isinstance(messages, list) else ())
        if isinstance(message, dict)
        and isinstance(message.get("role"), str)
        and message["role"] in (*_ROLES, *tools.ROLES, _SYSTEM_TODAY)
    )


def _has_error(codes: Iterable[str]) -> bool:
    return any(RULES[code].severity is Severity.ERROR for code in codes)


def _turn(message: dict[str, Any]) -> Message:
    """A message of a known role as its typed self, with what it calls as text."""
    content, weight, role = message.get("content"), message.get("weight"), message["role"]
    text = content if isinstance(content, str) else ""
    if "tool_calls" in message:
        text += tools.text_of_calls(message)
    return Message(
        "system" if role == _SYSTEM_TODAY else role,
        text,
        # 1.0 is as good as 1; anything but 0 and 1 was named before and counts as not given.
        0 if weight == 0 else 1 if weight == 1 else None,
    )


def _row_problems(value: dict[str, Any], at: str) -> Iterator[Problem]:
    messages = value.get("messages")
    if "messages" not in value:
        yield missing(value, "messages", at, _ROW_FIELDS)
    elif not isinstance(messages, list):
        words = f'"messages" is {type_name(messages)}, not a list'
        advice = 'Write "messages" as a list of {"role": …, "content": …} objects.'
        yield Problem("FIELD_TYPE", words, f"{at}/messages", advice)
    elif not messages:
        yield Problem("CHAT_NO_MESSAGES", '"messages" is empty', f"{at}/messages")
    yield from tools.row_problems(value, at)
    yield from unknown(value, at, _ROW_FIELDS)


def message_problems(message: object, at: str) -> Iterator[Problem]:
    """What is wrong with one message, whatever stands around it."""
    if not isinstance(message, dict):
        words = f"the message is {type_name(message)}, not an object"
        yield Problem("FIELD_TYPE", words, at, 'Write {"role": …, "content": …}.')
        return
    yield from tools.message_problems(message, at)
    yield from _role_problems(message, at)
    # A call of a tool needs no content.
    calls = message.get("tool_calls") is not None or message.get("function_call") is not None
    if not (calls and message.get("content") is None):
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
    elif role == _SYSTEM_TODAY:
        yield Problem("CHAT_DEVELOPER", f'the message has the role "{role}"', f"{at}/role")
    elif role not in _ROLES and role not in tools.ROLES:
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
    elif message.get("weight") != 0 and not message.get("tool_calls"):
        yield Problem("CHAT_CONTENT_EMPTY", "the assistant says nothing", f"{at}/content")


def _order_problems(turns: Sequence[Message], at: str, *, answered: bool) -> Iterator[Problem]:
    """The rules about a conversation as a whole."""
    if answered and all(turn.role != "assistant" or turn.weight == 0 for turn in turns):
        yield Problem("CHAT_NO_ASSISTANT", "no assistant message to learn from", at)
        return
    previous = ""
    for index, turn in enumerate(turns):
        words = ""
        if turn.role == "system" and previous:
            words = "a system message after the beginning"
        elif turn.role == previous and turn.role not in tools.ROLES:
            words = f"two {turn.role} messages in a row"
        elif turn.role == "assistant" and previous not in ("user", *tools.ROLES):
            words = "an assistant message without a user message before it"
        if words:
            yield Problem("CHAT_ROLE_ORDER", words, f"{at}/{index}")
        previous = turn.role
    if answered and previous != "assistant":
        words = f"the conversation ends with a {previous} message"
        yield Problem("CHAT_ROLE_ORDER", words, f"{at}/{len(turns) - 1}")
    if not answered and previous in ("system", "assistant"):
        article = "an" if previous == "assistant" else "a"
        words = f"the conversation before the answers ends with {article} {previous} message"
        yield Problem("CHAT_ROLE_ORDER", words, f"{at}/{len(turns) - 1}")
