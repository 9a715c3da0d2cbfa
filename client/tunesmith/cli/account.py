"""`tunesmith whoami` and `tunesmith version`."""

from importlib.metadata import version as version_of

import typer

from tunesmith.cli._output import document, show
from tunesmith.cli._session import Session, command
from tunesmith.cli._text import named
from tunesmith.v1 import tenant_pb2


def register(app: typer.Typer) -> None:
    """Add the commands that belong to no noun."""
    command(app, "whoami")(whoami)
    command(app, "version")(version)


def whoami(session: Session) -> None:
    """Say whose key this is."""
    with session.client() as client:
        me = client.whoami()
        role = named(tenant_pb2.Role, me.role, "ROLE_")
        fields = {"key": me.principal, "tenant": me.tenant, "role": role, "service": client.address}
        show(session, me, fields, name=me.principal)


def version(session: Session) -> None:
    """Say which version of the client this is."""
    if session.machine:
        document(session, {"client": version_of("tunesmith")})
    else:
        typer.echo(f"tunesmith {version_of('tunesmith')}")
