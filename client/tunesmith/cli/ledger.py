"""`tunesmith ledger`."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated

import typer

from tunesmith._resources.limits import key
from tunesmith.cli import _filters
from tunesmith.cli._output import document, listing, show_all
from tunesmith.cli._quantities import DIMENSIONS, exactly, rank
from tunesmith.cli._session import Format, Session, command
from tunesmith.cli._text import last, when
from tunesmith.v1 import tenant_pb2 as pb


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "ledger")(ledger)


def ledger(
    session: Session,
    tenant: Annotated[str, typer.Argument(help="The tenant; your own if left out.")] = "",
    dimension: Annotated[
        str | None,
        typer.Option(help="Only this one, such as cost_per_month.", show_default=False),
    ] = None,
    since: _filters.Since = None,
    until: _filters.Until = None,
    filter: _filters.Filter = "",
    limit: _filters.Limit = None,
    total: Annotated[
        bool,
        typer.Option("--total", help="What was used in all, by period, dimension and tenant."),
    ] = False,
) -> None:
    """List what was reserved, settled and released, newest first: the bill.

    \b
    tunesmith ledger acme --dimension cost_per_month --since 2026-11-01
    tunesmith ledger acme --total
    """
    if dimension and dimension not in DIMENSIONS:
        wanted = f"{dimension!r}: choose from {', '.join(DIMENSIONS)}"
        raise typer.BadParameter(wanted, param_hint="--dimension")
    conditions = _filters.every(
        _filters.equal("dimension", dimension), _filters.between(since, until), filter
    )
    if total and limit:
        raise typer.BadParameter("not with --total, which sums all", param_hint="--limit")
    with session.client() as client:
        entries = client.tenants.ledger(tenant, filter=conditions)
        if total:
            _totals(session, entries)
            return
        show_all(
            session,
            _filters.first(session, entries, limit),
            {
                "time": lambda e: when(e.time),
                "dimension": lambda e: key(e.dimension, e.base_model),
                "period": lambda e: e.period,
                "kind": lambda e: e.kind,
                "amount": lambda e: exactly(e.dimension, e.amount),
                "used": lambda e: _change(e.dimension, e.used_change),
                "reserved": lambda e: _change(e.dimension, e.reserved_change),
                "tenant": lambda e: last(e.tenant),
                "subject": lambda e: e.subject,
            },
            empty="nothing has been reserved or used",
        )


def _totals(session: Session, entries: Iterable[pb.LedgerEntry]) -> None:
    """Sums of the whole list: exact, for they are whole numbers."""
    used: Counter[tuple[str, str, str, str]] = Counter()
    reserved: Counter[tuple[str, str, str, str]] = Counter()
    for entry in entries:
        of = (entry.period, entry.dimension, entry.base_model, entry.tenant)
        used[of] += entry.used_change
        reserved[of] += entry.reserved_change
    rows = sorted(used, key=lambda of: (of[0], rank(of[1]), *of[1:]))
    if session.output is Format.NAME:
        raise typer.BadParameter("these have no names", param_hint="--output")
    if session.machine:
        names = ("period", "dimension", "baseModel", "tenant")
        document(
            session,
            [
                {name: value for name, value in zip(names, of, strict=True) if value}
                # as protobuf writes 64 bits in JSON, and the entries themselves do
                | {"used": str(used[of]), "reserved": str(reserved[of])}
                for of in rows
            ],
        )
    elif not rows:
        session.note("nothing has been reserved or used")
    else:
        listing(
            session.out,
            ("period", "dimension", "tenant", "used", "reserved"),
            [
                [
                    of[0],
                    key(of[1], of[2]),
                    last(of[3]),
                    exactly(of[1], used[of]),
                    exactly(of[1], reserved[of]),
                ]
                for of in rows
            ],
        )


def _change(dimension: str, amount: int) -> str:
    if not amount:
        return ""
    return ("+" if amount > 0 else "-") + exactly(dimension, abs(amount))
