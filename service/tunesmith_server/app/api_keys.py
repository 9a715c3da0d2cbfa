"""Keys of a tenant: made, listed, rotated, revoked."""

from dataclasses import replace
from datetime import datetime, timedelta

from tunesmith_server.app.auth import Keys, NewKey
from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.pages import Page, Pager, PageRequest
from tunesmith_server.app.scope import scope_of
from tunesmith_server.domain.access import Principal, Role
from tunesmith_server.domain.errors import (
    InvalidArgument,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
)
from tunesmith_server.domain.names import ApiKeyName, TenantName, owned
from tunesmith_server.domain.tenant import ApiKey
from tunesmith_server.ports import Clock, Store, Transaction

DEFAULT_OVERLAP = timedelta(hours=24)
MOST_OVERLAP = timedelta(days=90)


class ApiKeys:
    """The use cases of tenant administrators around keys."""

    def __init__(
        self, store: Store, commands: Commands, keys: Keys, pager: Pager, clock: Clock
    ) -> None:
        self._store = store
        self._commands = commands
        self._keys = keys
        self._pager = pager
        self._clock = clock

    async def create(
        self,
        call: Call,
        parent: TenantName,
        role: Role,
        *,
        display_name: str = "",
        expire_time: datetime | None = None,
    ) -> NewKey:
        """Make a key. Its secret is in the answer and nowhere else: a repeat comes without it."""
        tenant = owned(parent.tenant, call.principal.tenant, str(parent))
        if role is Role.PLATFORM_ADMIN:
            raise PermissionDenied("a tenant's key cannot have the role platform-admin")
        self._check_expiry(expire_time)
        new = self._keys.make(tenant, role, display_name=display_name, expire_time=expire_time)
        return await self._record(call, tenant, new, f"role={role}")

    async def list(
        self, principal: Principal, parent: TenantName, page: PageRequest
    ) -> Page[ApiKey]:
        """A tenant's keys, newest first, without their secrets."""
        tenant = owned(parent.tenant, principal.tenant, str(parent))
        of = self._pager.of(page, f"{tenant}/apiKeys")
        found = await self._store.read(lambda tx: _of(tx, tenant).api_keys(of))
        return self._pager.page(page, f"{tenant}/apiKeys", found)

    async def rotate(self, call: Call, name: ApiKeyName, overlap: timedelta | None) -> NewKey:
        """A successor of the same role; the old key opens for `overlap` longer, at most.

        Raises PreconditionFailed for a key that opens nothing any more.
        """
        tenant = owned(name.tenant, call.principal.tenant, str(name))
        lasting = DEFAULT_OVERLAP if overlap is None else overlap
        if not timedelta(0) <= lasting <= MOST_OVERLAP:
            raise InvalidArgument.of("overlap", f"is {lasting}; 0 to 90 days are allowed")
        now = self._clock.now()
        made: list[NewKey] = []

        def make(tx: Transaction) -> ApiKey:
            scope = scope_of(tx, tenant, name)
            old = scope.api_key(name.id)
            if not old.opens(now):
                raise PreconditionFailed(str(name), "it is revoked or expired: make a new key")
            ends = now + lasting
            ends = min(ends, old.expire_time) if old.expire_time else ends
            made[:] = [
                self._keys.make(tenant, old.role, display_name=old.display_name, expire_time=None)
            ]
            scope.put_api_key(replace(old, expire_time=ends))
            scope.add_api_key(made[0].key)
            return made[0].key

        shown = ApiKeyName(tenant, name.id)
        key = await self._commands.run(
            call, tenant, shown, ApiKey, make, detail=f"overlap={lasting}"
        )
        return _shown(call, made[0], key) if made else NewKey(key, "")

    async def revoke(self, call: Call, name: ApiKeyName) -> ApiKey:
        """Make a key open nothing from the next call on, on every replica."""
        tenant = owned(name.tenant, call.principal.tenant, str(name))

        def make(tx: Transaction) -> ApiKey:
            scope = scope_of(tx, tenant, name)
            key = scope.api_key(name.id)
            revoked = replace(key, revoke_time=key.revoke_time or self._clock.now())
            scope.put_api_key(revoked)
            return revoked

        return await self._commands.run(call, tenant, ApiKeyName(tenant, name.id), ApiKey, make)

    async def _record(self, call: Call, tenant: str, new: NewKey, detail: str) -> NewKey:
        def make(tx: Transaction) -> ApiKey:
            _of(tx, tenant).add_api_key(new.key)
            return new.key

        shown = ApiKeyName(tenant, new.key.id)
        key = await self._commands.run(call, tenant, shown, ApiKey, make, detail=detail)
        return _shown(call, new, key)

    def _check_expiry(self, expire_time: datetime | None) -> None:
        if expire_time is not None and expire_time <= self._clock.now():
            raise InvalidArgument.of(
                "api_key.expire_time",
                f"{expire_time.isoformat()} has passed: the key would open nothing",
            )


def _shown(call: Call, new: NewKey, key: ApiKey) -> NewKey:
    """The key with its secret if it was made just now: neither a repeat nor a rehearsal has one."""
    return new if key == new.key and not call.validate_only else NewKey(key, "")


def _of(tx: Transaction, tenant: str):  # type: ignore[no-untyped-def]
    try:
        return tx.of(tenant)
    except NotFound:
        raise NotFound(f"tenants/{tenant}") from None
