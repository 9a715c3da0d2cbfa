"""`tunesmith models share | accept | unshare | shares`."""

from collections.abc import Iterator
from typing import Annotated

import typer

from tunesmith import Client
from tunesmith.cli._moments import after, until
from tunesmith.cli._output import show, show_all
from tunesmith.cli._session import Session, command
from tunesmith.cli._text import last, named, when
from tunesmith.v1 import model_pb2 as pb

Model = Annotated[
    str,
    typer.Argument(
        help="The model, or MODEL#STEP for one of its checkpoints alone.", show_default=False
    ),
]


def add_to(app: typer.Typer) -> None:
    """The commands about sharing, among those of `tunesmith models`."""
    command(app, "share")(share)
    command(app, "accept")(accept)
    command(app, "unshare")(unshare)
    command(app, "shares")(shares)


def share(
    session: Session,
    model: Model,
    tenant: Annotated[str, typer.Argument(help="Whom to offer it to.", show_default=False)],
    expires: Annotated[
        str,
        typer.Option(
            help="When it ends: in so long, such as 30d, or a date; else when it is taken back.",
            metavar="TIME",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Offer a model to another tenant, which can ask it once it has accepted. Needs an admin.

    \b
    tunesmith models share support acme --expires 30d
    tunesmith models share support#40 acme
    """
    try:
        expire_time = after(expires) if expires else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from None
    with session.client() as client:
        offer = client.models.share(model, tenant, expire_time=expire_time)
    _show(session, offer)
    if offer.state == pb.MODEL_SHARE_STATE_OFFERED:
        session.note(f"{last(offer.tenant)} accepts it with: tunesmith models accept {_of(offer)}")


def accept(
    session: Session,
    model: Annotated[
        str,
        typer.Argument(
            help="What was offered, by its full or public name: see `models shares`.",
            show_default=False,
        ),
    ],
) -> None:
    """Consent to asking a model that another tenant has offered. Needs an admin.

    \b
    tunesmith models accept tenants/acme/models/support
    tunesmith models accept ft:ada:acme:support:12ab34cd:ckpt-step-40
    """
    with session.client() as client:
        _show(session, client.models.accept_share(_full(client, model)))


def unshare(
    session: Session,
    model: Annotated[
        str,
        typer.Argument(
            help="The model or MODEL#STEP, as it was shared; another's by its full or public name.",
            show_default=False,
        ),
    ],
    tenant: Annotated[
        str,
        typer.Argument(
            help="Whom it is shared with; left out: give up what another shares with you.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """End a share or an offer, from the next call on. Needs an admin.

    \b
    tunesmith models unshare support acme
    tunesmith models unshare tenants/acme/models/support
    """
    with session.client() as client:
        client.models.unshare(model if tenant else _full(client, model), tenant)
    session.note(f"{model} is no longer shared")


def shares(
    session: Session,
    given: Annotated[bool, typer.Option("--given", help="Only what you share.")] = False,
    received: Annotated[
        bool, typer.Option("--received", help="Only what others share with you.")
    ] = False,
) -> None:
    """List what you share with others, and then what others share with you."""
    sides = [given or not received, received or not given]

    def listed(client: Client) -> Iterator[pb.ModelShare]:
        if sides[0]:
            yield from client.models.shares()
        if sides[1]:
            yield from client.models.shares(received=True)

    with session.client() as client:
        show_all(
            session,
            listed(client),
            {
                "model": _of,
                "shared with": lambda s: last(s.tenant),
                "state": _state,
                "expires": _expiry,
                "offered": lambda s: when(s.create_time),
                "accepted": lambda s: when(s.accept_time),
            },
            empty="nothing is shared",
            name=_of,
        )


def _show(session: Session, share: pb.ModelShare) -> None:
    fields = {
        "model": _of(share),
        "public name": share.public_name,
        "shared with": last(share.tenant),
        "state": _state(share),
        "expires": _expiry(share),
    }
    show(session, share, fields, name=_of(share))


def _full(client: Client, text: str) -> str:
    """The full name of what another tenant shares, by that or by its public name."""
    if text.startswith("tenants/"):
        return text
    for share in client.models.shares(received=True):
        if share.public_name == text:
            return _of(share)
    raise typer.BadParameter(
        f"nobody shares {text!r} with you: `tunesmith models shares --received` lists what is",
        param_hint="MODEL",
    )


def _of(share: pb.ModelShare) -> str:
    alone = share.HasField("checkpoint_step")
    return f"{share.model}#{share.checkpoint_step}" if alone else share.model


def _state(share: pb.ModelShare) -> str:
    return named(pb.ModelShareState, share.state, "MODEL_SHARE_STATE_")


def _expiry(share: pb.ModelShare) -> str:
    if not share.HasField("expire_time"):
        return "-"
    return f"{when(share.expire_time)} ({until(share.expire_time)})"
