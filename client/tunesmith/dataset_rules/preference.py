"""The rules of preference rows: a conversation, the answer that is preferred, and another."""

from collections.abc import Iterator
from typing import Any

from tunesmith.dataset_rules import chat
from tunesmith.dataset_rules.fields import missing, type_name, unknown
from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.shapes import Message, Preference

_FIELDS = ("input", "preferred_output", "non_preferred_output")
_OUTPUTS = _FIELDS[1:]


def check(value: dict[str, Any]) -> tuple[Preference, list[Problem]]:
    """The example in a row and what is wrong with it; with errors the example means nothing."""
    first: dict[str, Problem] = {}
    outputs: dict[str, tuple[Message, ...]] = {}
    asked, problems = _input(value)
    for problem in problems:
        first.setdefault(problem.code, problem)
    for field in _OUTPUTS:
        for problem in _output_problems(value, field):
            first.setdefault(problem.code, problem)
        outputs[field] = chat.turns_of(value.get(field))
    for problem in unknown(value, "", _FIELDS):
        first.setdefault(problem.code, problem)
    if "PREFERENCE_OUTPUT" not in first and value.get(_OUTPUTS[0]) == value.get(_OUTPUTS[1]):
        words = "both answers are the same"
        first.setdefault("PREFERENCE_SAME", Problem("PREFERENCE_SAME", words))
    row = Preference(asked, outputs["preferred_output"], outputs["non_preferred_output"])
    return row, list(first.values())


def _input(value: dict[str, Any]) -> tuple[tuple[Message, ...], list[Problem]]:
    """The conversation up to the answers, and what is wrong with it."""
    asked = value.get("input")
    if "input" not in value:
        return (), [missing(value, "input", "", _FIELDS)]
    if not isinstance(asked, dict):
        words = f'"input" is {type_name(asked)}, not an object'
        return (), [Problem("FIELD_TYPE", words, "/input", 'Write {"messages": […]}.')]
    messages, problems = chat.check_conversation(asked, "/input", answered=False)
    return messages, problems


def _output_problems(value: dict[str, Any], field: str) -> Iterator[Problem]:
    """What is wrong with one of the answers."""
    output = value.get(field)
    if field not in value:
        yield missing(value, field, "", _FIELDS)
        return
    if not isinstance(output, list):
        words = f'"{field}" is {type_name(output)}, not a list'
        advice = f'Write "{field}" as a list of one assistant message.'
        yield Problem("FIELD_TYPE", words, f"/{field}", advice)
        return
    if len(output) != 1 or not isinstance(output[0], dict) or output[0].get("role") != "assistant":
        words = f'"{field}" is not one assistant message'
        yield Problem("PREFERENCE_OUTPUT", words, f"/{field}")
        return
    yield from chat.message_problems(output[0], f"/{field}/0")
