"""What answers under a name: the one place where names of models are looked up for asking."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from tunesmith_server.app.scope import allowed, base_named
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.completion import AdapterRef
from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.model import BaseModel, Model
from tunesmith_server.domain.model_reference import ModelReference, model_reference
from tunesmith_server.domain.names import OWN_TENANT, ModelName, can_name, owned
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


def named(tx: Transaction, principal: Principal, text: str, now: datetime) -> Named:
    """What answers under `text`, or NotFound.

    A resource name, a public or legacy name, each perhaps with a checkpoint behind, or a base
    model's id or alias. Names are of the caller's own models first, then of those that others
    share with it now. A platform administrator has no names but resource names and bases.
    """
    if not can_name(text):
        raise NotFound(repr(text[:200]))
    reference = model_reference(text)
    try:
        if reference and (principal.tenant or isinstance(reference.name, ModelName)):
            model = _tuned(tx, principal, reference, now)
            if not model.has(reference.checkpoint):
                raise NotFound(text)
            return Named(tx.system.base_model(model.base_model), model, reference.checkpoint)
        base = base_named(tx, text)
        return Named(allowed(tx.of(principal.tenant), base) if principal.tenant else base)
    except NotFound:
        raise NotFound(text[:200]) from None


def readable(tx: Transaction, principal: Principal, name: ModelName, now: datetime) -> Model:
    """The model of a resource name, the caller's own or one that is shared with it; NotFound."""
    try:
        return _tuned(tx, principal, ModelReference(name), now)
    except NotFound:
        raise NotFound(str(name)) from None


def _tuned(
    tx: Transaction, principal: Principal, reference: ModelReference, now: datetime
) -> Model:
    """The model that is meant, whether it has the checkpoint or not."""
    name, own = reference.name, principal.tenant
    if isinstance(name, ModelName) and (own is None or name.tenant in (own, OWN_TENANT)):
        return tx.of(owned(name.tenant, own, str(name))).model(name.id)
    assert own is not None
    scope = tx.of(own)
    if not isinstance(name, ModelName):
        with suppress(NotFound):
            return scope.model_named(name)
    model = scope.shares.lent(name, now)
    allowed(scope, tx.system.base_model(model.base_model))
    return model
