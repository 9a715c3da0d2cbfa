"""`tunesmith tenants`."""

from typing import Annotated

import typer

from tunesmith.cli._output import show, show_all
from tunesmith.cli._session import Session, command
from tunesmith.cli._text import last, state, when
from tunesmith.v1 import tenant_pb2 as pb

app = typer.Typer(no_args_is_help=True, help="The tenants of the service.")


@command(app, "create")
def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="Its id, such as acme.", show_default=False)],
    display_name: Annotated[str, typer.Option("--name", help="For people.")] = "",
    organization: Annotated[str, typer.Option(help="Part of its models' names.")] = "",
    limit: Annotated[
        list[str] | None,
        typer.Option(help="A quota, as DIMENSION=NUMBER. May be repeated.", metavar="LIMIT"),
    ] = None,
) -> None:
    """Make a tenant. Needs the key of a platform admin.

    \b
    tunesmith tenants create acme --limit fine_tunes_running=2
    """
    limits = dict(map(_limit, limit or ()))
    with session.client() as client:
        tenant = client.tenants.create(
            name, display_name=display_name, organization=organization, limits=limits
        )
        show(session, tenant, _fields(tenant))
        session.note(f"A key for it: tunesmith keys create --tenant {last(tenant.name)}")


@command(app, "get")
def get(
    session: Session,
    name: Annotated[str, typer.Argument(help="Its id; your own if left out.")] = "",
) -> None:
    """Show a tenant with its limits."""
    with session.client() as client:
        tenant = client.tenants.get(name)
        show(session, tenant, _fields(tenant))


@command(app, "list")
def list_tenants(session: Session) -> None:
    """List tenants."""
    with session.client() as client:
        show_all(
            session,
            client.tenants.list(),
            {
                "tenant": lambda t: last(t.name),
                "state": _state,
                "name": lambda t: t.display_name,
                "created": lambda t: when(t.create_time),
            },
            empty="there is no tenant yet: tunesmith tenants create NAME",
        )


def _limit(text: str) -> tuple[str, int]:
    dimension, _, value = text.partition("=")
    if not dimension or not value.isdecimal():
        raise typer.BadParameter(f"{text!r}: DIMENSION=NUMBER is expected", param_hint="--limit")
    return dimension, int(value)


def _fields(tenant: pb.Tenant) -> dict[str, object]:
    return {
        "name": tenant.name,
        "state": _state(tenant),
        "display name": tenant.display_name,
        "organization": tenant.organization,
        "created": when(tenant.create_time),
        **{
            f"limit {limit.dimension}": f"{limit.value:,}"
            for limit in tenant.limits
            if limit.HasField("value")
        },
    }


def _state(tenant: pb.Tenant) -> str:
    return state(pb.TenantState.Name(tenant.state), "TENANT_STATE_")
