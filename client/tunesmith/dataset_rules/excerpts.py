"""Short, harmless excerpts of text that nobody vouches for.

A message may be shown on a terminal and travels in a report, so an excerpt is bounded, and what
could move a cursor, reverse the line or break an encoder is written as an escape. Letters stay as
they are: an excerpt in Japanese should look Japanese. The table does not ask Python's Unicode
database, which differs from version to version: both sides must write the same excerpt.
"""

import re
from collections.abc import Callable

Quotable = Callable[[str], str]
"""What of a text may be quoted."""

LIMIT = 60
"""The most characters of training text in one message."""

_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    if short := _SHORT.get(character):
        return short
    point = ord(character)
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def excerpt(text: str, limit: int = LIMIT) -> str:
    """The beginning of `text`, escaped, at most `limit` characters long."""
    escaped = _HARMFUL.sub(_escape, text[:limit])
    if len(text) > limit or len(escaped) > limit:
        return escaped[: limit - 1] + "…"
    return escaped


def excerpt_around(text: str, at: int) -> str:
    """The text around the character `at`, escaped, at most `LIMIT` characters long."""
    start = max(0, at - LIMIT // 3)
    shown = excerpt(text[start : start + 2 * LIMIT], LIMIT - 1 if start else LIMIT)
    return f"…{shown}" if start else shown


def plural(count: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
