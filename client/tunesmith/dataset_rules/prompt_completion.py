"""The rules of prompt/completion rows."""

from typing import Any

from tunesmith.dataset_rules.fields import missing, text_problems, unknown
from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.shapes import PromptCompletion

_FIELDS = ("prompt", "completion")


def check(value: dict[str, Any]) -> tuple[PromptCompletion, list[Problem]]:
    """The example in a row and what is wrong with it; with errors the example means nothing."""
    found: list[Problem] = []
    for field in _FIELDS:
        if field not in value:
            found.append(missing(value, field, "", _FIELDS))
        elif field == "completion" and value[field] is None:
            found.append(Problem("COMPLETION_EMPTY", "the completion is null", "/completion"))
        else:
            found += text_problems(value[field], field, f"/{field}")
    found += unknown(value, "", _FIELDS)
    prompt, completion = value.get("prompt"), value.get("completion")
    if completion == "":
        found.append(Problem("COMPLETION_EMPTY", "the completion is empty", "/completion"))
    elif isinstance(completion, str) and completion.isspace():
        words = "the completion is nothing but white space"
        found.append(Problem("COMPLETION_BLANK", words, "/completion"))
    return PromptCompletion(str(prompt), str(completion)), found
