"""Models that a tenant lets another ask, as long as both want it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from tunesmith_server.domain.access import Role
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import ModelName

MOST_SHARES = 100
"""Of one model, with all of its checkpoints, at a time: a refused delete lists them."""


class ShareState(StrEnum):
    """Whether a share lets anybody ask."""

    OFFERED = "offered"
    """The other tenant has not consented."""
    ACTIVE = "active"
    EXPIRED = "expired"


@dataclass(frozen=True)
class ModelShare:
    """A model, or one of its checkpoints, and the tenant that may ask it. The two see it."""

    uid: str
    model: ModelName
    public_name: str
    """Of what is shared."""
    tenant: str
    """Id of the tenant that may ask. Whether there is one of this id is not known when offered."""
    checkpoint: int | None
    """The step of the checkpoint that alone is shared; None is the model with all of them."""
    create_time: datetime
    role: Role = Role.INFERENCE
    accept_time: datetime | None = None
    expire_time: datetime | None = None

    def state(self, now: datetime) -> ShareState:
        """What it is worth at a moment."""
        if self.expire_time is not None and self.expire_time <= now:
            return ShareState.EXPIRED
        return ShareState.ACTIVE if self.accept_time else ShareState.OFFERED

    def __str__(self) -> str:
        """What is shared."""
        return str(self.model) if self.checkpoint is None else f"{self.model}#{self.checkpoint}"


def lent(model: Model, steps: Collection[int | None]) -> Model:
    """Another tenant's model as one sees it that may ask `steps` of it; None is the whole model.

    What it was made of, by what run and from whose data, stays its owner's.
    """
    whole = None in steps
    return replace(
        model,
        fine_tune="",
        parent_model=None,
        parent_checkpoint=None,
        training_digest="",
        validation_digest="",
        metrics={},
        labels={},
        checkpoints=tuple(each for each in model.checkpoints if whole or each.step in steps),
        shared=True,
        checkpoints_only=not whole,
    )
