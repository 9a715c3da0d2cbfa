"""Reserve, settle, release: the one place where runs and quota meet.

A run holds what it takes from the moment it is admitted. Waiting, it holds a place in the queue and
its worst case of trained tokens; under way, a running slot of its tenant and of its node; at the
end its tokens settle to what was really trained and everything else is given back.
"""

from collections.abc import Sequence
from datetime import datetime

from tunesmith_server.domain.errors import QuotaExceeded, QuotaViolation
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.quota import (
    Dimension,
    Hold,
    Limits,
    job_violations,
    node_scope,
    period,
    tenant_scope,
)
from tunesmith_server.domain.tenant import Tenant
from tunesmith_server.ports import TenantScope

_WAITING = (Dimension.FINE_TUNES_QUEUED,)
_UNDER_WAY = (Dimension.FINE_TUNES_RUNNING, Dimension.SLOTS)


class Admission:
    """Admits runs within their tenant's limits and their node's slots."""

    def __init__(self, default_limits: Limits) -> None:
        self._defaults = default_limits

    def limits(self, tenant: Tenant) -> Limits:
        """The tenant's limits, where it has none of its own the platform's."""
        return {**self._defaults, **tenant.limits}

    def violations(self, scope: TenantScope, run: FineTune, now: datetime) -> list[QuotaViolation]:
        """Reserve what a new run holds while it waits; if that is too much, all that is in the way.

        The caller must raise, or otherwise roll the transaction back, on any violation.
        """
        limits = self.limits(scope.tenant())
        tokens = run.resolved.worst_case_tokens
        found = job_violations(limits, tokens)
        holds = [_hold(run, Dimension.FINE_TUNES_QUEUED, 1, now)]
        if tokens:
            holds.append(_hold(run, Dimension.TRAINED_TOKENS_PER_MONTH, tokens, now))
        return [*found, *scope.reserve(run.uid, holds, limits, now)]

    def admit(self, scope: TenantScope, run: FineTune, now: datetime) -> None:
        """Reserve what a new run holds while it waits, or QuotaExceeded with every violation."""
        if found := self.violations(scope, run, now):
            raise QuotaExceeded(run.name.tenant, found)

    def start(
        self, scope: TenantScope, run: FineTune, node: str, slots: int, now: datetime
    ) -> Sequence[QuotaViolation]:
        """Exchange the place in the queue for a running slot; nothing changes on a violation."""
        limits = {**self.limits(scope.tenant()), Dimension.SLOTS: slots}
        holds = [
            Hold(node_scope(node), Dimension.SLOTS, "", 1),
            _hold(run, Dimension.FINE_TUNES_RUNNING, 1, now),
        ]
        found = scope.reserve(run.uid, holds, limits, now)
        if not found:
            scope.release(run.uid, _WAITING, now)
        return found

    def requeue(self, scope: TenantScope, run: FineTune, now: datetime) -> None:
        """Exchange the running slot for a place in the queue: never refused, it was admitted."""
        scope.release(run.uid, _UNDER_WAY, now)
        scope.reserve(run.uid, [_hold(run, Dimension.FINE_TUNES_QUEUED, 1, now)], {}, now)

    def end(self, scope: TenantScope, run: FineTune, now: datetime) -> None:
        """Settle the trained tokens and give everything else back. Harmless when done before."""
        used = run.progress.trained_tokens
        scope.settle(run.uid, Dimension.TRAINED_TOKENS_PER_MONTH, used, now)
        scope.release(run.uid, (*_WAITING, *_UNDER_WAY), now)


def _hold(run: FineTune, dimension: Dimension, amount: int, now: datetime) -> Hold:
    return Hold(tenant_scope(run.name.tenant), dimension, period(dimension, now), amount)
