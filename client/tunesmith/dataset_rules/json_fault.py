"""Why a text is not JSON, in words for the person who wrote it.

Python's own messages differ from version to version, and msgspec's from both; these are ours, so
that client and server write the same. Only lines that are known to be broken come here.
"""

import re

from tunesmith.dataset_rules.excerpts import excerpt, excerpt_around

_LONGEST = 256 * 1024
"""Longer texts (characters) are not searched: the answer would take longer than it is worth."""

_SPACE = re.compile(r"[ \t\r\n]*+")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
_SCALAR = re.compile(
    r"(?:-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?|true|false|null|NaN|-?Infinity)"
    r"(?![0-9A-Za-z_.+-])"
)
_WORD = re.compile(r"[0-9A-Za-z_.+-]++")
_PYTHON = {"True": "true", "False": "false", "None": "null", "undefined": "null", "nan": "null"}


class _Fault(Exception):
    """The first thing that is not JSON, and at which character (from 0)."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at = at


def describe(text: str) -> str:
    """What is wrong with `text`, where, and the text around it; one clause without a full stop."""
    if len(text) > _LONGEST:
        return "not valid JSON"
    try:
        _Scanner(text).walk()
    except _Fault as fault:
        near = excerpt_around(text, fault.at)
        return f"not valid JSON: {fault} (character {fault.at + 1:,}, near `{near}`)"
    return "not valid JSON"


def fault_at(text: str) -> int | None:
    """At which character, from 0, `text` stops being JSON; None if it does not or is too long."""
    if len(text) > _LONGEST:
        return None
    try:
        _Scanner(text).walk()
    except _Fault as fault:
        return fault.at
    return None


class _Scanner:
    """Walks through a text by JSON's grammar, without recursion, until the first fault."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[str] = []
        self._fresh = False
        """Whether the innermost bracket has just been opened."""
        self._last = ""
        """What stands before the present place, for the message."""

    def walk(self) -> None:
        """Take one step after the other; raises the fault."""
        self._value()
        while self._open:
            if self._fresh:
                self._member_or_end()
            else:
                self._comma_or_end()
        if self._peek():
            if self._peek() == "{":
                raise _Fault(self._at, "a second object on the line; write one line per example")
            raise _Fault(self._at, "more text after the end of the object")

    def _peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._text[self._at : self._at + 1]

    def _value(self) -> None:
        """Take a value, or the opening of one."""
        character = self._peek()
        self._fresh = False
        if character in ("{", "["):
            self._open.append(character)
            self._at += 1
            self._fresh = True
            self._last = f'the "{character}"'
        elif character == '"':
            self._last = f'"{excerpt(self._string(), 20)}"'
        else:
            self._scalar(character)

    def _member_or_end(self) -> None:
        """After an opening bracket: the closing one or the first member."""
        if self._peek() == self._closing():
            self._close()
        else:
            self._member()

    def _comma_or_end(self) -> None:
        """After a member: the closing bracket, or a comma and the next member."""
        character = self._peek()
        if character == self._closing():
            self._close()
        elif character == ",":
            comma = self._at
            self._at += 1
            if self._peek() in ("}", "]"):
                raise _Fault(comma, f"trailing comma after {self._last}")
            self._member()
        elif not character:
            raise _Fault(self._at, f'the line ends where "," or "{self._closing()}" is missing')
        elif character in ("}", "]"):
            raise _Fault(self._at, f'"{character}" where "{self._closing()}" is expected')
        else:
            raise _Fault(self._at, f"a comma is missing after {self._last}")

    def _member(self) -> None:
        """An element of a list, or a key, a colon and a value."""
        if self._open[-1] == "{":
            key = self._key()
            if self._peek() != ":":
                raise _Fault(self._at, f'no ":" after the key "{key}"')
            self._at += 1
            self._last = f'the key "{key}"'
        self._value()

    def _key(self) -> str:
        character = self._peek()
        if character == '"':
            return excerpt(self._string(), 20)
        if not character:
            raise _Fault(self._at, "the line ends where a key is expected")
        if character == "'":
            raise _Fault(self._at, "single quotes; JSON strings stand in double quotes")
        if word := _WORD.match(self._text, self._at):
            raise _Fault(self._at, f"the key {excerpt(word.group(), 20)} has no double quotes")
        raise _Fault(self._at, f"`{excerpt(character)}` where a key in double quotes is expected")

    def _string(self) -> str:
        """Take a string; its inside."""
        start = self._at
        found = _STRING.match(self._text, start)
        end = found.end() if found else start
        stopped = self._text[end : end + 1]
        if stopped == '"':
            self._at = end + 1
            return self._text[start + 1 : end]
        if not stopped:
            begin = excerpt(self._text[start + 1 :], 20)
            raise _Fault(start, f'the string that begins with "{begin}" is not closed')
        if stopped == "\\":
            bad = self._text[end : end + 2]
            raise _Fault(end, f"`{excerpt(bad)}` is no escape; a backslash is written \\\\")
        raise _Fault(end, f"a raw control character in a string; write `{excerpt(stopped)}`")

    def _scalar(self, character: str) -> None:
        if found := _SCALAR.match(self._text, self._at):
            self._at = found.end()
            self._last = excerpt(found.group(), 20)
        elif not character:
            after = f" after {self._last}" if self._last else ""
            raise _Fault(self._at, f"the line ends where a value is expected{after}")
        elif character == "'":
            raise _Fault(self._at, "single quotes; JSON strings stand in double quotes")
        elif word := _WORD.match(self._text, self._at):
            raise _Fault(self._at, _word_fault(word.group()))
        else:
            raise _Fault(self._at, f"`{excerpt(character)}` where a value is expected")

    def _closing(self) -> str:
        return "}" if self._open[-1] == "{" else "]"

    def _close(self) -> None:
        self._at += 1
        self._last = f'the "{self._closing()}"'
        self._open.pop()
        self._fresh = False


def _word_fault(word: str) -> str:
    """What is wrong with a bare word where a value is expected."""
    shown = excerpt(word, 20)
    if json_word := _PYTHON.get(word):
        return f"{shown} is not JSON; write {json_word}"
    if word[0] in "0123456789.+-":
        return f"{shown} is not a number as JSON writes them"
    return f"the text {shown} has no double quotes"
