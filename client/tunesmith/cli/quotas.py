"""`tunesmith quotas`."""

from typing import Annotated

import typer

from tunesmith._sync import Client
from tunesmith.cli import _bars
from tunesmith.cli._output import show_all
from tunesmith.cli._quantities import DIMENSIONS, INHERIT, Unit, setting
from tunesmith.cli._session import Session, command
from tunesmith.v1 import common_pb2

app = typer.Typer(no_args_is_help=True, help="What tenants may use.")
_OF = {unit: ", ".join(name for name, its in DIMENSIONS.items() if its is unit) for unit in Unit}
_WHICH = f"""\b
counts: {_OF[Unit.COUNT]}
tokens: {_OF[Unit.TOKENS]}
bytes: {_OF[Unit.BYTES]}
money: {_OF[Unit.MONEY]}"""


@command(app, "get")
def get(
    session: Session,
    tenant: Annotated[str, typer.Argument(help="The tenant; your own if left out.")] = "",
) -> None:
    """Show each limit, whose it is, and what is used, reserved and left of it."""
    with session.client() as client:
        _show(session, client, tenant)


@command(app, "set", epilog=_WHICH)
def set_limits(
    session: Session,
    tenant: Annotated[str, typer.Argument(help="The tenant.", show_default=False)],
    settings: Annotated[
        list[str],
        typer.Argument(
            metavar="DIM[@BASE]=VALUE...",
            help="A value such as 20, 5M, 10GiB or 12.50; unlimited; or inherit, to give the "
            "tenant's own limit up. With @BASE for one base model alone.",
            show_default=False,
        ),
    ],
) -> None:
    """Set limits of a tenant; those not named stay. Needs the key of a platform admin.

    What runs hold already stays held: a lower limit only keeps new ones out.

    \b
    tunesmith quotas set acme fine_tunes_running=2 trained_tokens_per_month=5M
    tunesmith quotas set acme cost_per_month=250.00 dataset_bytes=10GiB
    tunesmith quotas set acme trained_tokens_per_month@curie=500k datasets=inherit
    """
    wanted = parsed(settings, "DIM=VALUE")
    limits = {name: value for name, value in wanted.items() if not isinstance(value, str)}
    inherit = [name for name, value in wanted.items() if value == INHERIT]
    with session.client() as client:
        client.tenants.set_limits(tenant, limits, inherit=inherit)
        _show(session, client, tenant)


def parsed(settings: list[str], hint: str) -> dict[str, int | str | None]:
    """Each limit that is set, by its key; BadParameter names the first that cannot be."""
    wanted: dict[str, int | str | None] = {}
    for text in settings:
        try:
            name, value = setting(text)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint=hint) from None
        if name in wanted:
            raise typer.BadParameter(f"{name} is set twice", param_hint=hint)
        wanted[name] = value
    return wanted


def _show(session: Session, client: Client, tenant: str) -> None:
    effects = [*client.tenants.usage(tenant).dimensions]
    listed = {(effect.dimension, effect.base_model) for effect in effects}
    of = client.tenants.get(tenant)
    effects += [  # unlimited and not in use: usage does not list it, yet it was set
        common_pb2.QuotaEffect(
            dimension=limit.dimension, base_model=limit.base_model, fits=True, scope=of.name
        )
        for limit in of.limits
        if limit.unlimited and (limit.dimension, limit.base_model) not in listed
    ]
    show_all(
        session,
        _bars.ordered(effects),
        _bars.QUOTA_COLUMNS,
        empty=f"{of.name} has no limits and uses nothing",
        name=lambda effect: effect.dimension,
    )
