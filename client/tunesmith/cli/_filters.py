"""Filters as the contract has them (AIP-160), put together from options."""

import itertools
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, TypeVar

import typer

from tunesmith.cli import _moments
from tunesmith.cli._session import Format, Session

_SHOWN = 100
T = TypeVar("T")
Since = Annotated[
    str | None,
    typer.Option(
        help="Only what is newer: so long ago, such as 1h or 7d, or a date or time.",
        metavar="TIME",
        show_default=False,
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        help="Only what is older: so long ago, or a date or time.",
        metavar="TIME",
        show_default=False,
    ),
]
Filter = Annotated[
    str,
    typer.Option(
        help="A further condition as in AIP-160, such as 'result=\"OK\"'.", show_default=False
    ),
]
Where = Annotated[
    str,
    typer.Option(
        "--filter",
        help="Only those that match: FIELD OP VALUE, joined by AND.",
        metavar="FILTER",
        show_default=False,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        "-n",
        min=1,
        help=f"So many at most. Without it {_SHOWN} in a table, and all as documents.",
        show_default=False,
    ),
]


def equal(field: str, value: str | None) -> str:
    """The condition that a field is this text; empty if there is none."""
    if not value:
        return ""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{field}="{quoted}"'


def between(since: str | None, until: str | None) -> str:
    """The condition on `time`; empty if there is none. BadParameter if a time is none."""
    return every(_time(">=", since, "--since"), _time("<", until, "--until"))


def every(*conditions: str) -> str:
    """All conditions together."""
    return " AND ".join(condition for condition in conditions if condition)


def first(session: Session, entries: Iterable[T], limit: int | None) -> Iterator[T]:
    """So many entries; without a limit, as many as people read or all for programs."""
    shown = limit or (_SHOWN if session.output is Format.TABLE else None)
    entries = iter(entries)
    yield from itertools.islice(entries, shown)
    if limit is None and shown and next(entries, None) is not None:
        session.note(f"There are more than these {shown}: --limit N, or -o jsonl for all")


def _time(operator: str, text: str | None, option: str) -> str:
    if not text:
        return ""
    try:
        moment: datetime = _moments.before(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
    return f'time{operator}"{_moments.rfc3339(moment)}"'
