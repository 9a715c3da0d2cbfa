"""The integrations of a job: of this API's, Weights & Biases is the one that there is."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.integrations import Integration, WandbIntegration


class WandbBody(msgspec.Struct, forbid_unknown_fields=True):
    """A run in Weights & Biases."""

    project: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    name: Annotated[str, msgspec.Meta(max_length=128)] = ""
    entity: Annotated[str, msgspec.Meta(max_length=128)] = ""
    tags: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=64)]],
        msgspec.Meta(max_length=32),
    ] = msgspec.field(default_factory=list)


class IntegrationBody(msgspec.Struct, forbid_unknown_fields=True):
    """A service that gets the measurements besides."""

    type: Literal["wandb"]
    wandb: WandbBody


class ShownWandb(msgspec.Struct, forbid_unknown_fields=True):
    """A run in Weights & Biases, and its id there."""

    project: str
    name: str | None
    entity: str | None
    tags: list[str]
    run_id: str


class JobIntegration(msgspec.Struct, forbid_unknown_fields=True):
    """An integration as a job shows it."""

    type: Literal["wandb"]
    wandb: ShownWandb


def wanted(bodies: Iterable[IntegrationBody]) -> tuple[Integration, ...]:
    """Those that a create asks for; the key is the tenant's."""
    return tuple(
        Integration(
            wandb=WandbIntegration(
                each.wandb.project, each.wandb.name, each.wandb.entity, tuple(each.wandb.tags)
            )
        )
        for each in bodies
    )


def shown(run: FineTune) -> list[dict[str, Any]]:
    """Those of a run that this API knows."""
    return [
        {
            "type": "wandb",
            "wandb": {
                "project": wandb.project,
                "name": wandb.display_name or None,
                "entity": wandb.entity or None,
                "tags": list(wandb.tags),
                "run_id": run.uid,
            },
        }
        for wandb in (each.wandb for each in run.spec.integrations)
        if wandb
    ]
