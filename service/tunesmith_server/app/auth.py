"""From a bearer key to a principal, and the making of keys."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tunesmith_server.domain.access import Principal, Role, may_call
from tunesmith_server.domain.errors import PermissionDenied, Unauthenticated
from tunesmith_server.domain.tenant import KEY_PREFIX, ApiKey, key_hash
from tunesmith_server.ports import Clock, Store, Transaction

_USE_NOTED_EVERY = timedelta(hours=1)
REFUSED = (
    "no valid credential: send `authorization: Bearer …` with an API key (sk-ts-…) or a token of "
    "an issuer that this service trusts"
)
"""The words of every refusal: they must not tell what is wrong with the credential."""


@dataclass(frozen=True)
class NewKey:
    """A key at the only moment at which its secret is known."""

    key: ApiKey
    secret: str


class Keys:
    """Makes and checks API keys. The secrets are 256 random bits and kept as keyed hashes."""

    def __init__(
        self, store: Store, clock: Clock, secret: bytes, new_uid: Callable[[], str]
    ) -> None:
        self._store = store
        self._clock = clock
        self._secret = secret
        self._new_uid = new_uid

    def make(
        self,
        tenant: str | None,
        role: Role,
        *,
        secret: str | None = None,
        display_name: str = "",
        expire_time: datetime | None = None,
    ) -> NewKey:
        """A new key, not yet recorded."""
        secret = secret or KEY_PREFIX + secrets.token_urlsafe(32)
        key = ApiKey(
            id=f"key-{self._new_uid()[-12:]}",
            tenant=tenant,
            role=role,
            hash=key_hash(self._secret, secret),
            create_time=self._clock.now(),
            display_name=display_name,
            expire_time=expire_time,
        )
        return NewKey(key, secret)

    async def ensure_admin(self, secret: str | None) -> NewKey | None:
        """Make the first platform-admin key: `secret`, or a random one on an empty database.

        None if there was nothing to do. Of replicas that start at once, one makes it.
        """
        new = self.make(None, Role.PLATFORM_ADMIN, secret=secret, display_name="bootstrap")

        def work(tx: Transaction) -> bool:
            tx.system.alone("admin key")  # before looking: two that look at once see nothing
            there = tx.system.api_key(new.key.hash) if secret else tx.system.has_api_keys()
            if not there:
                tx.system.add_platform_key(new.key)
            return not there

        return new if await self._store.write(work) else None

    async def principal(self, key: str) -> Principal:
        """Who the key belongs to. Unknown, revoked and expired keys look the same."""
        hashed = key_hash(self._secret, key)
        found = await self._store.peek(lambda tx: tx.system.api_key(hashed))
        now = self._clock.now()
        if found is None or not found.opens(now):
            raise Unauthenticated(REFUSED)
        if found.last_use_time is None or now - found.last_use_time >= _USE_NOTED_EVERY:
            id = found.id
            await self._store.jot(lambda tx: tx.system.key_used(id, now))
        return Principal(found.id, found.tenant, found.role)


def require(principal: Principal, method: str) -> None:
    """PermissionDenied unless the principal's role may call `Service/Method`."""
    if not may_call(principal.role, method):
        raise PermissionDenied(f"the role {principal.role} may not call {method}")
