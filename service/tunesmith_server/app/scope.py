"""From a name to the rows of its tenant."""

from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.names import ResourceName
from tunesmith_server.ports import TenantScope, Transaction


def scope_of(tx: Transaction, tenant: str, name: ResourceName) -> TenantScope:
    """The tenant's rows; an unknown tenant answers as an unknown resource does."""
    try:
        return tx.of(tenant)
    except NotFound:
        raise NotFound(str(name)) from None
