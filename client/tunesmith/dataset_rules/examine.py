"""What is wrong with one line, precisely: the slow way, for lines that did not decode.

It is the authority: a line that the typed decoders refuse may still be an example with a warning,
such as one with a field too many.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tunesmith.dataset_rules import chat, preference, prompt_completion
from tunesmith.dataset_rules.catalogue import RULES
from tunesmith.dataset_rules.excerpts import excerpt, plural
from tunesmith.dataset_rules.fields import type_name
from tunesmith.dataset_rules.findings import Problem, Severity
from tunesmith.dataset_rules.json_fault import describe
from tunesmith.dataset_rules.shapes import Example, Shape, shape_of
from tunesmith.dataset_rules.sources.lines import CutLine

MAX_DEPTH: Final = 64
"""Levels of nesting; far above any example, far below what could hurt a parser."""

_BOM = b"\xef\xbb\xbf"
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_CHECKS: dict[Shape, Callable[[dict[str, Any]], tuple[Example, list[Problem]]]] = {
    Shape.PROMPT_COMPLETION: prompt_completion.check,
    Shape.CHAT: chat.check,
    Shape.PREFERENCE: preference.check,
}


@dataclass(frozen=True)
class Verdict:
    """What one line is worth."""

    example: Example | None
    """The example, if the line holds one that can be trained on."""
    problems: tuple[Problem, ...] = ()
    shape: Shape | None = None
    """The shape the line was read as."""


def examine(line: bytes, shape: Shape | None, *, explain: bool = True) -> Verdict:
    """The verdict on `line`, read as `shape` or, where that is None, as what it looks like.

    Without `explain` a message may be general: for lines whose messages nobody will read.
    """
    if isinstance(line, CutLine):
        return _refused("LINE_TOO_LONG", f"the line is {plural(line.length, 'byte')} long")
    marks: list[Problem] = []
    if line.startswith(_BOM):
        line = line[len(_BOM) :]
        marks.append(Problem("BOM", "the line begins with a byte order mark"))
    line = line.rstrip(b" \t\r\n")
    if not line:
        return Verdict(None, (*marks, Problem("BLANK_LINE", "the line is blank")))
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return _refused("ENCODING_INVALID", *_undecodable(line, error), marks=marks)
    if _is_deep(line):
        return _refused("TOO_DEEP", f"nested more than {MAX_DEPTH} levels deep", marks=marks)
    parser = _Parser()
    try:
        value = parser.parse(text)
    except ValueError:
        message = describe(text) if explain else "not valid JSON"
        return _refused("JSON_INVALID", message, _json_advice(text), marks=marks)
    found = [*marks, *parser.problems]
    if not isinstance(value, dict):
        return _refused("NOT_AN_OBJECT", f"the line is {type_name(value)}", marks=found)
    return _check(value, shape, found)


def _refused(
    code: str, message: str, advice: str = "", *, marks: Sequence[Problem] = ()
) -> Verdict:
    return Verdict(None, (*marks, Problem(code, message, suggestion=advice)))


def _check(value: dict[str, Any], shape: Shape | None, found: list[Problem]) -> Verdict:
    """Apply the rules of the shape."""
    looks_like = shape_of(value)
    if shape is not None and looks_like is not None and looks_like is not shape:
        words = f"a {_TITLES[looks_like]} row in a dataset of {_TITLES[shape]} rows"
        return Verdict(None, (*found, Problem("MIXED_SHAPES", words)))
    shape = shape or looks_like
    if shape is None:
        names = ", ".join(f'"{excerpt(name, 15)}"' for name in list(value)[:3]) or "no field at all"
        message = f'neither "prompt" and "completion" nor "messages", but {names}'
        return Verdict(None, (*found, Problem("FIELD_MISSING", message)))
    example, problems = _CHECKS[shape](value)
    found += problems
    sound = all(RULES[problem.code].severity is not Severity.ERROR for problem in found)
    return Verdict(example if sound else None, tuple(found), shape)


_TITLES = {
    Shape.PROMPT_COMPLETION: "prompt/completion",
    Shape.CHAT: "chat",
    Shape.PREFERENCE: "preference",
}


def _is_deep(line: bytes) -> bool:
    """Whether brackets outside of strings nest deeper than `MAX_DEPTH`.

    Counted here and not left to the parser's recursion limit, which differs between Pythons.
    """
    if line.count(b"[") + line.count(b"{") <= MAX_DEPTH:
        return False
    outside = line.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2]
    depth = 0
    for bracket in b"".join(outside).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _undecodable(line: bytes, error: UnicodeDecodeError) -> tuple[str, str]:
    """Message and advice for bytes that are not UTF-8."""
    at, byte = error.start, line[error.start]
    message = f"byte {at + 1:,} of the line (0x{byte:02x}) is not UTF-8"
    if line.count(b"\0") > len(line) // 4:
        return message, "This looks like UTF-16; save the file as UTF-8."
    if len(line) - at > 1 and not any(0x80 <= other < 0xA0 for other in line[at:]):
        return message, "This looks like Latin-1 or Windows-1252; save the file as UTF-8."
    return message, ""


def _json_advice(text: str) -> str:
    """What to do about a line that is not JSON, where its look gives away how it came about."""
    start = text.strip(" \t\r")
    if "\0" in text:
        return "This looks like UTF-16 or binary data; save the file as UTF-8 text."
    if start in ("{", "[", "[{", "}", "]", "},", "],"):
        return (
            "This looks like JSON laid out over several lines; write one object per line"
            " (`jq -c '.[]' FILE` does so for a list)."
        )
    if start[:1] not in ('"', "{", "[") and ("," in start or "\t" in start):
        return "This looks like CSV or TSV; name the columns prompt and completion in a header."
    if start.startswith(("{'", "[{'")):
        return "This looks like Python's repr; write the rows with json.dumps."
    return ""


class _Parser:
    """Python's JSON parser, with an eye on what it lets pass silently."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_constant=self._constant,
            parse_float=self._float,
            parse_int=self._int,
        )

    def parse(self, text: str) -> Any:
        """The value of `text`; ValueError if it is not JSON."""
        return self._decoder.decode(text)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            twice = next(
                key for key, times in Counter(key for key, _ in pairs).items() if times > 1
            )
            message = f'the field "{excerpt(twice, 30)}" stands twice in one object'
            self._note("KEY_DUPLICATE", message)
        return value

    def _constant(self, name: str) -> float:
        self._note("NUMBER_NOT_FINITE", f"the value {name} is not JSON")
        return float(name)

    def _float(self, digits: str) -> float:
        number = float(digits)
        if number in (float("inf"), float("-inf")):
            self._note("NUMBER_NOT_FINITE", f"the number {excerpt(digits, 20)} is out of range")
        return number

    def _int(self, digits: str) -> int:
        # Python refuses to read integers of thousands of digits; none of ours needs more than one.
        return int(digits) if len(digits) < 20 else 10**20

    def _note(self, code: str, message: str) -> None:
        """Remember the first problem of a kind: one finding per code and line is enough."""
        if all(problem.code != code for problem in self.problems):
            self.problems.append(Problem(code, message))
