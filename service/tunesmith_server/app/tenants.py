"""Tenants and their keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tunesmith_server.app.admission import Admission
from tunesmith_server.app.auth import Keys, NewKey
from tunesmith_server.app.pages import Page, Pager, PageRequest
from tunesmith_server.domain.access import Principal, Role
from tunesmith_server.domain.errors import InvalidArgument, PermissionDenied
from tunesmith_server.domain.names import ApiKeyName, TenantName, checked_id, owned
from tunesmith_server.domain.naming import normalised_suffix
from tunesmith_server.domain.quota import TENANT_DIMENSIONS, Dimension, period
from tunesmith_server.domain.tenant import ApiKey, Tenant
from tunesmith_server.ports import Clock, Store, Transaction


@dataclass(frozen=True)
class UsageRow:
    """One dimension of a tenant's quota. `limit` None is unlimited."""

    dimension: Dimension
    limit: int | None
    used: int
    reserved: int


class Tenants:
    """The use cases of platform and tenant administrators."""

    def __init__(
        self, store: Store, admission: Admission, keys: Keys, pager: Pager, clock: Clock
    ) -> None:
        self._store = store
        self._admission = admission
        self._keys = keys
        self._pager = pager
        self._clock = clock

    async def create(
        self,
        id: str,
        *,
        display_name: str = "",
        organization: str = "",
        labels: Mapping[str, str] | None = None,
        limits: Mapping[str, int | None] | None = None,
    ) -> Tenant:
        """Make a tenant, or AlreadyExists."""
        tenant = Tenant(
            id=checked_id(id, "tenant_id"),
            create_time=self._clock.now(),
            display_name=display_name,
            organization=normalised_suffix(organization or id, "tenant.organization"),
            labels=dict(labels or {}),
            limits=_limits(limits or {}),
        )
        await self._store.write(lambda tx: tx.system.add_tenant(tenant))
        return tenant

    async def get(self, principal: Principal, name: TenantName) -> Tenant:
        """The tenant, or NotFound."""
        id = owned(name.tenant, principal.tenant, str(name))
        return await self._store.read(lambda tx: tx.system.tenant(id))

    async def list(self, page: PageRequest) -> Page[Tenant]:
        """Every tenant, newest first."""
        of = self._pager.of(page, "tenants")
        found = await self._store.read(lambda tx: tx.system.tenants(of))
        return self._pager.page(page, "tenants", found)

    async def usage(self, principal: Principal, name: TenantName) -> tuple[UsageRow, ...]:
        """Limit, used and reserved of every dimension that has a limit or is in use."""
        id = owned(name.tenant, principal.tenant, str(name))
        now = self._clock.now()

        def work(tx: Transaction) -> tuple[UsageRow, ...]:
            limits = self._admission.limits(tx.system.tenant(id))
            taken = tx.of(id).usage(lambda dimension: period(dimension, now))
            return tuple(
                UsageRow(
                    dimension,
                    limits.get(dimension),
                    taken[dimension].used if dimension in taken else 0,
                    taken[dimension].reserved if dimension in taken else 0,
                )
                for dimension in sorted({*limits, *taken})
            )

        return await self._store.read(work)

    async def create_key(
        self,
        principal: Principal,
        parent: TenantName,
        role: Role,
        *,
        display_name: str = "",
        expire_time: datetime | None = None,
    ) -> NewKey:
        """Make a key of a tenant. Its secret is in the answer and nowhere else."""
        tenant = owned(parent.tenant, principal.tenant, str(parent))
        if role is Role.PLATFORM_ADMIN:
            raise PermissionDenied("a tenant's key cannot have the role platform-admin")
        new = self._keys.make(tenant, role, display_name=display_name, expire_time=expire_time)
        await self._store.write(lambda tx: tx.of(tenant).add_api_key(new.key))
        return new

    async def keys(
        self, principal: Principal, parent: TenantName, page: PageRequest
    ) -> Page[ApiKey]:
        """A tenant's keys, newest first, without their secrets."""
        tenant = owned(parent.tenant, principal.tenant, str(parent))
        of = self._pager.of(page, f"{tenant}/apiKeys")
        found = await self._store.read(lambda tx: tx.of(tenant).api_keys(of))
        return self._pager.page(page, f"{tenant}/apiKeys", found)

    async def revoke_key(self, principal: Principal, name: ApiKeyName) -> ApiKey:
        """Make a key open nothing from the next call on."""
        tenant = owned(name.tenant, principal.tenant, str(name))
        now = self._clock.now()
        return await self._store.write(lambda tx: tx.of(tenant).revoke_api_key(name.id, now))


def _limits(asked: Mapping[str, int | None]) -> dict[Dimension, int | None]:
    limits: dict[Dimension, int | None] = {}
    for name, limit in asked.items():
        if name not in TENANT_DIMENSIONS:
            known = ", ".join(sorted(TENANT_DIMENSIONS))
            raise InvalidArgument.of("tenant.limits", f"{name!r} is no dimension; known: {known}")
        if limit is not None and limit < 0:
            raise InvalidArgument.of("tenant.limits", f"{name} is {limit}; it cannot be negative")
        limits[Dimension(name)] = limit
    return limits
