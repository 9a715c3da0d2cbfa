"""Starts waiting runs while there are slots: fair between tenants, by rank within one.

A pass: what has passed its deadline expires, free slots go to whose turn it is
(`domain/fair_share.py`), and runs that go on waiting are told for what. Each step is a transaction
that changes one run's holds at most, so that no two ever wait for each other's locks. A start only
takes the slot and moves the run to PREPARING; the dispatcher does the rest, so a crash in between
loses nothing. Hints shorten the wait for the next pass; the clock is the truth.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic

from tunesmith_server.app.admission import Admission
from tunesmith_server.app.background import again_and_again
from tunesmith_server.domain.errors import NotFound, QuotaViolation
from tunesmith_server.domain.events import Event, Kind, Level
from tunesmith_server.domain.fair_share import Share, after_start, present, turn
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.states import State, WaitReason
from tunesmith_server.domain.tenant import Tenant
from tunesmith_server.ports import Clock, Hints, Store, TenantScope, Transaction

_HEADS = 1
"""Runs of a tenant and base that are tried: what is in the way of the first, is in that of all."""
_BATCH = 100
_PAUSE = 0.05
_SHARE = 20
"""A pass costs more the more runs wait; it takes no more than one part in so many of the time."""
_IN_WORDS = {
    WaitReason.TENANT_SUSPENDED: "Waiting: the tenant is suspended",
    WaitReason.WAITING_FOR_CAPACITY: "Waiting for a free training slot",
    WaitReason.WAITING_FOR_FAIR_SHARE: "Waiting: others have had less than their share of slots",
}


@dataclass(frozen=True)
class Queue:
    """One tenant's waiting runs, the next first."""

    tenant: Tenant
    suspended: bool
    share: Share
    runs: Sequence[FineTune]

    def turn(self, now: float) -> tuple[float, int, str]:
        """When it is the tenant's turn: the lowest is next; the longest wait decides a tie."""
        first = int(self.runs[0].create_time.timestamp() * 1000)
        return turn(self.share, now), first, self.tenant.id


def queues(tx: Transaction) -> tuple[list[Queue], float]:
    """The queues of all tenants in the order of their turns, and the present virtual time."""
    shares = tx.system.shares()
    runs: dict[str, list[FineTune]] = {}
    for run in tx.system.waiting(_HEADS):
        runs.setdefault(run.name.tenant, []).append(run)
    found = []
    for tenant, waiting in runs.items():
        chain = tx.of(tenant).chain()
        suspended = any(each.suspension for each in chain)
        found.append(Queue(chain[0], suspended, shares.get(tenant, Share()), waiting))
    now = present(shares.values())
    return sorted(found, key=lambda queue: queue.turn(now)), now


