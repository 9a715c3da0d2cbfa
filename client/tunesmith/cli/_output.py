"""Results as a table, as one JSON document, or as names."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich import box
from rich.table import Table
from rich.text import Text

from tunesmith.cli._session import Format, Session
from tunesmith.cli._text import plain

M = TypeVar("M", bound=Message)


def show(
    session: Session, message: Message, fields: Mapping[str, object], *, name: str = ""
) -> None:
    """Write one resource: all of it as JSON, its `fields` for people, or its name."""
    match session.output:
        case Format.JSON:
            document(as_json(message))
        case Format.NAME:
            typer.echo(name or getattr(message, "name", ""))
        case Format.TABLE:
            rows = [[label, _cell(v)] for label, v in fields.items() if v not in (None, "")]
            if not session.out.is_terminal:
                _aligned(rows)
                return
            table = Table(box=None, show_header=False, pad_edge=False)
            table.add_column(style="dim", no_wrap=True)
            table.add_column(overflow="fold")
            for row in rows:
                table.add_row(*map(Text, row))
            session.out.print(table)


def show_all(
    session: Session,
    messages: Iterable[M],
    columns: Mapping[str, Callable[[M], object]],
    *,
    empty: str = "",
) -> None:
    """Write a list: an array as JSON, a row each for people, or a name each."""
    match session.output:
        case Format.JSON:
            document([as_json(message) for message in messages])
        case Format.NAME:
            for message in messages:
                typer.echo(getattr(message, "name", ""))
        case Format.TABLE:
            rows = [[_cell(of(message)) for of in columns.values()] for message in messages]
            if not rows and empty:
                session.note(empty)
            elif session.out.is_terminal:
                _pretty(session, list(columns), rows)
            else:
                _aligned([[name.upper() for name in columns], *rows])


def as_json(message: Message) -> dict[str, Any]:
    """A message under protobuf's JSON names."""
    content: dict[str, Any] = MessageToDict(message)
    return content


def document(content: object) -> None:
    """Write one JSON document."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def _pretty(session: Session, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(names):
        table.add_column(name.upper(), overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*map(Text, row))  # Text: what is in brackets is no markup
    session.out.print(table)


def _aligned(rows: Sequence[Sequence[str]]) -> None:
    """In a pipe: a line a row, never folded, so that grep and awk find what belongs together."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def _cell(value: object) -> str:
    return plain("-" if value in (None, "") else str(value)).replace("\n", " ")
