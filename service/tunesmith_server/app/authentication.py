"""From what a caller shows to a principal, whatever kind of credential it is."""

import structlog

from tunesmith_server.app.auth import REFUSED, Keys
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.errors import NotFound, Unauthenticated
from tunesmith_server.domain.tenant import KEY_PREFIX
from tunesmith_server.ports import Identities, Store

log = structlog.get_logger(__name__)


class Authenticator:
    """Knows callers by an API key or by the token of an issuer that the operator trusts.

    Every refusal has the same words: nobody learns by asking whether a key was ever there, whether
    an issuer is trusted or whether a tenant exists. The cause is in the log.
    """

    def __init__(self, keys: Keys, identities: Identities, store: Store) -> None:
        self._keys = keys
        self._identities = identities
        self._store = store

    async def principal(self, credential: str) -> Principal:
        """Who shows this bearer credential, or Unauthenticated. Empty is none."""
        if credential.startswith(KEY_PREFIX):
            return await self._keys.principal(credential)
        caller = await self._identities.principal(credential) if credential else None
        if caller is None or not await self._tenant_exists(caller):
            raise Unauthenticated(REFUSED)
        return caller

    async def _tenant_exists(self, caller: Principal) -> bool:
        tenant = caller.tenant
        if tenant is None:
            return True
        try:
            await self._store.peek(lambda tx: tx.system.tenant(tenant))
        except NotFound:
            log.info("token_refused", cause="no such tenant", principal=caller.id, tenant=tenant)
            return False
        return True