class Scheduler:
    """One per process, for the slots of its own node."""

    def __init__(
        self,
        store: Store,
        admission: Admission,
        hints: Hints,
        clock: Clock,
        *,
        node: str,
        slots: int,
        poll: float = 2.0,
    ) -> None:
        self._store = store
        self._admission = admission
        self._hints = hints
        self._clock = clock
        self._node = node
        self._slots = slots
        self._poll = poll
        self._took = 0.0
        """How long the last pass took (seconds)."""

    async def run(self) -> None:
        """Schedule until cancelled."""
        await again_and_again("scheduler", self._pass_if_due, self._rest)

    async def _pass_if_due(self) -> None:
        self._took = 0.0
        if await self._is_due():
            began = monotonic()
            await self.pass_once()
            self._took = monotonic() - began

    async def _rest(self) -> None:
        await self._hints.wait("queue", self._poll)
        # one pass for all that comes in quick succession
        await asyncio.sleep(min(max(_PAUSE, _SHARE * self._took), self._poll))

    async def pass_once(self) -> Sequence[FineTune]:
        """One pass; the runs that it started."""
        now = self._clock.now()
        for run in await self._store.read(lambda tx: tx.system.past_deadline(now, _BATCH)):
            await self._store.write(lambda tx, run=run: self._expire(tx, run, now))  # type: ignore[misc]
        started = []
        while (begun := await self._started()) is not None:
            started.append(begun)
            self._hints.notify("work")
        await self._store.write(self._explain)
        self._hints.notify("runs")
        return started

    async def _started(self) -> FineTune | None:
        return await self._store.write(self._start_next)

    async def _is_due(self) -> bool:
        """Whether a pass has anything to do: a cheap look that writes nothing."""
        now = self._clock.now()

        def work(tx: Transaction) -> bool:
            return bool(tx.system.waiting(1)) or bool(tx.system.past_deadline(now, 1))

        return await self._store.read(work)

    def _start_next(self, tx: Transaction) -> FineTune | None:
        """Give a free slot to the run whose turn it is; None if there is no slot or nobody may."""
        tx.system.schedule_alone()
        if tx.system.slots_used(self._node) >= self._slots:
            return None
        waiting, virtual = queues(tx)
        for queue in waiting:
            if queue.suspended:
                continue
            scope = tx.of(queue.tenant.id)
            if run := self._start_one(scope, queue.runs):
                cost, weight = run.resolved.worst_case_tokens, queue.tenant.share_weight
                scope.put_share(after_start(queue.share, virtual, cost, weight))
                return run
        return None

    def _start_one(self, scope: TenantScope, runs: Sequence[FineTune]) -> FineTune | None:
        """Start the first of the runs that the tenant's quota allows."""
        now = self._clock.now()
        for run in runs:
            if not self._admission.blocked(scope, run, now):
                current = scope.fine_tune(run.name.id)  # locked: it may be cancelled this moment
                if current.state is not State.QUEUED or current.spec.hold:
                    continue
                if self._admission.start(scope, current, self._node, self._slots, now):
                    return None  # another process was quicker
                attempt = current.attempt + 1
                begun = replace(
                    current, attempt=attempt, node=self._node, reports_read=0, stopping=""
                )
                moved, event = begun.told(
                    State.PREPARING, now=now, message=f"Preparing attempt {attempt}"
                )
                return scope.put_fine_tune(moved, [event])
        return None

    def _expire(self, tx: Transaction, run: FineTune, now: datetime) -> None:
        scope = tx.of(run.name.tenant)
        current = scope.fine_tune(run.name.id)
        if current.state is not State.QUEUED:
            return
        self._admission.end(scope, current, now, model=False)
        moved, event = current.told(
            State.EXPIRED,
            now=now,
            message="Fine-tune expired: it had not started by its deadline",
            reason="START_DEADLINE",
            level=Level.WARNING,
        )
        scope.put_fine_tune(moved, [event])

    def _explain(self, tx: Transaction) -> None:
        """Tell the first run of each queue what it waits for, where that has changed.

        The others wait for the first, whatever it waits for; `Explaining` says it of each.
        """
        now = self._clock.now()
        ahead = False
        for queue in queues(tx)[0]:
            blocked = self._admission.blocked(tx.of(queue.tenant.id), queue.runs[0], now)
            reason, message = _reason(queue, blocked, ahead)
            ahead = ahead or reason is WaitReason.WAITING_FOR_CAPACITY
            _tell(tx, queue.runs[0], reason, message, now)


def _reason(
    queue: Queue, blocked: Sequence[QuotaViolation], others_ahead: bool
) -> tuple[WaitReason, str]:
    if queue.suspended:
        reason = WaitReason.TENANT_SUSPENDED
    elif blocked:
        words = "; ".join(map(str, blocked))
        return WaitReason.WAITING_FOR_QUOTA, f"Waiting for quota: {words}"
    elif others_ahead:
        reason = WaitReason.WAITING_FOR_FAIR_SHARE
    else:
        reason = WaitReason.WAITING_FOR_CAPACITY
    return reason, _IN_WORDS[reason]


def _tell(tx: Transaction, run: FineTune, reason: WaitReason, message: str, now: datetime) -> None:
    scope = tx.of(run.name.tenant)
    try:
        current = scope.fine_tune(run.name.id)
    except NotFound:
        return
    unchanged = (current.wait_reason, current.message) == (reason, message)
    if current.state is not State.QUEUED or unchanged:
        return
    told = replace(current, wait_reason=reason, message=message, update_time=now)
    data = {"wait_reason": reason.value}
    scope.put_fine_tune(told, [Event(Kind.ADMISSION, now, message, data=data)])
