"""Why a run waits, or why it failed: in words, and in the numbers behind them."""

from dataclasses import dataclass
from datetime import datetime

from tunesmith_server.app.admission import Admission, UsageRow
from tunesmith_server.app.forecast import forecast
from tunesmith_server.app.scope import scope_of
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fine_tune import TENANT_SUSPENDED, FineTune
from tunesmith_server.domain.names import FineTuneName, owned
from tunesmith_server.domain.quota import Dimension
from tunesmith_server.domain.states import State, WaitReason
from tunesmith_server.ports import Clock, Store, TenantScope, Transaction

_NEXT = {
    WaitReason.TENANT_SUSPENDED: "A platform administrator resumes the tenant.",
    WaitReason.WAITING_FOR_QUOTA: "One of the tenant's runs ends, or its limit is raised.",
    WaitReason.WAITING_FOR_FAIR_SHARE: "Tenants that had less than their share get a slot first.",
    WaitReason.WAITING_FOR_CAPACITY: "A run that holds a slot ends; then it is this one's turn.",
    WaitReason.WAITING_FOR_UPSTREAM_SLOT: "The upstream has a free place.",
    WaitReason.HELD: "The hold is taken back: `tunesmith fine-tunes update NAME --no-hold`.",
}
_EVENTS = 1000


@dataclass(frozen=True)
class Explanation:
    """What is to be said of a run."""

    summary: str
    next_step: str
    wait_reason: WaitReason | None = None
    position: int = 0
    """The place in the queue, from 1; 0 if it does not queue."""
    quota: tuple[UsageRow, ...] = ()
    start: datetime | None = None
    reason: str = ""
    advice: str = ""
    attempts: tuple[str, ...] = ()


class Explaining:
    """The use case of asking why."""

    def __init__(
        self, store: Store, admission: Admission, clock: Clock, *, node: str, slots: int
    ) -> None:
        self._store = store
        self._admission = admission
        self._clock = clock
        self._node = node
        self._slots = slots

    async def explain(self, principal: Principal, name: FineTuneName) -> Explanation:
        """Why the run is where it is, and what has to happen next; NotFound."""
        tenant = owned(name.tenant, principal.tenant, str(name))

        def work(tx: Transaction) -> Explanation:
            scope = scope_of(tx, tenant, name)
            run = scope.fine_tune(name.id)
            attempts = _attempts(scope, run)
            if run.state is State.QUEUED:
                return self._waiting(tx, scope, run, attempts)
            return _other(run, attempts)

        return await self._store.read(work)

    def _waiting(
        self, tx: Transaction, scope: TenantScope, run: FineTune, attempts: tuple[str, ...]
    ) -> Explanation:
        now = self._clock.now()
        seen = forecast(tx, scope, run, node=self._node, slots=self._slots, now=now)
        reason = self._reason(scope, run, now)
        base = run.resolved.base_model
        quota = self._admission.usage(
            scope, now, requested={Dimension.FINE_TUNES_RUNNING: 1}, base_model=base
        )
        summary = {
            WaitReason.HELD: "It is held.",
            WaitReason.TENANT_SUSPENDED: "The tenant is suspended.",
            WaitReason.WAITING_FOR_QUOTA: "The tenant trains as many runs at once as it may: "
            + "; ".join(map(str, self._admission.blocked(scope, run, now))),
        }.get(reason)
        if summary is None:
            used = tx.system.slots_used(self._node)
            summary = (
                f"All {self._slots} training slots are taken ({used} in use); "
                f"it is number {seen.position} in the queue."
            )
            if used < self._slots:
                summary = f"It is number {seen.position} in the queue and starts in a moment."
        held = reason is WaitReason.HELD
        return Explanation(
            summary=summary,
            next_step=_NEXT[reason],
            wait_reason=reason,
            position=0 if held else seen.position,
            quota=tuple(quota),
            start=None if held else seen.start,
            attempts=attempts,
        )

    def _reason(self, scope: TenantScope, run: FineTune, now: datetime) -> WaitReason:
        """The first that applies now, whatever was told last."""
        if any(tenant.suspension for tenant in scope.chain()):
            return WaitReason.TENANT_SUSPENDED
        if self._admission.blocked(scope, run, now):
            return WaitReason.WAITING_FOR_QUOTA
        if run.spec.hold:
            return WaitReason.HELD
        # whose turn it is the scheduler has told; what else it told may have passed since
        if run.wait_reason is WaitReason.WAITING_FOR_FAIR_SHARE:
            return WaitReason.WAITING_FOR_FAIR_SHARE
        return WaitReason.WAITING_FOR_CAPACITY


def _other(run: FineTune, attempts: tuple[str, ...]) -> Explanation:
    """Of a run that does not wait."""
    match run.state:
        case State.FAILED if run.failure:
            return Explanation(
                summary=f"It failed: {run.failure.message}",
                next_step=run.failure.advice or "Mend the cause and submit it again.",
                reason=run.failure.reason,
                advice=run.failure.advice,
                attempts=attempts,
            )
        case State.PAUSED:
            by_suspension = run.stopping == TENANT_SUSPENDED
            return Explanation(
                summary="It is paused because its tenant was suspended."
                if by_suspension
                else "It is paused.",
                next_step="A platform administrator resumes the tenant."
                if by_suspension
                else "`tunesmith fine-tunes resume NAME` puts it back into the queue.",
                reason=run.stopping,
                attempts=attempts,
            )
        case State.STOPPED_AT_LIMIT:
            return Explanation(
                summary=f"A limit ended it before its last step: {run.stopped_at}. "
                "What it had learnt became its model.",
                next_step="Use the model, or raise the limit and continue from it.",
                reason=run.stopped_at,
                attempts=attempts,
            )
        case state if state.is_terminal:
            return Explanation(
                f"It has ended: {state}.", "Nothing has to happen.", attempts=attempts
            )
        case state:
            progress = run.progress
            return Explanation(
                summary=f"It is {state}: step {progress.step} of {progress.total_steps or '?'}.",
                next_step="Its training goes on by itself.",
                start=run.start_time,
                attempts=attempts,
            )


def _attempts(scope: TenantScope, run: FineTune) -> tuple[str, ...]:
    """What the starts of a run came to, from its log."""
    found: list[Event] = []
    after = 0
    while True:
        page = scope.events(run.uid, after=after, limit=_EVENTS, kinds=[Kind.STATE_CHANGED])
        found += page
        if len(page) < _EVENTS:
            break
        after = page[-1].sequence
    told = [event for event in found if event.data.get("to") == State.PREPARING]
    ends = [event for event in found if event.data.get("from") in _UNDER_WAY]
    lines = []
    for begin in told:
        end = next(
            (e for e in ends if e.attempt == begin.attempt and e.data["to"] not in _UNDER_WAY),
            None,
        )
        lines.append(f"attempt {begin.attempt}: {end.message if end else 'under way'}")
    return tuple(lines)


_UNDER_WAY = frozenset(state.value for state in State if state.holds_slot)
