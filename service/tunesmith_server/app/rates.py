"""Limits of requests and of inference tokens in a minute, exact over all replicas.

A window is a minute in UTC with a counter in the database, guarded as every quota is. So that not
every request writes, a replica takes permits for a share of the limit at a time and hands them out
from memory: what is handed out never passes the limit, and what a replica has not used when the
minute ends (at most a twentieth of the limit) is lost. Tenants without such a limit cost nothing.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from tunesmith_server.app.admission import Admission
from tunesmith_server.domain.errors import NotFound, RateLimited
from tunesmith_server.domain.quota import Dimension, asks, bounds, period, reset_time
from tunesmith_server.domain.tenant import Tenant
from tunesmith_server.ports import Clock, Store, Transaction

SHARE = 20
"""A replica takes one part in so many of the limit at a time."""
_LIMITS_KEPT = 2.0
"""Seconds for which a tenant's limits are remembered."""


@dataclass(frozen=True)
class Standing:
    """How a tenant stands to one of its limits of a minute, as far as this process knows.

    It counts what other replicas use only when it takes permits itself, which is every twentieth
    part of the limit: `remaining` may be that much too high.
    """

    limit: int
    remaining: int
    reset_seconds: float
    """Until the next minute begins."""


@dataclass
class _Permits:
    """What is left in this process of what it has taken, and what nobody had taken then."""

    window: str = ""
    left: int = 0
    room: int = 0


class Rates:
    """Hands out permits."""

    def __init__(self, store: Store, admission: Admission, clock: Clock) -> None:
        self._store = store
        self._admission = admission
        self._clock = clock
        self._chains: dict[str, tuple[float, Sequence[Tenant]]] = {}
        self._permits: dict[tuple[str, Dimension], _Permits] = {}
        self._locks: dict[tuple[str, Dimension], asyncio.Lock] = {}

    async def take(self, tenant: str, dimension: Dimension, amount: int = 1) -> None:
        """Use up `amount` of this minute's limit, or RateLimited with the time it ends in."""
        limit = await self._limit(tenant, dimension)
        if limit is None or not amount:
            return
        key = (tenant, dimension)
        permits = self._permits.setdefault(key, _Permits())
        async with self._locks.setdefault(key, asyncio.Lock()):  # one asks the database for all
            now = self._clock.now()
            window = period(dimension, now)
            if permits.window != window:
                permits.window, permits.left, permits.room = window, 0, limit
            missing = amount - permits.left
            if missing > 0:
                share = max(missing, limit // SHARE)
                taken, permits.room = await self._from_store(tenant, dimension, share, now)
                if not taken and share > missing:
                    taken, permits.room = await self._from_store(tenant, dimension, missing, now)
                if not taken:
                    raise _refused(dimension, limit, amount, now)
                permits.left += taken
            permits.left -= amount

    def give_back(self, tenant: str, dimension: Dimension, amount: int) -> None:
        """Return what was taken and not used; a negative amount is what was used on top."""
        permits = self._permits.get((tenant, dimension))
        if permits and permits.window == period(dimension, self._clock.now()):
            permits.left += amount

    def standing(self, tenant: str, dimension: Dimension) -> Standing | None:
        """How things stand, from memory; None where no limit is known of."""
        _, chain = self._chains.get(tenant, (0.0, ()))
        limit = self._lowest(chain, dimension)
        if limit is None:
            return None
        now, permits = self._clock.now(), self._permits.get((tenant, dimension))
        remaining = limit
        if permits and permits.window == period(dimension, now):
            remaining = max(0, min(limit, permits.left + permits.room))
        ends = reset_time(dimension, now)
        return Standing(limit, remaining, (ends - now).total_seconds() if ends else 60.0)

    async def _limit(self, tenant: str, dimension: Dimension) -> int | None:
        """The lowest limit that applies; None if there is none."""
        return self._lowest(await self._chain(tenant), dimension)

    def _lowest(self, chain: Sequence[Tenant], dimension: Dimension) -> int | None:
        found = [b.limit for b in bounds(chain, self._admission.defaults, dimension)]
        return min((limit for limit in found if limit is not None), default=None)

    async def _chain(self, tenant: str) -> Sequence[Tenant]:
        until, chain = self._chains.get(tenant, (0.0, ()))
        if monotonic() > until:
            try:
                chain = await self._store.peek(lambda tx: tx.of(tenant).chain())
            except NotFound:
                chain = ()
            self._chains[tenant] = (monotonic() + _LIMITS_KEPT, chain)
        return chain

    async def _from_store(
        self, tenant: str, dimension: Dimension, amount: int, now: datetime
    ) -> tuple[int, int]:
        """Permits out of the counters of the tenant and all above it, and what is left in them.

        0 permits if there are too few.
        """

        def work(tx: Transaction) -> tuple[int, int]:
            scope = tx.of(tenant)
            chain, defaults = scope.chain(), self._admission.defaults
            wanted = asks(chain, defaults, {dimension: amount}, now)
            taken = 0 if scope.permits(wanted) else amount
            window = period(dimension, now)
            counters = {
                (bound.scope, dimension, window): bound.limit
                for bound in bounds(chain, defaults, dimension)
                if bound.limit is not None
            }
            usage = scope.usage(counters)
            used = {counter: usage[counter].used for counter in counters if counter in usage}
            room = [limit - used.get(counter, 0) for counter, limit in counters.items()]
            return taken, max(0, min(room, default=0))

        return await self._store.jot(work)


def _refused(dimension: Dimension, limit: int, amount: int, now: datetime) -> RateLimited:
    ends = reset_time(dimension, now)
    seconds = (ends - now).total_seconds() if ends else 60.0
    if amount > limit:
        return RateLimited(
            f"{dimension}: {amount} at once are more than the {limit} of a whole minute",
            retry_after=seconds,
        )
    return RateLimited(
        f"{dimension}: the {limit} of this minute are used up; the next begins in {seconds:.0f} s",
        retry_after=seconds,
    )
