"""Submitting a run, and saying beforehand what that would come to."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec
from tunesmith.dataset_rules import Finding

from tunesmith_server.app.admission import Admission, UsageRow, worst_case
from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.forecast import Forecast, forecast
from tunesmith_server.app.naming import suffix_for
from tunesmith_server.app.resolution import Resolution, resolution
from tunesmith_server.app.statistics import Statistics, leakage_of
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.errors import (
    AlreadyExists,
    DomainError,
    NotFound,
    PlanStale,
    QuotaExceeded,
    TenantSuspended,
)
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fine_tune import FineTune, Resolved, Spec, first_wait
from tunesmith_server.domain.integrations import IntegrationPolicy
from tunesmith_server.domain.names import FineTuneName, TenantName, checked_id, owned
from tunesmith_server.domain.quota import Dimension, cost_micros
from tunesmith_server.domain.states import State
from tunesmith_server.domain.tokens import Sealer
from tunesmith_server.ports import Clock, Hints, Store, TenantScope, Transaction


@dataclass(frozen=True)
class Wish:
    """A run that is, or might be, submitted."""

    parent: TenantName
    spec: Spec
    id: str = ""
    """The last segment of its name; empty for one of the server's choice."""
    display_name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What a run would be, cost and wait for, and everything that is in its way."""

    run: FineTune | None
    """As it would be recorded; None if the spec cannot be resolved."""
    faults: tuple[DomainError, ...]
    warnings: tuple[Finding, ...]
    """What is not in the way, but should be looked at before money is spent."""
    quota: tuple[UsageRow, ...]
    forecast: Forecast | None
    token: str
    """Binds a create to this plan; empty if something is in the way."""


class Submission:
    """The use cases that come before a run."""

    def __init__(
        self,
        store: Store,
        commands: Commands,
        admission: Admission,
        sealer: Sealer,
        hints: Hints,
        clock: Clock,
        new_uid: Callable[[], str],
        statistics: Statistics,
        *,
        node: str,
        slots: int,
        integrations: IntegrationPolicy,
    ) -> None:
        self._store = store
        self._commands = commands
        self._admission = admission
        self._sealer = sealer
        self._hints = hints
        self._clock = clock
        self._new_uid = new_uid
        self._statistics = statistics
        self._node = node
        self._slots = slots
        self._integrations = integrations

    async def create(self, call: Call, wish: Wish, *, plan_token: str = "") -> FineTune:
        """Record a run for the scheduler to start, within the tenant's quota and naming policy.

        With `plan_token` only if it would be just what was planned, else PlanStale.
        """
        tenant = owned(wish.parent.tenant, call.principal.tenant, str(wish.parent))
        uid, now = self._new_uid(), self._clock.now()
        name = _name(tenant, wish.id, uid)

        def make(tx: Transaction) -> FineTune:
            scope = tx.of(tenant)
            found = self._resolved(tx, scope, wish.spec, call.principal)
            spec = _named(scope, found, found.spec)
            run = _recorded(found.require(), spec, wish, name, uid, now, call.principal)
            if plan_token and plan_token != self._token(run):
                raise PlanStale(
                    "the datasets, the catalogue or the policy have changed since the plan, or it "
                    "was for another spec: plan again"
                )
            self._admission.admit(scope, run, now)
            return scope.add_fine_tune(run, _first_events(run, now))

        run = await self._commands.run(call, tenant, name, FineTune, make, brief=True)
        if not call.validate_only:
            self._hints.notify("queue")
        return run

    async def plan(self, principal: Principal, wish: Wish) -> Plan:
        """Everything that a create would come to, and all that is in its way.

        Writes nothing of a run. Waits a little for what is not known of its datasets yet.
        """
        tenant = owned(wish.parent.tenant, principal.tenant, str(wish.parent))
        await self._statistics.wait_for_plan(tenant, wish.spec)
        uid, now = self._new_uid(), self._clock.now()

        def rehearse(tx: Transaction) -> Plan:
            raise _Rehearsed(self._planned(tx, principal, wish, tenant, uid, now))

        try:
            return await self._store.write(rehearse)
        except _Rehearsed as rehearsed:
            return rehearsed.plan

    def _planned(
        self,
        tx: Transaction,
        principal: Principal,
        wish: Wish,
        tenant: str,
        uid: str,
        now: datetime,
    ) -> Plan:
        scope = tx.of(tenant)
        name = _name(tenant, wish.id, uid)
        found = self._resolved(tx, scope, wish.spec, principal)
        spec = _named(scope, found, found.spec)
        faults = list(found.faults)
        for each in scope.chain():
            if each.suspension:
                faults.append(TenantSuspended(f"tenants/{each.id}", each.suspension.reason))
        requested = {Dimension.FINE_TUNES_QUEUED: 1, Dimension.MODELS: 1}
        requested |= {Dimension.FINE_TUNES_CREATED_PER_DAY: 1}
        if found.resolved is None:
            quota = self._admission.usage(scope, now, requested=requested)
            if passed := self._admission.places(scope, uid, now):
                faults.append(QuotaExceeded(tenant, passed))
            return Plan(None, tuple(faults), (), tuple(quota), None, "")
        run = _recorded(found.resolved, spec, wish, name, uid, now, principal)
        if _is_taken(scope, name):
            faults.append(AlreadyExists(str(name)))
        requested |= {
            **worst_case(run),
            Dimension.TRAINED_TOKENS_PER_JOB: run.resolved.worst_case_tokens,
            Dimension.COST_PER_JOB: worst_case(run)[Dimension.COST_PER_MONTH],
        }
        quota = self._admission.usage(
            scope, now, requested=requested, base_model=run.resolved.base_model
        )
        if passed := self._admission.violations(scope, run, now):
            faults.append(QuotaExceeded(tenant, passed))
        seen = forecast(tx, scope, run, node=self._node, slots=self._slots, now=now)
        token = "" if faults else self._token(run)
        warnings = tuple(leakage_of(scope, run.resolved))
        return Plan(run, tuple(faults), warnings, tuple(quota), seen, token)

    def _resolved(
        self, tx: Transaction, scope: TenantScope, spec: Spec, principal: Principal
    ) -> Resolution:
        found = resolution(tx, scope, spec)
        found.faults += self._integrations.faults(
            scope.tenant().id, spec.integrations, by_platform=principal.tenant is None
        )
        return found

    def _token(self, run: FineTune) -> str:
        """Sealed over all that the plan says a run would be; the same again gives the same.

        But for the tokens: that they are counted meanwhile changes nothing of the run, and what it
        may use can only become less.
        """
        training = replace(run.resolved.training, tokens=None)
        resolved = replace(run.resolved, training=training, worst_case_tokens=0)
        content = msgspec.json.encode((run.spec, resolved), order="deterministic")
        digest = hashlib.sha256(content).hexdigest()
        return self._sealer.seal("plan", run.name.tenant, digest)


class _Rehearsed(Exception):  # not an error: it rolls the rehearsal back
    def __init__(self, plan: Plan) -> None:
        self.plan = plan


def _name(tenant: str, id: str, uid: str) -> FineTuneName:
    return FineTuneName(tenant, checked_id(id, "fine_tune_id") if id else f"ft-{uid[-12:]}")


def _named(scope: TenantScope, found: Resolution, spec: Spec) -> Spec:
    """The spec with its suffix as it will stand in the model's name; a fault where that fails."""
    base_model = found.resolved.base_model if found.resolved else ""
    try:
        suffix = suffix_for(scope, spec.suffix, base_model)
        return spec if suffix == spec.suffix else replace(spec, suffix=suffix)
    except DomainError as fault:
        found.faults.append(fault)
        return spec


