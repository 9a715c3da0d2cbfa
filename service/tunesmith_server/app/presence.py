"""How many watches a tenant has open, over all replicas.

Each process says how many it serves, and says it again while it lives; what a process that died had
said is void soon after. A tenant without a limit costs nothing.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

from tunesmith_server.app.admission import Admission
from tunesmith_server.app.background import again_and_again
from tunesmith_server.domain.errors import DomainError, RateLimited
from tunesmith_server.domain.quota import Dimension, bounds
from tunesmith_server.ports import Clock, Store, Transaction

_EVERY = 10.0
_VOID_AFTER = timedelta(seconds=3 * _EVERY)
_TRY_AGAIN = 5.0


class Presence:
    """Counts watches, and refuses those above the limit."""

    def __init__(self, store: Store, admission: Admission, clock: Clock, owner: str) -> None:
        self._store = store
        self._admission = admission
        self._clock = clock
        self._owner = owner
        self._here: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def watching(self, tenant: str) -> AsyncIterator[None]:
        """One watch more for as long as the block lasts, or RateLimited.

        Of limits of the tenants above the lowest holds, for each tenant by itself.
        """
        limited = await self._enter(tenant)
        try:
            yield
        finally:
            if limited:
                self._here[tenant] -= 1
                # shielded: a caller that goes away cancels this, and its place must come free
                await asyncio.shield(self._tell(tenant))

    async def run(self) -> None:
        """Say again and again what is served here, until cancelled."""
        await again_and_again("presence", self._tell_all, partial(asyncio.sleep, _EVERY))

    async def _tell_all(self) -> None:
        for tenant in [tenant for tenant, count in self._here.items() if count]:
            await self._tell(tenant)

    async def _enter(self, tenant: str) -> bool:
        def look(tx: Transaction) -> int | None:
            chain = tx.of(tenant).chain()
            found = [b.limit for b in bounds(chain, self._admission.defaults, Dimension.WATCHES)]
            return min((limit for limit in found if limit is not None), default=None)

        limit = await self._store.peek(look)
        if limit is None:
            return False
        self._here[tenant] += 1  # before the transaction: those that enter at once see each other

        def work(tx: Transaction) -> bool:
            now = self._clock.now()
            scope = tx.of(tenant)
            if scope.watches(self._owner, now) + self._here[tenant] > limit:
                return False
            scope.put_watches(self._owner, self._here[tenant], now + _VOID_AFTER)
            return True

        try:
            entered = await self._store.write(work)
        except BaseException:
            self._here[tenant] -= 1
            raise
        if not entered:
            self._here[tenant] -= 1
            raise RateLimited(
                f"{Dimension.WATCHES}: {limit} watches at once are allowed, and they are open",
                retry_after=_TRY_AGAIN,
            )
        return True

    async def _tell(self, tenant: str) -> None:
        until = self._clock.now() + _VOID_AFTER
        with contextlib.suppress(DomainError):
            await self._store.write(
                lambda tx: tx.of(tenant).put_watches(self._owner, self._here[tenant], until)
            )
