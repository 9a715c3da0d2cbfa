"""A file without what is recognised in it, row by row."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from tunesmith.dataset_rules.sensitive.recognition import recognise_each
from tunesmith.dataset_rules.sensitive.redaction import redact_text
from tunesmith.dataset_rules.sources import Format, Rows, open_source

_BOM: Final = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class UnreadableRow(ValueError):
    """A row that is no JSON: what is in it cannot be known."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} cannot be read, so nothing in it can be redacted")
        self.line = line


class RowRedactor:
    """Takes a file of any format, piece by piece, and gives it as JSON lines without it.

    Every text of a row is redacted, also in fields that training does not use, and nothing else is
    touched: neither names of fields nor numbers nor order. A row with nothing in it stays byte for
    byte as it is (as its JSON line, where the file is of another format). Raises UnreadableRow.
    """

    def __init__(
        self, *, max_line_bytes: int, format: Format | None = None, file_name: str = ""
    ) -> None:
        self._source = open_source(
            max_line_bytes=max_line_bytes, format=format, file_name=file_name
        )
        self.changed_rows = 0

    def feed(self, chunk: bytes) -> bytes:
        """The rows that `chunk` completes."""
        return b"".join(map(self._redacted, self._source.feed(chunk)))

    def finish(self) -> bytes:
        """The rows that were left."""
        return b"".join(map(self._redacted, self._source.finish()))

    def _redacted(self, rows: Rows) -> bytes:
        lines = [line.removeprefix(_BOM).rstrip(b"\r\n") for line in rows.lines]
        values: list[Any] = []
        texts: list[str] = []
        owners: list[int] = []
        for index, line in enumerate(lines):
            values.append(_read(line, rows.numbers[index]))
            for text in _texts(values[index]):
                texts.append(text)
                owners.append(index)
        for index in sorted({owners[at] for at, _ in recognise_each(texts)}):
            lines[index] = _encode(_mapped(values[index], redact_text))
            self.changed_rows += 1
        return b"".join(line + b"\n" for line in lines)


def _read(line: bytes, number: int) -> Any:
    if not line.strip():
        return None
    try:
        return _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UnreadableRow(number) from None


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value; names of fields are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """The value with each of those texts changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(each, change) for each in value]
    if isinstance(value, dict):
        return {name: _mapped(each, change) for name, each in value.items()}
    return value
