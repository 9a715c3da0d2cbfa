"""`tunesmith keys`."""

from enum import StrEnum
from typing import Annotated

import typer

from tunesmith.cli._output import show, show_all
from tunesmith.cli._session import Session, command
from tunesmith.cli._text import last, state, when
from tunesmith.v1 import tenant_pb2 as pb

app = typer.Typer(no_args_is_help=True, help="The API keys of a tenant.")
Tenant = Annotated[
    str, typer.Option("--tenant", help="The tenant; the key's own if left out.", metavar="NAME")
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
) -> None:
    """Make a key. Its secret is shown this once.

    \b
    tunesmith keys create --tenant acme --role editor
    tunesmith keys create --tenant acme -o json | jq -r .secret
    """
    with session.client() as client:
        made = client.keys.create(tenant, role.value, display_name=display_name)
        fields = {"name": made.api_key.name, "role": _role(made.api_key), "secret": made.secret}
        show(session, made, fields, name=made.api_key.name)
        session.note("Keep the secret now: it cannot be shown again.")


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
def revoke(
    session: Session,
    name: Annotated[str, typer.Argument(help="The key, as `keys list -o name` has it.")],
) -> None:
    """Make a key worthless at once."""
    with session.client() as client:
        key = client.keys.revoke(name)
        show(session, key, {"name": key.name, "revoked": when(key.revoke_time)})


def _role(key: pb.ApiKey) -> str:
    return state(pb.Role.Name(key.role), "ROLE_").replace(" ", "-")