def _is_taken(scope: TenantScope, name: FineTuneName) -> bool:
    try:
        scope.fine_tune(name.id)
    except NotFound:
        return False
    return True


def _recorded(
    resolved: Resolved,
    spec: Spec,
    wish: Wish,
    name: FineTuneName,
    uid: str,
    now: datetime,
    principal: Principal,
) -> FineTune:
    return FineTune(
        name=name,
        uid=uid,
        spec=spec,
        resolved=resolved,
        state=State.QUEUED,
        create_time=now,
        update_time=now,
        created_by=principal.id,
        display_name=wish.display_name,
        labels=dict(wish.labels),
        annotations=dict(wish.annotations),
        wait_reason=first_wait(spec),
    )


def _first_events(run: FineTune, now: datetime) -> list[Event]:
    """What the log of a run begins with: the old guide's texts among them."""
    cost = cost_micros(run.resolved.worst_case_tokens, run.resolved.price_micros_per_million)
    reserved = {dimension.value: amount for dimension, amount in worst_case(run).items()}
    return [
        Event(Kind.MESSAGE, now, f"Created fine-tune: {run.name.id}"),
        Event(Kind.ADMISSION, now, f"Fine-tune costs at most ${cost / 1e6:.2f}", data=reserved),
        Event(
            Kind.STATE_CHANGED,
            now,
            "Fine-tune enqueued",
            data={"from": State.VALIDATING.value, "to": State.QUEUED.value, "reason": ""},
        ),
    ]
