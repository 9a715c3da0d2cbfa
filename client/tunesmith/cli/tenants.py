"""`tunesmith tenants`."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from tunesmith._resources.limits import key
from tunesmith._sync import Client
from tunesmith.cli import _labels, _naming
from tunesmith.cli._filters import Where
from tunesmith.cli._output import show, show_all
from tunesmith.cli._quantities import UNLIMITED, exactly
from tunesmith.cli._session import FAILED, Session, command
from tunesmith.cli._text import last, named, when
from tunesmith.cli.quotas import parsed
from tunesmith.v1 import tenant_pb2 as pb

app = typer.Typer(no_args_is_help=True, help="The tenants of the service.")
Name = Annotated[str, typer.Argument(help="Its id, such as acme.", show_default=False)]
AllowModel = Annotated[
    list[str] | None,
    typer.Option(
        help="A base model that it may use, by its id; all if there is none. May be repeated.",
        metavar="MODEL",
        show_default=False,
    ),
]
ShareWeight = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1000,
        help="Its share of capacity that is short, relative to others'; 1 is normal.",
        show_default=False,
    ),
]


class SensitiveData(StrEnum):
    """What becomes of secrets and personal data in datasets."""

    INHERITED = "inherited"
    OFF = "off"
    WARN = "warn"
    BLOCK = "block"
    REDACT = "redact"


OnSensitiveData = Annotated[
    SensitiveData | None,
    typer.Option(
        "--sensitive-data",
        help="What becomes of secrets and personal data that are recognised in its datasets: not"
        " looked for, told, an error, or taken out into a new version. If it says nothing, what the"
        " tenant above says, or warn.",
        show_default=False,
    ),
]


class Running(StrEnum):
    """What becomes of runs under way."""

    FINISH = "finish"
    PAUSE = "pause"


@command(app, "create", more=_naming.NAMING_OPTIONS)
def create(
    session: Session,
    name: Name,
    display_name: Annotated[str, typer.Option("--name", help="For people.")] = "",
    organization: Annotated[str, typer.Option(help="Part of its models' names.")] = "",
    limit: Annotated[
        list[str] | None,
        typer.Option(
            help="A limit, as `quotas set` takes it. May be repeated.", metavar="DIM[@BASE]=VALUE"
        ),
    ] = None,
    parent: Annotated[
        str, typer.Option(help="The tenant above it, whose limits bound it too.", metavar="TENANT")
    ] = "",
    share_weight: ShareWeight = None,
    label: _labels.Label = None,
    allow_model: AllowModel = None,
    sensitive_data: OnSensitiveData = None,
    **naming: Any,
) -> None:
    """Make a tenant. Needs the key of a platform admin.

    \b
    tunesmith tenants create acme --limit fine_tunes_running=2
    tunesmith tenants create acme-search --parent acme --limit cost_per_month=250.00
    """
    limits = {  # there is nothing yet that could be given up
        name: value
        for name, value in parsed(limit or [], "--limit").items()
        if not isinstance(value, str)
    }
    with session.client() as client:
        tenant = client.tenants.create(
            name,
            display_name=display_name,
            organization=organization,
            limits=limits,
            naming=_naming.policy(naming),
            sensitive_data=sensitive_data.value if sensitive_data else None,
            parent=parent,
            share_weight=share_weight,
            labels=_labels.parsed(label),
            allowed_base_models=allow_model or (),
        )
        show(session, tenant, _fields(tenant))
        session.note(f"A key for it: tunesmith keys create --tenant {last(tenant.name)}")


@command(app, "get")
def get(
    session: Session,
    name: Annotated[str, typer.Argument(help="Its id; your own if left out.")] = "",
) -> None:
    """Show a tenant with the limits of its own; `quotas get` shows those in force."""
    with session.client() as client:
        tenant = client.tenants.get(name)
        show(session, tenant, _fields(tenant))


@command(app, "list")
def list_tenants(session: Session, filter: Where = "") -> None:
    """List tenants, newest first. Fields to filter by: state, labels.KEY."""
    with session.client() as client:
        show_all(
            session,
            client.tenants.list(filter=filter),
            {
                "tenant": lambda t: last(t.name),
                "state": _state,
                "parent": lambda t: last(t.parent_tenant),
                "name": lambda t: t.display_name,
                "created": lambda t: when(t.create_time),
            },
            empty="no tenant matches"
            if filter
            else "there is no tenant yet: tunesmith tenants create NAME",
        )


@command(app, "update", more=_naming.NAMING_OPTIONS)
def update(
    session: Session,
    name: Name,
    display_name: Annotated[
        str | None, typer.Option("--name", help="For people.", show_default=False)
    ] = None,
    organization: Annotated[
        str | None,
        typer.Option(help="Part of the names of models to come.", show_default=False),
    ] = None,
    share_weight: ShareWeight = None,
    label: _labels.Label = None,
    remove_label: _labels.RemoveLabel = None,
    allow_model: AllowModel = None,
    allow_all_models: Annotated[
        bool, typer.Option("--allow-all-models", help="It may use every base model.")
    ] = False,
    sensitive_data: OnSensitiveData = None,
    **naming: Any,
) -> None:
    """Change a tenant; what is not named stays. Limits: `tunesmith quotas set`.

    \b
    tunesmith tenants update acme --label tier=gold --allow-model ada --allow-model curie
    tunesmith tenants update acme --required-prefix acme- --auto-prefix
    """
    if allow_model and allow_all_models:
        raise typer.BadParameter("not together with --allow-model", param_hint="--allow-all-models")
    with session.client() as client:
        # what is changed in part is read first; the etag sees that nobody else's change is lost
        before = client.tenants.get(name)
        changes: dict[str, Any] = {
            "display_name": display_name,
            "organization": organization,
            "share_weight": share_weight,
            "labels": _labels.changed(before.labels, label, remove_label)
            if label or remove_label
            else None,
            "allowed_base_models": [] if allow_all_models else allow_model or None,
            "naming": _naming.policy(naming, before.naming),
            "sensitive_data": sensitive_data.value if sensitive_data else None,
        }
        if all(value is None for value in changes.values()):
            raise typer.BadParameter("say what to change; --help lists what can be")
        tenant = client.tenants.update(before.name, etag=before.etag, **changes)
        show(session, tenant, _fields(tenant))
        if tenant.etag and tenant.etag == before.etag:
            session.note("It was so already.")


@command(app, "suspend")
def suspend(
    session: Session,
    name: Name,
    reason: Annotated[
        str, typer.Option(help="Shown to the tenant and in the audit log.", show_default=False)
    ] = "",
    running: Annotated[
        Running,
        typer.Option(help="Its runs under way: finish, or write a checkpoint and pause."),
    ] = Running.FINISH,
) -> None:
    """Let a tenant read and do nothing else, until it is resumed. Its waiting runs wait.

    \b
    tunesmith tenants suspend acme --reason "the bill of October is open" --running pause
    """
    with session.client() as client:
        how: Any = running.value
        tenant = client.tenants.suspend(name, reason, running=how)
        show(session, tenant, _fields(tenant))
        session.note(f"Take it back: tunesmith tenants resume {last(tenant.name)}")


@command(app, "resume")
def resume(session: Session, name: Name) -> None:
    """Take a suspension back; runs that it paused go on."""
    with session.client() as client:
        tenant = client.tenants.resume(name)
        show(session, tenant, _fields(tenant))


@command(app, "delete")
def delete(
    session: Session,
    name: Name,
    cascade: Annotated[
        bool,
        typer.Option("--cascade", help="Delete its runs, models, datasets and keys too, for good."),
    ] = False,
    confirm: Annotated[
        str,
        typer.Option(
            metavar="ID",
            help="With --cascade: its id once more, to not be asked.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Delete a tenant that has nothing any more, or with --cascade all it has.

    \b
    tunesmith tenants delete acme
    tunesmith tenants delete acme --cascade --confirm acme
    """
    if confirm and not cascade:
        raise typer.BadParameter("goes with --cascade alone", param_hint="--confirm")
    if confirm and confirm != last(name):
        wanted = f"{confirm!r} is not {last(name)!r}, the tenant that is to be deleted"
        raise typer.BadParameter(wanted, param_hint="--confirm")
    with session.client() as client:
        if cascade and not confirm:
            confirm = _asked(session, client, name)
        client.tenants.delete(name, cascade=cascade, confirm=confirm)
    session.note(f"deleted {name}")


