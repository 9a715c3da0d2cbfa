"""JSON as one list of rows, or as objects one after the other, on any number of lines.

Only where each row begins and ends is looked for here; the rules read the row itself, as they read
a line of JSON lines. So what is wrong inside of a row is said of this row, in the same words, and
no row but the present one is ever in memory.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto

from tunesmith.dataset_rules.sources.lines import CutLine
from tunesmith.dataset_rules.sources.problems import Noted
from tunesmith.dataset_rules.sources.rows import Rows, SourceProblem

_WINDOW = 2**20
_BATCH = 1000

_SPACE = re.compile(rb"[ \t\r\n]*+")
_WHOLE_STRING = rb'"(?:[^"\\]++|\\[\x00-\xff])*+"'


def _within(*inner: bytes) -> bytes:
    """The pattern of what stands in a bracket: no brackets but those of `inner`."""
    return rb'(?:[^{}\[\]"]++|%b)*+' % b"|".join((_WHOLE_STRING, *inner))


_TWO_LEVELS = _within(rb"[\[{]%b[\]}]" % _within(rb"[\[{]%b[\]}]" % _within()))
_SHALLOW = re.compile(rb"[\[{]%b[\]}]|%b" % (_TWO_LEVELS, _WHOLE_STRING))
"""A whole row of the usual depth, chats included, at the speed of the regex engine."""
_INSIDE = re.compile(_TWO_LEVELS + rb'([{\[]++|[}\]]++|")')
"""More of a row up to brackets, or up to a string that does not end here."""
_STRING = re.compile(rb'(?:[^"\\]++|\\[\x00-\xff])*+')
_SCALAR = re.compile(rb'[^ \t\r\n,\]\[{"]++')
_LINE_END = re.compile(rb'"(?:[^"\\]++|\\[\x00-\xff])*+"?|[\r\n]')


class _At(Enum):
    """Where the reading is."""

    START = auto()
    VALUE = auto()
    """A row may begin: after the opening bracket."""
    NEXT_VALUE = auto()
    """A row must begin: after a comma."""
    SEPARATOR = auto()
    NESTED = auto()
    """Inside of an object or list."""
    STRING = auto()
    """Inside of a string."""
    SCALAR = auto()
    """Inside of a number, a word, or whatever else is neither string, object nor list."""
    END = auto()


class JsonValues:
    """Cuts a JSON list, or objects without a list around them, into rows."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max = max_line_bytes
        self._at = _At.START
        self._list = False
        self._depth = 0
        self._line = 1
        self._row = bytearray()
        self._row_bytes = 0
        self._row_line = 0
        self._held = b""
        """A backslash at the end of a piece: it belongs to what comes next."""
        self._noted = Noted()
        self._noted_end = False
        self._numbers: list[int] = []
        self._lines: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[Rows]:
        """The rows that `chunk` completes."""
        for start in range(0, len(chunk), _WINDOW):
            yield from self._window(chunk[start : start + _WINDOW])

    def finish(self) -> Iterator[Rows]:
        """The last row, if the file ends in or right after it."""
        if self._at in (_At.NESTED, _At.STRING, _At.SCALAR):
            self._keep(self._held)
            self._close()
        if self._list and self._at is not _At.END:
            self._fault('the list is not closed: the file ends without a "]"')
        yield from self._batch()

    def problems(self) -> Sequence[SourceProblem]:
        """What is wrong between the rows."""
        return self._noted.all()

    def _window(self, window: bytes) -> Iterator[Rows]:
        data = self._held + window
        self._held = b""
        at = 0
        while at < len(data) and self._at is not _At.END:
            if self._at in (_At.NESTED, _At.STRING, _At.SCALAR):
                at = self._inside(data, at)
            else:
                at = self._between(data, at)
            if len(self._lines) >= _BATCH:
                yield from self._batch()
        if at < len(data):
            self._after_the_end(data[at:])
        yield from self._batch()

    def _between(self, data: bytes, at: int) -> int:
        """Take what stands between two rows, or the beginning of one; where to go on."""
        begin = at
        if space := _SPACE.match(data, at):
            at = space.end()
            self._line += data.count(b"\n", begin, at)
        if at == len(data):
            return at
        character = data[at : at + 1]
        if self._at is _At.START:
            self._list = character == b"["
            self._at = _At.VALUE if self._list else _At.SEPARATOR
            return at + 1 if self._list else self._begin(data, at)
        if self._list and character == b"]":
            if self._at is _At.NEXT_VALUE:
                self._fault("a comma stands before the end of the list")
            self._at = _At.END
            return at + 1
        if character == b",":
            self._comma()
            return at + 1
        if self._at is _At.SEPARATOR and self._list:
            self._fault("a comma is missing before this row")
        return self._begin(data, at)

    def _comma(self) -> None:
        if not self._list:
            self._fault('a comma stands between objects; put all of them in "[" and "]"')
        elif self._at is not _At.SEPARATOR:
            self._fault("a comma stands where a row is expected")
        self._at = _At.NEXT_VALUE

    def _begin(self, data: bytes, at: int) -> int:
        """Begin a row; where to go on."""
        self._row_line = self._line
        if row := _SHALLOW.match(data, at):
            self._keep(row.group())
            self._close()
            return row.end()
        character = data[at : at + 1]
        if character in (b"{", b"["):
            self._at, self._depth = _At.NESTED, 1
        elif character == b'"':
            self._at, self._depth = _At.STRING, 0
        else:
            self._at = _At.SCALAR
            if character == b"]":  # without a list around; else no end would ever be found
                self._keep(character)
                self._close()
                return at + 1
            return at
        self._keep(character)
        return at + 1

    def _inside(self, data: bytes, at: int) -> int:
        """Take more of a row, up to its end or the next change of state; where to go on."""
        begin = at
        if self._at is _At.SCALAR:
            found = _SCALAR.match(data, at)
            at = found.end() if found else at
            self._keep(data[begin:at])
            if at < len(data):
                self._close()
            return at
        if self._at is _At.STRING:
            return self._string(data, at)
        while found := _INSIDE.match(data, at):
            at = found.end()
            brackets = found.group(1)
            if brackets == b'"':
                self._at = _At.STRING
                self._keep(data[begin:at])
                return at
            if brackets[:1] in (b"{", b"["):
                self._depth += len(brackets)
                continue
            if len(brackets) >= self._depth:
                at = found.start(1) + self._depth
                self._keep(data[begin:at])
                self._close()
                return at
            self._depth -= len(brackets)
        self._keep(data[begin:])
        return len(data)

    def _string(self, data: bytes, at: int) -> int:
        begin = at
        quote = data.find(b'"', at)
        at = len(data) if quote < 0 else quote
        # without a backslash it ends there; to search for both is ten times as fast as to match
        if data.find(b"\\", begin, at) >= 0 and (found := _STRING.match(data, begin)):
            at = found.end()
        if at == len(data):
            self._keep(data[begin:])
            return at
        if data[at : at + 1] == b"\\":  # the last byte
            self._keep(data[begin:at])
            self._held = b"\\"
            return len(data)
        self._keep(data[begin : at + 1])
        if self._depth:
            self._at = _At.NESTED
        else:
            self._close()
        return at + 1

    def _keep(self, piece: bytes) -> None:
        """Add to the row; of one over the limit the length alone."""
        self._row_bytes += len(piece)
        self._line += piece.count(b"\n")
        if self._row_bytes > self._max:
            self._row = bytearray()
        else:
            self._row += piece

    def _close(self) -> None:
        """The row is complete."""
        row = CutLine(self._row_bytes) if self._row_bytes > self._max else self._joined()
        self._numbers.append(self._row_line)
        self._lines.append(row)
        self._row, self._row_bytes = bytearray(), 0
        self._at = _At.SEPARATOR

    def _joined(self) -> bytes:
        """The row on one line: line ends between its values are spaces, those within stay."""
        row = bytes(self._row)
        if b"\n" in row or b"\r" in row:
            row = _LINE_END.sub(lambda found: found.group().strip(b"\r\n") or b" ", row)
        return row

    def _batch(self) -> Iterator[Rows]:
        if self._lines:
            yield Rows(self._numbers, self._lines)
            self._numbers, self._lines = [], []

    def _after_the_end(self, rest: bytes) -> None:
        space = _SPACE.match(rest)
        end = space.end() if space else 0
        self._line += rest.count(b"\n", 0, end)
        if end < len(rest) and not self._noted_end:
            self._noted_end = True
            self._fault("there is more after the end of the list")

    def _fault(self, message: str) -> None:
        self._noted.add(self._line, "JSON_INVALID", f"not valid JSON: {message}", _ADVICE)


_ADVICE = "Write the file with a JSON library, or as JSON lines."
