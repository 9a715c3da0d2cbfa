"""A piece of a line with a mark under the place in question."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:  # they bring msgspec, which other commands do not need
    from tunesmith.dataset_rules import Finding, Format

Span = tuple[int, int]
_BEFORE = 24
"""Characters that are shown before the place."""
_WIDE_IN_A_PIPE = 100
_LONGEST = 256 * 1024


def marked(
    console: Console, text: str, span: Span, indent: str = "      ", sign: str = "^"
) -> None:
    """Write the text around a span, and a line with signs under the span.

    What could steer the terminal is written as an escape; wide letters are marked over their width.
    """
    width = console.width if console.is_terminal else _WIDE_IN_A_PIPE
    shown, signs = excerpt(text, span, max(20, width - len(indent) - 1), sign)
    console.print(Text(indent + shown), style="dim", soft_wrap=True)
    console.print(Text(indent + signs), style="bold red", soft_wrap=True)


def excerpt(text: str, span: Span, width: int, sign: str = "^") -> tuple[str, str]:
    """At most `width` cells of the text around a span, and the signs under it: one, at least."""
    from tunesmith.dataset_rules.excerpts import excerpt as harmless

    start, end = span
    end = max(end, start + 1)
    first = max(0, start - _BEFORE) if end > width or len(text) > width else 0
    shown, signs = ("…", " ") if first else ("", "")
    # one more, for a mark after the end: something is missing there
    for place in range(first, max(len(text), end)):
        piece = harmless(text[place], 20) if place < len(text) else " "
        if cell_len(shown) + cell_len(piece) > width - 1 and place + 1 < len(text):
            shown += "…"
            break
        shown += piece
        signs += (sign if start <= place < end else " ") * cell_len(piece)
    return shown.rstrip(), signs.rstrip()


class Lines:
    """The lines of a file that some findings are about, where they may be shown.

    Never one in which something secret or personal was found, or is recognised where what does that
    is installed: an excerpt may end up in the log of a build.
    """

    def __init__(self, file: Path, format: "Format | None", findings: Sequence["Finding"]) -> None:
        from tunesmith.dataset_rules.sensitive import SENSITIVE_CODES

        private = {finding.line for finding in findings if finding.code in SENSITIVE_CODES}
        wanted = {finding.line for finding in findings if finding.line} - private
        self._lines = _read(file, format, wanted) if wanted else {}

    def place(self, finding: object) -> tuple[str, Span] | None:
        """The line of a finding and where in it the finding is; None if it is not to be shown."""
        from tunesmith.dataset_rules.places import fault_span, span_of

        line = self._lines.get(getattr(finding, "line", 0))
        code, pointer = getattr(finding, "code", ""), getattr(finding, "pointer", "")
        if line is None or len(line) > _LONGEST:
            return None
        text = line.decode(errors="replace").removeprefix("\ufeff").rstrip("\r\n")
        span = None
        if code == "JSON_INVALID":
            span = fault_span(text)
        elif code == "ENCODING_INVALID":
            span = _undecodable(line)
        elif pointer:
            span = span_of(text, pointer)
        if span is None or private(text):
            return None
        return text, span


def private(text: str) -> bool:
    """Whether something secret or personal is recognised in a text, where that can be done."""
    from tunesmith.dataset_rules.sensitive import is_installed

    if not is_installed():
        return False
    from tunesmith.dataset_rules.sensitive.recognition import recognise

    return bool(recognise(text))


def _undecodable(line: bytes) -> Span | None:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        at = len(line[: error.start].decode())
        return at, at + 1
    return None


def _read(file: Path, format: "Format | None", wanted: Iterable[int]) -> dict[int, bytes]:
    """Some lines as the rules have seen them; none that is shared by several rows."""
    from tunesmith.dataset_rules.inspector import MAX_LINE_BYTES
    from tunesmith.dataset_rules.sources import open_source

    source = open_source(max_line_bytes=MAX_LINE_BYTES, format=format, file_name=file.name)
    missing, last = set(wanted), max(wanted, default=0)
    found: dict[int, bytes] = {}
    with file.open("rb") as stream:
        at_end = False
        while not at_end:
            chunk = stream.read(2**20)
            at_end = not chunk
            for rows in source.finish() if at_end else source.feed(chunk):
                for number, line in zip(rows.numbers, rows.lines, strict=True):
                    if number in missing:
                        found[number] = b"" if number in found else line
                if len(rows) and rows.numbers[-1] > last:
                    return {number: line for number, line in found.items() if line}
    return {number: line for number, line in found.items() if line}
