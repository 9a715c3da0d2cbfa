"""Where in a line of JSON something stands: to mark it for people.

Only lines with a finding come here, a handful of each kind, so it may take its time.
"""

import re
from json import JSONDecoder
from typing import Any, Final

from tunesmith.dataset_rules.json_fault import fault_at

_LONGEST: Final = 256 * 1024
"""Characters; in a longer line nothing is looked for."""
_SPACE = re.compile(r"[ \t\r\n]*")
_decode = JSONDecoder().raw_decode

Span = tuple[int, int]
"""The first character, from 0, and the one after the last."""


def span_of(text: str, pointer: str) -> Span | None:
    """Where the value at a JSON pointer stands in `text`; None if it cannot be found.

    Of a field that is there twice it is the last, which is the one that counts.
    """
    if not pointer.startswith("/") or len(text) > _LONGEST:
        return None
    span = (_skip(text, 0), len(text.rstrip()))
    try:
        for token in pointer[1:].split("/"):
            found = _member(text, span[0], token.replace("~1", "/").replace("~0", "~"))
            if found is None:
                return None
            span = found
    except (ValueError, IndexError, StopIteration, RecursionError):
        return None
    return span


def fault_span(text: str) -> Span | None:
    """The character at which `text` stops being JSON; None if it does not, or is too long."""
    at = fault_at(text)
    return None if at is None else (at, at + 1)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _member(text: str, at: int, token: str) -> Span | None:
    """The value of one member of the object or list that begins at `at`."""
    opening, found = text[at], None
    if opening not in "{[":
        return None
    at = _skip(text, at + 1)
    index = 0
    while text[at] not in "}]":
        name: Any = str(index)
        if opening == "{":
            name, at = _decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        _, end = _decode(text, at)
        if name == token:
            found = (at, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
        index += 1
    return found
