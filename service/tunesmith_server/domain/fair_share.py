"""Who goes next when slots are short: start-time fair queueing between tenants.

Each tenant has a virtual time that advances with what it starts, the slower the greater its weight;
the waiting tenant with the lowest goes next. One that has been idle does not save up: when it comes
back it begins at the platform's present virtual time. So over any stretch in which two tenants both
wait, what they start is as their weights, and a newcomer waits for no more than the run under way,
however many another has queued. (P. Goyal, H. M. Vin, H. Cheng: "Start-time Fair Queuing", 1996.)

Within a tenant the rank decides: the age of a run, made older by its priority. A run of any
priority is overtaken only by those that came within a bounded time after it, so none starves.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

PRIORITY_STEP = timedelta(minutes=10)
"""By how much one step of priority makes a run seem older."""


def rank(create_time: datetime, priority: int) -> int:
    """The place of a waiting run among its tenant's, in milliseconds; the lowest goes first."""
    return round((create_time - priority * PRIORITY_STEP).timestamp() * 1000)


@dataclass(frozen=True)
class Share:
    """Where a tenant stands: the virtual times at which its last start began and ends."""

    start: float = 0.0
    finish: float = 0.0


def present(shares: Iterable[Share]) -> float:
    """The platform's virtual time: that of the last start."""
    return max((share.start for share in shares), default=0.0)


def turn(share: Share, now: float) -> float:
    """The virtual time at which a waiting tenant's next run would begin; the lowest is next."""
    return max(share.finish, now)


def after_start(share: Share, now: float, cost: float, weight: int) -> Share:
    """Where the tenant stands after a start of a run of `cost` (trained tokens, at least 1)."""
    begins = turn(share, now)
    return Share(begins, begins + max(cost, 1.0) / weight)
