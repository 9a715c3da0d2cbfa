"""Results as tables for people, as documents for programs, or as names."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tunesmith.cli._session import Format, Session
from tunesmith.cli._text import plain

M = TypeVar("M", bound=Message)
_GAP, _EDGES = 3, 2  # of a table on a terminal, in columns of it
_PROSE = 16  # prose in less is hard to read


def show(
    session: Session, message: Message, fields: Mapping[str, object], *, name: str = ""
) -> None:
    """Write one resource: all of it as a document, its `fields` for people, or its name."""
    if session.machine:
        document(session, as_json(message))
    elif session.output is Format.NAME:
        typer.echo(name or getattr(message, "name", ""))
    else:
        pairs(session.out, fields)


def show_all(
    session: Session,
    messages: Iterable[M],
    columns: Mapping[str, Callable[[M], object]],
    *,
    empty: str = "",
    prose: Sequence[str] = (),
    name: Callable[[M], str] | None = None,
) -> None:
    """Write a list: its entries as documents, a row each for people, or a name each.

    As lines of JSON each is written when it comes, however many there are. `name` tells what an
    entry is called that has no field of that name; without either it cannot be written as one.
    `prose` is as of `listing`.
    """
    if session.output is Format.JSONL:
        for message in messages:
            document(session, as_json(message))
    elif session.machine:
        document(session, [as_json(message) for message in messages])
    elif session.output is Format.NAME:
        for message in messages:
            if not name and "name" not in message.DESCRIPTOR.fields_by_name:
                raise typer.BadParameter("these have no names", param_hint="--output")
            typer.echo(name(message) if name else getattr(message, "name", ""))
    else:
        rows = [[of(message) for of in columns.values()] for message in messages]
        if rows or not empty:
            listing(session.out, list(columns), rows, prose)
        else:
            session.note(empty)


def as_json(message: Message) -> dict[str, Any]:
    """A message under protobuf's JSON names."""
    content: dict[str, Any] = MessageToDict(message)
    return content


def document(session: Session, content: object) -> None:
    """Write one document in the form that was asked for: JSON unless that is YAML."""
    if session.output is Format.YAML:
        import yaml  # for this form alone

        typer.echo(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), nl=False)
    elif session.output is Format.JSONL:
        for line in content if isinstance(content, list) else [content]:
            typer.echo(json.dumps(line, ensure_ascii=False))
    else:
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def pairs(console: Console, fields: Mapping[str, object]) -> None:
    """Write names and values, for people; what is empty is left out."""
    rows = [[label, value] for label, value in fields.items() if value not in (None, "")]
    if not console.is_terminal:
        _aligned(console, rows)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    console.print(table)


def listing(
    console: Console,
    names: Sequence[str],
    rows: Sequence[Sequence[object]],
    prose: Sequence[str] = (),
) -> None:
    """Write rows under headings, for people.

    Where a terminal is too narrow the last columns are left out, and named: what can be copied is
    never broken in two. Only columns of `prose` are folded, between words.
    """
    if not console.is_terminal:
        _aligned(console, [[name.upper() for name in names], *rows])
        return
    headings = [name.upper().replace("_", " ").replace("/", " ") for name in names]
    texts = [[_cell(value) for value in row] for row in rows]
    # a heading may fold between its words; what stands below may not, unless it is prose
    needed = [
        max(
            _longest_word([heading]),
            max(_PROSE, _longest_word(cell.plain for cell in cells))
            if name in prose
            else max((cell.cell_len for cell in cells), default=0),
        )
        for name, heading, *cells in zip(names, headings, *texts, strict=True)
    ]
    shown = _fitting(needed, console.width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, heading, width in zip(names[:shown], headings, needed, strict=False):
        table.add_column(heading, overflow="fold", width=None if name in prose else width)
    for row in texts:
        table.add_row(*row[:shown])
    console.print(table)
    if left_out := names[shown:]:
        words = f"No room for {', '.join(left_out)}: -o json or a wider terminal has all"
        typer.echo(words, err=True)


def _fitting(needed: Sequence[int], width: int) -> int:
    """How many columns, of the widths that they need, fit on a line: the first, at least."""
    taken, fitting = _EDGES, 0
    for column in needed:
        taken += column + (_GAP if fitting else 0)
        if taken > width and fitting:
            break
        fitting += 1
    return fitting


def _longest_word(texts: Iterable[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


def _aligned(console: Console, rows: Sequence[Sequence[object]]) -> None:
    """In a pipe: a line a row, never folded, so that grep and awk find what belongs together."""
    texts = [[_cell(value).plain for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip(), err=console.stderr)


def _cell(value: object) -> Text:
    """A value as text: what is in brackets is no markup, what steers a terminal is gone."""
    if isinstance(value, Text):
        return value
    return Text(plain("-" if value in (None, "") else str(value)).replace("\n", " "))
