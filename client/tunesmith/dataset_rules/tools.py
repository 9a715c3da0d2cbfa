"""The rules of tools in conversations: their definitions, the calls of them, and the results.

Sound calls are sound data, but no trainer here can render them yet: rows with tools are kept and
measured, warned of, and refused when a run is to train on them.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tunesmith.dataset_rules.excerpts import excerpt
from tunesmith.dataset_rules.fields import type_name
from tunesmith.dataset_rules.findings import Problem

ROW_FIELDS = frozenset({"tools", "parallel_tool_calls", "functions", "function_call"})
MESSAGE_FIELDS = frozenset({"tool_calls", "tool_call_id", "function_call"})
ROLES = frozenset({"tool", "function"})
_MOST_CALLS = 1000
"""After so many calls in one conversation no more are looked at."""


def row_problems(value: dict[str, Any], at: str = "") -> Iterator[Problem]:
    """What is wrong with the definitions next to the messages."""
    for field in value:
        if field in ROW_FIELDS and value[field] is not None:
            words = f'the row has "{field}"'
            yield Problem("CHAT_TOOLS_UNSUPPORTED", words, f"{at}/{field}")
    parallel = value.get("parallel_tool_calls")
    if parallel is not None and not isinstance(parallel, bool):
        words = f'"parallel_tool_calls" is {type_name(parallel)}, not a boolean'
        advice = 'Write "parallel_tool_calls" as true or false.'
        yield Problem("FIELD_TYPE", words, f"{at}/parallel_tool_calls", advice)
    tools = value.get("tools")
    if tools is None:
        return
    if not isinstance(tools, list):
        words = f'"tools" is {type_name(tools)}, not a list'
        yield Problem("FIELD_TYPE", words, f"{at}/tools", 'Write "tools" as a list.')
        return
    for index, tool in enumerate(tools[:_MOST_CALLS]):
        if words := _definition_fault(tool):
            yield Problem("CHAT_TOOL_INVALID", words, f"{at}/tools/{index}")


def message_problems(message: dict[str, Any], at: str) -> Iterator[Problem]:
    """What is wrong with one message that calls a tool or is a result."""
    role = message.get("role")
    for field in message:
        if field in MESSAGE_FIELDS and message[field] is not None:
            words = f'the message has "{field}"'
            yield Problem("CHAT_TOOLS_UNSUPPORTED", words, f"{at}/{field}")
    if isinstance(role, str) and role in ROLES:
        yield Problem("CHAT_TOOLS_UNSUPPORTED", f'the message has the role "{role}"', f"{at}/role")
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        words = 'the result of a tool has no "tool_call_id"'
        yield Problem("CHAT_TOOL_RESULT", words, at)
    calls = message.get("tool_calls")
    if calls is None:
        return
    if role != "assistant":
        words = 'only an assistant message can have "tool_calls"'
        yield Problem("CHAT_TOOL_CALL", words, f"{at}/tool_calls")
    if not isinstance(calls, list) or not calls:
        words = '"tool_calls" is ' + ("empty" if calls == [] else f"{type_name(calls)}, not a list")
        yield Problem("CHAT_TOOL_CALL", words, f"{at}/tool_calls")
        return
    for index, call in enumerate(calls[:_MOST_CALLS]):
        if words := _call_fault(call):
            yield Problem("CHAT_TOOL_CALL", words, f"{at}/tool_calls/{index}")


def order_problems(messages: Sequence[dict[str, Any]], tools: object, at: str) -> Iterator[Problem]:
    """Whether calls and results belong together, and calls name tools that are defined."""
    defined = _names(tools)
    open_calls: dict[str, str] = {}
    known: set[str] = set()
    for index, message in enumerate(messages):
        here = f"{at}/{index}"
        if message.get("role") == "tool":
            id = message.get("tool_call_id")
            if isinstance(id, str) and open_calls.pop(id, None) is None:
                what = "answered before" if id in known else "not known"
                words = f'the call "{excerpt(id, 30)}" is {what}'
                yield Problem("CHAT_TOOL_RESULT", words, f"{here}/tool_call_id")
            continue
        for where in open_calls.values():
            yield Problem("CHAT_TOOL_RESULT", "the call has no result", where)
        open_calls = {}
        calls = message.get("tool_calls")
        for number, call in enumerate(calls[:_MOST_CALLS] if isinstance(calls, list) else ()):
            if _call_fault(call):
                continue
            place, name = f"{here}/tool_calls/{number}", call["function"]["name"]
            if call["id"] in known:
                words = f'the id "{excerpt(call["id"], 30)}" stands for two calls'
                yield Problem("CHAT_TOOL_CALL", words, place)
            if defined is not None and name not in defined:
                words = f'the tool "{excerpt(name, 30)}" is not among "tools"'
                yield Problem("CHAT_TOOL_CALL", words, place)
            known.add(call["id"])
            open_calls[call["id"]] = place


def text_of_calls(message: dict[str, Any]) -> str:
    """What a message with sound calls says besides its content: names and arguments."""
    calls = message.get("tool_calls")
    return "\n".join(
        f"{call['function']['name']}\n{call['function']['arguments']}"
        for call in (calls if isinstance(calls, list) else ())
        if not _call_fault(call)
    )


def _definition_fault(tool: object) -> str:
    """What is wrong with the definition of a tool; empty if nothing is."""
    if not isinstance(tool, dict):
        return f"the tool is {type_name(tool)}, not an object"
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        return 'the tool is not {"type": "function", "function": {…}}'
    if not isinstance(function.get("name"), str) or not function["name"]:
        return "the function has no name"
    if not isinstance(function.get("parameters", {}), dict):
        return f'"parameters" is {type_name(function["parameters"])}, not a JSON schema'
    return ""


def _call_fault(call: object) -> str:
    """What is wrong with the call of a tool; empty if nothing is."""
    if not isinstance(call, dict):
        return f"the call is {type_name(call)}, not an object"
    function = call.get("function")
    if call.get("type", "function") != "function" or not isinstance(function, dict):
        return 'the call is not {"id": …, "type": "function", "function": {…}}'
    if not isinstance(call.get("id"), str) or not call["id"]:
        return "the call has no id"
    if not isinstance(function.get("name"), str) or not function["name"]:
        return "the call names no function"
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        return f'"arguments" is {type_name(arguments)}, not a string of JSON'
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        return '"arguments" is not valid JSON'
    return ""


def _names(tools: object) -> set[str] | None:
    """The names of the tools; None where they are not defined, or not well."""
    if not isinstance(tools, list) or any(map(_definition_fault, tools)):
        return None
    return {tool["function"]["name"] for tool in tools}
