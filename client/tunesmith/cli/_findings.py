"""What a check found, as people like to read it: the worst first, the same things together."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from rich.console import Console
from rich.markup import escape

from tunesmith.cli._text import plain
from tunesmith.v1 import common_pb2

_STYLES = {"error": "bold red", "warning": "bold yellow", "info": "bold blue"}
_LINES_A_KIND = 5


class Finding(Protocol):
    """A finding of the service or of the offline check."""

    @property
    def code(self) -> str: ...

    @property
    def line(self) -> int: ...

    @property
    def pointer(self) -> str: ...

    @property
    def message(self) -> str: ...

    @property
    def suggestion(self) -> str: ...

    @property
    def count(self) -> int: ...


def severity(finding: Finding) -> str:
    """`error`, `warning` or `info`."""
    if isinstance(finding, common_pb2.Finding):
        name: str = common_pb2.FindingSeverity.Name(finding.severity)
        return name.rpartition("_")[2].lower()
    return str(getattr(finding, "severity", "info"))


def report(console: Console, findings: Iterable[Finding]) -> None:
    """Write all findings, grouped by kind, with the first lines of each and what to do."""
    kinds: dict[tuple[int, str], list[Finding]] = {}
    order = list(_STYLES)
    for finding in findings:
        name = severity(finding)
        rank = order.index(name) if name in order else len(order)
        kinds.setdefault((rank, finding.code), []).append(finding)
    # a stable sort: within a severity, the kind that comes first in the file comes first
    for _, group in sorted(kinds.items(), key=lambda item: item[0][0]):
        _kind(console, group)


def _kind(console: Console, findings: Sequence[Finding]) -> None:
    # a kind that is found very often ends with a finding on line 0 that counts all of them
    listed = [f for f in findings if f.line] or list(findings)
    beyond = [f for f in findings if not f.line and f not in listed]
    total = beyond[-1].count if beyond else sum(f.count for f in listed)
    name = severity(listed[0])
    style = _STYLES.get(name, "bold")
    times = f" × {total}" if total > 1 else ""
    console.print(f"[{style}]{name}[/] [bold]{escape(listed[0].code)}[/]{times}")
    for finding in listed[:_LINES_A_KIND]:
        place = f"line {finding.line}: " if finding.line else ""
        at = f" (at {finding.pointer})" if finding.pointer else ""
        words = plain(f"  {place}{finding.message}{at}")
        console.print(words, markup=False, soft_wrap=True)
    if (more := max(total, len(listed)) - _LINES_A_KIND) > 0 and len(listed) > 1:
        console.print(f"  … and {more} more", style="dim")
    for suggestion in dict.fromkeys(f.suggestion for f in listed[:_LINES_A_KIND] if f.suggestion):
        console.print(plain(f"  → {suggestion}"), markup=False, style="green", soft_wrap=True)
