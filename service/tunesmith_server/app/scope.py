"""From a name to the rows of its tenant, and to the bases that it may use."""

from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.model import BaseModel, Model
from tunesmith_server.domain.model_reference import ModelReference
from tunesmith_server.domain.names import ModelName, ResourceName
from tunesmith_server.ports import TenantScope, Transaction


def scope_of(tx: Transaction, tenant: str, name: ResourceName) -> TenantScope:
    """The tenant's rows; an unknown tenant answers as an unknown resource does."""
    try:
        return tx.of(tenant)
    except NotFound:
        raise NotFound(str(name)) from None


def base_named(tx: Transaction, text: str) -> BaseModel:
    """The base of this id, in full or alone, or the one that has it among its aliases; NotFound."""
    id = text.removeprefix("baseModels/")
    try:
        return tx.system.base_model(id)
    except NotFound:
        for base in tx.system.base_models():
            if id in base.aliases:
                return base
        raise


def tuned_model(scope: TenantScope, reference: ModelReference, shown: str) -> Model:
    """The tenant's own model that is meant; NotFound if it, or the checkpoint, is not there."""
    name = reference.name
    try:
        model = scope.model(name.id) if isinstance(name, ModelName) else scope.model_named(name)
    except NotFound:
        raise NotFound(shown) from None
    if not model.has(reference.checkpoint):
        raise NotFound(shown)
    return model


def allowed(scope: TenantScope, base: BaseModel) -> BaseModel:
    """The base if the tenant, and every tenant above it, may use it.

    One that it may not is NotFound, as one that is not there.
    """
    for tenant in scope.chain():
        if tenant.allowed_base_models and base.id not in tenant.allowed_base_models:
            raise NotFound(f"baseModels/{base.id}")
    return base
