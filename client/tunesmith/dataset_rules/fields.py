"""The rules about single values, whichever shape they stand in."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any

from tunesmith.dataset_rules.excerpts import excerpt
from tunesmith.dataset_rules.findings import Problem

_LONGEST_POINTED = 40
"""A longer field name (characters) is not put into a pointer, which must stay short."""


def type_name(value: object) -> str:
    """JSON's name for the type of `value`, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def pointer(parent: str, field: str) -> str:
    """The JSON pointer to `field` under `parent`; to `parent` where the name cannot be shown."""
    if len(field) > _LONGEST_POINTED or excerpt(field) != field:
        return parent
    return f"{parent}/{field.replace('~', '~0').replace('/', '~1')}"


def missing(value: Mapping[str, Any], field: str, at: str, known: Collection[str]) -> Problem:
    """`field` is not there; says so if another one was probably meant."""
    others = [name for name in islice(value, 20) if name not in known and len(name) < 20]
    by_case = {name.strip().lower(): name for name in others}
    close = get_close_matches(field, by_case, n=1, cutoff=0.75)
    if close:
        meant = excerpt(by_case[close[0]], 30)
        advice = f'Rename "{meant}" to "{field}".'
        code = "FIELD_CASE" if close == [field] else "FIELD_MISSING"
        return Problem(code, f'no field "{field}", but "{meant}"', at, advice)
    return Problem("FIELD_MISSING", f'no field "{field}"', at, f'Add the field "{field}".')


def unknown(value: Mapping[str, Any], at: str, known: Collection[str]) -> list[Problem]:
    """The fields that no rule knows, as one problem each, three at most."""
    return [
        Problem(
            "FIELD_UNKNOWN",
            f'the field "{excerpt(name, 30)}" is not used in training',
            pointer(at, name),
        )
        for name in islice((name for name in value if name not in known), 3)
    ]


def text_problems(value: object, field: str, at: str) -> list[Problem]:
    """What is wrong with a value that must be a text."""
    if not isinstance(value, str):
        advice = f'Write "{field}" as a string.'
        words = f'"{field}" is {type_name(value)}, not a string'
        return [Problem("FIELD_TYPE", words, at, advice)]
    found: list[Problem] = []
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            half = excerpt(value[error.start])
            words = f'"{field}" has the half character {half} at character {error.start + 1:,}'
            found.append(Problem("LONE_SURROGATE", words, at))
    if "\0" in value:
        words = f'"{field}" has a NUL character at character {value.index(chr(0)) + 1:,}'
        found.append(Problem("TEXT_NUL", words, at))
    return found
