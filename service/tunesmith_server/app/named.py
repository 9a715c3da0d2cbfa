"""What answers under a name: the one place where names of models are looked up for asking."""

from dataclasses import dataclass

from tunesmith_server.app.scope import allowed, base_named, tuned_model
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.completion import AdapterRef
from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.model import BaseModel, Model
from tunesmith_server.domain.model_reference import model_reference
from tunesmith_server.domain.names import ModelName, can_name, owned
from tunesmith_server.ports import Artefacts, Transaction


@dataclass(frozen=True)
class Named:
    """A base, with a tuned model's adapter or without, or with that of a checkpoint."""

    base: BaseModel
    model: Model | None = None
    checkpoint: int | None = None
    """The step; None is the finished model."""

    def adapter(self, artefacts: Artefacts) -> AdapterRef | None:
        """What the base is asked with."""
        if self.model is None:
            return None
        id = adapter_id(self.model.uid, self.checkpoint)
        return AdapterRef(id, str(artefacts.path(self.model.uid, self.checkpoint)))


def adapter_id(uid: str, checkpoint: int | None) -> str:
    """What an engine knows the adapter of a model, or of its checkpoint, by."""
    return uid if checkpoint is None else f"{uid}.step-{checkpoint}"


def adapter_ids(model: Model) -> list[str]:
    """All that engines may know of a model."""
    return [adapter_id(model.uid, step) for step in (None, *(c.step for c in model.checkpoints))]


def named(tx: Transaction, principal: Principal, text: str) -> Named:
    """What answers under `text`, or NotFound.

    A resource name, a public or legacy name, both perhaps with a checkpoint behind, or a base
    model's id or alias. A platform administrator has no names but resource names and bases.
    """
    if not can_name(text):
        raise NotFound(repr(text[:200]))
    reference = model_reference(text)
    tenant = principal.tenant
    if reference and isinstance(reference.name, ModelName):
        tenant = owned(reference.name.tenant, principal.tenant, text)
    if reference and tenant:
        try:
            model = tuned_model(tx.of(tenant), reference, text)
        except NotFound:
            raise NotFound(text) from None
        return Named(tx.system.base_model(model.base_model), model, reference.checkpoint)
    try:
        base = base_named(tx, text)
        return Named(allowed(tx.of(tenant), base) if tenant else base)
    except NotFound:
        raise NotFound(text[:200]) from None
