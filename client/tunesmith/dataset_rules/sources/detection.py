"""Which format a text is written in: by its first line, else by the file's name."""

import csv
import re
from dataclasses import dataclass
from typing import Final

from tunesmith.dataset_rules.sources.formats import TITLES, Format, format_of_name

ENOUGH: Final = 2**16
"""A first line over this size (bytes) is not waited for."""

_SPACE = b" \t\r\n"
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\[\x00-\xff])*+"?')
_JSON = re.compile(rb'\{|\[\s*+(?:[\[{"\]\d-]|\Z)')
_JSON_ROWS = re.compile(rb'\{\s*+"|\[\s*+\{')
"""JSON beyond doubt, even in a file that by its name is text or a table."""
_COLUMNS = frozenset(("prompt", "completion"))


@dataclass(frozen=True)
class Detected:
    """What a text is taken for."""

    format: Format
    mismatch: str = ""
    """How that contradicts the file's name, if it does."""


def detect(head: bytes, *, complete: bool, file_name: str) -> Detected | None:
    """The format of a text in UTF-8 that begins with `head`; None if more of it is needed.

    Once there is an answer, more text does not change it: the sizes of pieces must not matter.
    """
    said = format_of_name(file_name)
    decided = complete or len(head) >= ENOUGH
    text = head[:ENOUGH].lstrip(_SPACE)
    end = text.find(b"\n")
    line, rest = (text, b"") if end < 0 else (text[:end], text[end + 1 :].lstrip(_SPACE))
    if not decided:
        if end < 0:
            return None
        # these two are told by how it goes on
        if not rest and (line.startswith(b"[") or line.rstrip(_SPACE) == b"{"):
            return None
    found = _found(text, line, rest, said)
    return Detected(found, _mismatch(found, said))


def _found(text: bytes, line: bytes, rest: bytes, said: Format | None) -> Format:
    by_name = said in (Format.JSONL, Format.CSV, Format.TSV, Format.TXT)
    if not (_JSON_ROWS if by_name else _JSON).match(text):
        if said is Format.TXT:
            return said
        # what is neither is read as JSON lines, where each line is told what is wrong with it
        return _table(line) or (said if said is not None and by_name else Format.JSONL)
    if line.startswith(b"{"):
        indented = line.rstrip(_SPACE) == b"{" or (said is Format.JSON and _is_open(line))
        return Format.JSON if indented else Format.JSONL
    several = not _is_open(line) and (
        rest != b"" if said is Format.JSONL else rest[:1] in (b"[", b"{")
    )
    return Format.JSONL if several else Format.JSON


def _table(line: bytes) -> Format | None:
    """The kind of table of which `line` is the header, if it names our columns."""
    header = line.decode("utf-8", "replace").lower()
    for format, delimiter in ((Format.CSV, ","), (Format.TSV, "\t")):
        try:
            cells = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:
            continue
        if {cell.strip() for cell in cells} >= _COLUMNS:
            return format
    return None


def _is_open(line: bytes) -> bool:
    """Whether more brackets open than close."""
    outside = _STRINGS.sub(b"", line)
    opened = outside.count(b"{") + outside.count(b"[")
    return opened > outside.count(b"}") + outside.count(b"]")


def _mismatch(found: Format, said: Format | None) -> str:
    if said in (None, found) or (said is Format.JSON and found is Format.JSONL):
        return ""
    return f"the file's name stands for {TITLES[said]}, but it is read as {TITLES[found]}"
