"""How long the examples of a file are."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tunesmith.dataset_rules.examine import examine
from tunesmith.dataset_rules.inspector import MAX_LINE_BYTES
from tunesmith.dataset_rules.scan import scan
from tunesmith.dataset_rules.shapes import Example, Shape, text_bytes
from tunesmith.dataset_rules.sources import Format, Rows, open_source

_CHUNK = 2**20


def byte_lengths(
    path: str | Path,
    shape: Shape,
    *,
    format: Format | None = None,
    on_progress: Callable[[int], object] = lambda done: None,
) -> Counter[int]:
    """How many examples have texts of so many bytes of UTF-8; rows with an error are left out.

    OSError if the file cannot be read. Tells the bytes that were read.
    """
    lengths: Counter[int] = Counter()

    def odd(number: int, line: bytes) -> Example | None:
        return examine(line, shape, explain=False).example

    def rows() -> Iterator[Rows]:
        source = open_source(
            max_line_bytes=MAX_LINE_BYTES, format=format, file_name=Path(path).name
        )
        done = 0
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield from source.feed(chunk)
                on_progress(done := done + len(chunk))
        yield from source.finish()

    for some in rows():
        lengths.update(map(text_bytes, scan(shape, some, odd).examples))
    return lengths
