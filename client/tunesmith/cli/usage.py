"""`tunesmith usage`."""

from typing import Annotated

import typer

from tunesmith.cli import _bars
from tunesmith.cli._output import as_json, document
from tunesmith.cli._session import Format, Session, command


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "usage")(usage)


def usage(
    session: Session,
    tenant: Annotated[str, typer.Argument(help="The tenant; your own if left out.")] = "",
) -> None:
    """Show how much of each limit is used and reserved.

    On a terminal with bars: used, then reserved. In a pipe plain columns.
    """
    with session.client() as client:
        found = client.tenants.usage(tenant)
    if session.machine:
        document(session, as_json(found))
    elif session.output is Format.NAME:
        for effect in _bars.ordered(found.dimensions):
            typer.echo(effect.dimension)
    elif found.dimensions:
        _bars.usage(session.out, found.dimensions)
    else:
        session.note("nothing is limited and nothing is used")
