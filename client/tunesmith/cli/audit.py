"""`tunesmith audit`."""

from typing import Annotated

import typer

from tunesmith.cli import _filters
from tunesmith.cli._output import show_all
from tunesmith.cli._session import Session, command
from tunesmith.cli._text import last, when


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "audit")(audit)


def audit(
    session: Session,
    tenant: Annotated[
        str,
        typer.Argument(help="The tenant. Left out: your own, or everything for a platform admin."),
    ] = "",
    since: _filters.Since = None,
    until: _filters.Until = None,
    principal: Annotated[
        str | None, typer.Option(help="Only what this key did.", metavar="KEY", show_default=False)
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Only this call, such as TenantService/UpdateTenant.", show_default=False
        ),
    ] = None,
    result: Annotated[
        str | None,
        typer.Option(
            help="Only what ended so: OK, or a reason such as PERMISSION_DENIED.",
            show_default=False,
        ),
    ] = None,
    filter: _filters.Filter = "",
    limit: _filters.Limit = None,
) -> None:
    """List who did or tried what, newest first. Needs the key of a tenant admin.

    \b
    tunesmith audit --since 1h
    tunesmith audit acme --result PERMISSION_DENIED
    tunesmith audit --since 30d -o jsonl > audit.jsonl
    """
    conditions = _filters.every(
        _filters.between(since, until),
        _filters.equal("principal", principal),
        _filters.equal("method", method),
        _filters.equal("result", result),
        filter,
    )
    with session.client() as client:
        events = client.tenants.audit(tenant, filter=conditions)
        show_all(
            session,
            _filters.first(session, events, limit),
            {
                "time": lambda e: when(e.time),
                "principal": lambda e: e.principal,
                "call": lambda e: last(e.method),
                "result": lambda e: e.result,
                "resource": lambda e: e.resource,
                "detail": lambda e: e.detail,
                "tenant": lambda e: last(e.tenant),
                "from": lambda e: e.peer,
            },
            prose=("detail",),
            empty="nothing of that kind was done or tried",
        )
