"""What a check found, as people like to read it: the worst first, the same things together."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from rich.console import Console
from rich.markup import escape

from tunesmith.cli._marked import Span, marked
from tunesmith.cli._text import named, plain
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

    @property
    def fixable(self) -> bool: ...


Place = Callable[[Finding], tuple[str, Span] | None]
"""The line of a finding, and where in it the finding is; None if it is not to be shown."""


def severity(finding: Finding) -> str:
    """`error`, `warning` or `info`."""
    if isinstance(finding, common_pb2.Finding):
        return named(common_pb2.FindingSeverity, finding.severity, "FINDING_SEVERITY_")
    return str(getattr(finding, "severity", "info"))


def report(
    console: Console,
    findings: Iterable[Finding],
    place: Place = lambda finding: None,
    mended_by: str = "",
) -> None:
    """Write all findings, grouped by kind: the first places of each, one marked, and what to do.

    `mended_by` is the command that mends what is fixable.
    """
    # a stable sort: within a severity, the kind that comes first in the file comes first
    for _, group in sorted(_kinds(findings), key=lambda item: item[0]):
        _kind(console, group, place, mended_by)


def told(findings: Iterable[Finding]) -> str:
    """How much was found, such as `2 errors, 1 warning`; in places, not in kinds."""
    totals = dict.fromkeys(_STYLES, 0)
    for _, group in _kinds(findings):
        name = severity(group[0])
        totals[name] = totals.get(name, 0) + _total(group)
    words = [
        f"{count:,} {name}{'s' if count != 1 and name != 'info' else ''}"
        for name, count in totals.items()
        if count
    ]
    return ", ".join(words) or "nothing found"


def _kinds(findings: Iterable[Finding]) -> list[tuple[int, list[Finding]]]:
    """The findings of each kind, with the rank of its severity."""
    kinds: dict[tuple[int, str], list[Finding]] = {}
    order = list(_STYLES)
    for finding in findings:
        name = severity(finding)
        rank = order.index(name) if name in order else len(order)
        kinds.setdefault((rank, finding.code), []).append(finding)
    return [(rank, group) for (rank, _), group in kinds.items()]


def _listed(findings: Sequence[Finding]) -> list[Finding]:
    # a kind that is found very often ends with a finding on line 0 that counts all of them
    return [f for f in findings if f.line] or list(findings)


def _total(findings: Sequence[Finding]) -> int:
    listed = _listed(findings)
    beyond = [f for f in findings if not f.line and f not in listed]
    return beyond[-1].count if beyond else sum(f.count for f in listed)


def _kind(console: Console, findings: Sequence[Finding], place: Place, mended_by: str) -> None:
    listed, total = _listed(findings), _total(findings)
    name = severity(listed[0])
    style = _STYLES.get(name, "bold")
    times = f" × {total:,}" if total > 1 else ""
    console.print(f"[{style}]{name}[/] [bold]{escape(listed[0].code)}[/]{times}")
    is_marked = False
    for finding in listed[:_LINES_A_KIND]:
        where = f"line {finding.line:,}: " if finding.line else ""
        at = f" (at {finding.pointer})" if finding.pointer else ""
        console.print(plain(f"  {where}{finding.message}{at}"), markup=False, soft_wrap=True)
        if not is_marked and (found := place(finding)):
            marked(console, *found)
            is_marked = True
    if (more := max(total, len(listed)) - _LINES_A_KIND) > 0 and len(listed) > 1:
        console.print(f"  … and {more:,} more", style="dim")
    for suggestion in dict.fromkeys(f.suggestion for f in listed[:_LINES_A_KIND] if f.suggestion):
        console.print(plain(f"  → {suggestion}"), markup=False, style="green", soft_wrap=True)
    if mended_by and any(f.fixable for f in listed):
        words = f"  → mended by: {mended_by}"
        console.print(plain(words), markup=False, style="green", soft_wrap=True)
