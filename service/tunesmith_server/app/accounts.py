"""What a tenant has used, is charged, and has done: usage, ledger, audit."""

import contextlib
from collections.abc import Mapping, Sequence

from tunesmith_server.app import filters
from tunesmith_server.app.admission import Admission, UsageRow
from tunesmith_server.app.pages import Page, Pager, PageRequest
from tunesmith_server.app.scope import allowed
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.audit import AuditRecord
from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.domain.names import OWN_TENANT, TenantName, owned
from tunesmith_server.domain.quota import Dimension, LedgerEntry
from tunesmith_server.ports import Clock, Store, Transaction


class Accounts:
    """The use cases of reading the books."""

    def __init__(self, store: Store, admission: Admission, pager: Pager, clock: Clock) -> None:
        self._store = store
        self._admission = admission
        self._pager = pager
        self._clock = clock

    async def usage(self, principal: Principal, name: TenantName) -> list[UsageRow]:
        """Every dimension that is limited or in use, as the limit with the least room sees it."""
        tenant = owned(name.tenant, principal.tenant, str(name))
        now = self._clock.now()
        return await self._store.read(lambda tx: self._admission.usage(tx.of(tenant), now))

    async def of_bases(
        self, principal: Principal, dimensions: Sequence[Dimension]
    ) -> list[tuple[BaseModel, Mapping[Dimension, UsageRow]]]:
        """What the caller's tenant may use of each base that it may, by the tightest limit."""
        now = self._clock.now()

        def read(tx: Transaction) -> list[tuple[BaseModel, Mapping[Dimension, UsageRow]]]:
            scope = tx.of(owned(OWN_TENANT, principal.tenant, "tenants/-"))
            found: list[tuple[BaseModel, Mapping[Dimension, UsageRow]]] = []
            for base in tx.system.base_models():
                with contextlib.suppress(NotFound):
                    if not allowed(scope, base).hidden:
                        rows = {
                            d: self._admission.tightest(scope, d, base.id, now) for d in dimensions
                        }
                        found.append((base, rows))
            return found

        return await self._store.read(read)

    async def ledger(
        self, principal: Principal, parent: TenantName, page: PageRequest
    ) -> Page[LedgerEntry]:
        """The bill: what was reserved, settled and released, newest first."""
        tenant = owned(parent.tenant, principal.tenant, str(parent))
        bound = f"{tenant}/ledger"
        of = self._pager.of(page, bound, filters.LEDGER)
        found = await self._store.read(lambda tx: tx.of(tenant).ledger(of))
        return self._pager.page(page, bound, found)

    async def audit(
        self, principal: Principal, parent: TenantName, page: PageRequest
    ) -> Page[AuditRecord]:
        """Who did or tried what, newest first; for a platform administrator's `-`, everything."""
        everything = parent.tenant == OWN_TENANT and principal.tenant is None
        tenant = None if everything else owned(parent.tenant, principal.tenant, str(parent))
        bound = f"{tenant or '*'}/audit"
        of = self._pager.of(page, bound, filters.AUDIT_EVENTS)
        found = await self._store.read(lambda tx: tx.system.audit(tenant, of))
        return self._pager.page(page, bound, found)
