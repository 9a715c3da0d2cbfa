"""`tunesmith keys`."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from tunesmith import _names
from tunesmith.cli._moments import after, span
from tunesmith.cli._output import show, show_all
from tunesmith.cli._session import Session, command
from tunesmith.cli._text import last, named, when
from tunesmith.v1 import tenant_pb2 as pb

app = typer.Typer(no_args_is_help=True, help="The API keys of a tenant.")
Tenant = Annotated[
    str, typer.Option("--tenant", help="The tenant; the key's own if left out.", metavar="NAME")
]
Name = Annotated[
    str,
    typer.Argument(
        help="The key: its id, or its name from `keys list -o name`.", show_default=False
    ),
]


class Role(StrEnum):
    """What a key may do, the most first."""

    PLATFORM_ADMIN = "platform-admin"
    TENANT_ADMIN = "tenant-admin"
    EDITOR = "editor"
    VIEWER = "viewer"
    INFERENCE = "inference"


@command(app, "create")
def create(
    session: Session,
    tenant: Tenant = "",
    role: Annotated[Role, typer.Option(help="What the key may do.")] = Role.EDITOR,
    display_name: Annotated[str, typer.Option("--name", help="For people.")] = "",
    expires: Annotated[
        str,
        typer.Option(
            help="When it stops to open anything: in so long, such as 90d, or a date.",
            metavar="TIME",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Make a key. Its secret is shown this once.

    \b
    tunesmith keys create --tenant acme --role editor --expires 90d
    tunesmith keys create --tenant acme -o json | jq -r .secret
    """
    try:
        expire_time = after(expires) if expires else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from None
    with session.client() as client:
        made = client.keys.create(
            tenant, role.value, display_name=display_name, expire_time=expire_time
        )
        _show_secret(session, made)


@command(app, "rotate")
def rotate(
    session: Session,
    name: Name,
    tenant: Tenant = "",
    overlap: Annotated[
        str,
        typer.Option(
            help="How long the old one still works, such as 1h or 7d; 0 ends it at once.",
            metavar="TIME",
        ),
    ] = "24h",
) -> None:
    """Make a successor of a key; the old one works for a while longer.

    \b
    tunesmith keys rotate k1 --tenant acme --overlap 7d
    """
    try:
        still = span(overlap)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--overlap") from None
    with session.client() as client:
        made = client.keys.rotate(_names.api_key(name, tenant), overlap=still)
        _show_secret(session, made)
        ends = f"at {datetime.now() + still:%Y-%m-%d %H:%M}" if still else "now"
        session.note(f"The old key {last(name)} ends {ends}, if not before.")


@command(app, "list")
def list_keys(session: Session, tenant: Tenant = "") -> None:
    """List keys, without their secrets."""
    with session.client() as client:
        show_all(
            session,
            client.keys.list(tenant),
            {
                "key": lambda k: last(k.name),
                "role": _role,
                "name": lambda k: k.display_name,
                "created": lambda k: when(k.create_time),
                "expires": lambda k: when(k.expire_time),
                "revoked": lambda k: when(k.revoke_time),
            },
            empty="there is no key yet",
        )


@command(app, "revoke")
def revoke(session: Session, name: Name, tenant: Tenant = "") -> None:
    """Make a key worthless at once."""
    with session.client() as client:
        key = client.keys.revoke(_names.api_key(name, tenant))
        show(session, key, {"name": key.name, "revoked": when(key.revoke_time)})


def _show_secret(session: Session, made: pb.CreateApiKeyResponse | pb.RotateApiKeyResponse) -> None:
    fields = {"name": made.api_key.name, "role": _role(made.api_key), "secret": made.secret}
    if made.api_key.HasField("expire_time"):
        fields["expires"] = when(made.api_key.expire_time)
    show(session, made, fields, name=made.api_key.name)
    session.note("Keep the secret now: it cannot be shown again.")


def _role(key: pb.ApiKey) -> str:
    return named(pb.Role, key.role, "ROLE_").replace(" ", "-")
