"""What a source says of some bytes."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tunesmith.dataset_rules.sources import Format, Rows, open_source
from tunesmith.dataset_rules.sources.lines import CutLine


@dataclass(frozen=True)
class Read:
    """Everything that a source says."""

    lines: list[tuple[int, bytes]]
    format: Format | None
    encoding: str
    problems: list[tuple[int, str, int]]
    """Line, code, count."""
    messages: list[str]

    @property
    def rows(self) -> list[Any]:
        """The rows, parsed."""
        return [json.loads(line) for _, line in self.lines]

    @property
    def numbers(self) -> list[int]:
        return [number for number, _ in self.lines]

    @property
    def codes(self) -> list[str]:
        return [code for _, code, _ in self.problems]


def read(*pieces: bytes, format: Format | None = None, name: str = "", limit: int = 2**20) -> Read:
    source = open_source(max_line_bytes=limit, format=format, file_name=name)
    lines: list[tuple[int, bytes]] = []
    for rows in _batches(source.feed, source.finish, pieces):
        assert len(rows.lines) == len(rows.numbers) > 0
        for number, line in zip(rows.numbers, rows.lines, strict=True):
            shown = b"<%d>" % line.length if isinstance(line, CutLine) else line
            lines.append((number, shown))
    found = source.problems()
    return Read(
        lines,
        source.format,
        source.encoding,
        [(p.line, p.problem.code, p.count) for p in found],
        [p.problem.message for p in found],
    )


def _batches(feed: Any, finish: Any, pieces: Iterable[bytes]) -> Iterator[Rows]:
    for piece in pieces:
        yield from feed(piece)
    yield from finish()


def cut(content: bytes, size: int) -> list[bytes]:
    """The content in pieces."""
    return [content[i : i + size] for i in range(0, len(content), size)]


def no_bytes(value: object) -> str | None:
    """An id for pytest of a parameter that may be bytes with a time in them."""
    return f"{len(value)} bytes" if isinstance(value, bytes) else None
