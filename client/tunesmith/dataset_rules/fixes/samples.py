"""Rows and texts before and after a fix, as they may be shown: short, and nothing secret in them.

A secret must be known before a text is cut or changed: half a key, or one in lower case, is not
recognised any more, but of use to whoever sees it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from tunesmith.dataset_rules.examples import plain
from tunesmith.dataset_rules.excerpts import excerpt
from tunesmith.dataset_rules.fixes.changes import Change, CutPrefix, EndWith, changed_row
from tunesmith.dataset_rules.sensitive import quotable
from tunesmith.dataset_rules.shapes import Example, PromptCompletion

MOST = 3
"""Samples of one fix."""
KEPT = 2**14
"""Bytes of a line, or characters of a text, that are looked at to show some of them."""
_END = 40
_BOM = b"\xef\xbb\xbf"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True)
class Sample:
    """A row, or the text that changes in it, before and after a fix; excerpts."""

    line: int
    before: str
    after: str
    """Empty if the row goes."""


class Quotes:
    """Makes excerpts, without what is secret or personal where that can be recognised here."""

    def __init__(self) -> None:
        self._quotable = quotable()

    def text(self, text: str) -> str:
        """The beginning of a text."""
        return excerpt(self._quotable(text[:KEPT]))

    def line(self, line: bytes) -> str:
        """The beginning of a line of a file."""
        line = line[:KEPT].removeprefix(_BOM).rstrip(b"\r\n")
        try:
            value = _decode(line)
        except (ValueError, RecursionError):
            return self.text(line.decode("utf-8", "replace"))
        # written with escapes, it would not be recognised
        quoted = self._within(value)
        if quoted != value:
            line = _encode(quoted)
        return self.text(line.decode("utf-8", "replace"))

    def row(self, row: Example) -> str:
        """The beginning of a row, as it is written."""
        return self.line(_encode(plain(row)))

    def changed(
        self, line: int, row: PromptCompletion, changes: Sequence[Change], change: Change
    ) -> Sample | None:
        """A text that `change` is about, which comes after `changes`; None if it is not shown."""
        column = change.column
        cuts = [each for each in (*changes, change) if isinstance(each, CutPrefix)]
        if self.private(row, column) and any(each.column == column for each in cuts):
            return None  # how much is to be cut is known of the text as it is
        quoted = PromptCompletion(self._quotable(row.prompt), self._quotable(row.completion))
        before = getattr(changed_row(changes, quoted), column)
        after = change.texts([before])[0]
        shown = _tail if isinstance(change, EndWith) else excerpt
        return Sample(line, shown(before), shown(after))

    def private(self, row: PromptCompletion, column: str) -> bool:
        """Whether something secret or personal is recognised in a text of a row."""
        text: str = getattr(row, column)
        return self._quotable(text) != text

    def _within(self, value: object) -> object:
        """A value of JSON, its texts quoted."""
        if isinstance(value, str):
            return self._quotable(value)
        if isinstance(value, list):
            return [self._within(each) for each in value]
        if isinstance(value, dict):
            return {name: self._within(each) for name, each in value.items()}
        return value


def _tail(text: str) -> str:
    return excerpt(text) if len(text) <= _END else "…" + excerpt(text[-_END:], _END + 19)