def _asked(session: Session, client: Client, name: str) -> str:
    """The tenant's id, typed by somebody who has read what goes with it."""
    tenant = client.tenants.get(name)
    held = [
        f"{exactly(effect.dimension, effect.used)} {effect.dimension.replace('_', ' ')}"
        for effect in client.tenants.usage(name).dimensions
        if effect.dimension in ("datasets", "models") and effect.used and not effect.base_model
    ]
    has = f"{', '.join(held)}, its runs and keys" if held else "its runs, models, datasets and keys"
    session.note(f"This deletes {tenant.name} with {has}. It cannot be undone.")
    typed = session.ask(f"Type {last(name)} to delete it:")
    if typed != last(name):
        what = "that is not its id" if typed is not None else "nobody answers; say --confirm ID"
        session.note(f"error: {what}; nothing was deleted")
        raise typer.Exit(FAILED)
    return typed


def _fields(tenant: pb.Tenant) -> dict[str, object]:
    return {
        "name": tenant.name,
        "state": _state(tenant),
        "suspended because": tenant.suspend_reason,
        "its runs": named(pb.SuspendedRuns, tenant.suspended_runs, "SUSPENDED_RUNS_")
        if tenant.state == pb.TENANT_STATE_SUSPENDED
        else "",
        "display name": tenant.display_name,
        "organization": tenant.organization,
        "parent": tenant.parent_tenant,
        "share weight": tenant.share_weight if tenant.HasField("share_weight") else "",
        "labels": ", ".join(f"{name}={value}" for name, value in sorted(tenant.labels.items())),
        "base models": ", ".join(tenant.allowed_base_models),
        **_naming.fields(tenant.naming),
        "sensitive data": named(
            pb.SensitiveDataPolicy, tenant.sensitive_data, "SENSITIVE_DATA_POLICY_"
        )
        if tenant.sensitive_data
        else "",
        "created": when(tenant.create_time),
        **{
            f"limit {key(limit.dimension, limit.base_model)}": exactly(limit.dimension, limit.value)
            if limit.HasField("value")
            else UNLIMITED
            for limit in tenant.limits
        },
    }


def _state(tenant: pb.Tenant) -> str:
    return named(pb.TenantState, tenant.state, "TENANT_STATE_")
