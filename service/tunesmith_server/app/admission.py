"""Reserve, settle, release: the one place where runs and quota meet.

A run holds what it takes from the moment it is admitted. Waiting, it holds a place in the queue, a
place among the tenant's models and its worst case of trained tokens and cost; under way, a running
slot of its tenant and of its node; paused, neither. At the end tokens and cost settle to what was
really trained, and everything else is given back, but for the model's place if there is a model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tunesmith_server.domain.dataset import Dataset
from tunesmith_server.domain.errors import QuotaExceeded, QuotaViolation
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import KeptCheckpoint, Model
from tunesmith_server.domain.quota import (
    PER_JOB,
    Ask,
    Bound,
    Dimension,
    Hold,
    Limits,
    asks,
    bounds,
    cost_micros,
    job_violations,
    limit_key,
    node_scope,
    parse_limit_key,
    period,
    reset_time,
    shown_scope,
    tenant_scope,
)
from tunesmith_server.domain.upload import KeptUpload, UploadPart
from tunesmith_server.ports import TenantScope, Usage

_CREATED = {Dimension.FINE_TUNES_CREATED_PER_DAY: 1}
_QUEUED = {Dimension.FINE_TUNES_QUEUED: 1}
_RUNNING = {Dimension.FINE_TUNES_RUNNING: 1}
_WAITING = (Dimension.FINE_TUNES_QUEUED,)
_PLACES = (Dimension.FINE_TUNES_QUEUED, Dimension.MODELS)
_UNDER_WAY = (Dimension.FINE_TUNES_RUNNING, Dimension.SLOTS)
_BUDGETS = (Dimension.TRAINED_TOKENS_PER_MONTH, Dimension.COST_PER_MONTH)


@dataclass(frozen=True)
class UsageRow:
    """One dimension of a tenant's quota, as the limit sees it that has the least room."""

    dimension: Dimension
    base_model: str
    limit: int | None
    used: int
    reserved: int
    source: str
    """Whose limit it is: `tenants/{id}` or `platform`; empty if unlimited."""
    reset_time: datetime | None = None
    requested: int = 0

    @property
    def remaining(self) -> int | None:
        """What is left; None if unlimited."""
        return None if self.limit is None else max(0, self.limit - self.used - self.reserved)

    @property
    def fits(self) -> bool:
        """Whether what is requested is within the limit."""
        return self.remaining is None or self.requested <= self.remaining


class Admission:
    """Admits runs within their tenants' limits and their node's slots."""

    def __init__(self, default_limits: Limits) -> None:
        self.defaults = default_limits

    def violations(self, scope: TenantScope, run: FineTune, now: datetime) -> list[QuotaViolation]:
        """Reserve what a new run holds while it waits; if that is too much, all that is in the way.

        The caller must raise, or otherwise roll the transaction back, on any violation.
        """
        found = self._per_job(scope, run)
        held = dict.fromkeys(_PLACES, 1)
        held |= {dimension: amount for dimension, amount in worst_case(run).items() if amount}
        wanted = self._asks(scope, run, held, now)
        spent = self._asks(scope, run, _CREATED, now)
        return [*found, *scope.reserve(run.uid, wanted, now, spend=spent)]

    def places(self, scope: TenantScope, uid: str, now: datetime) -> list[QuotaViolation]:
        """As `violations`, for a run of which nothing but its uid is known."""
        chain = scope.chain()
        wanted = asks(chain, self.defaults, dict.fromkeys(_PLACES, 1), now)
        spent = asks(chain, self.defaults, _CREATED, now)
        return list(scope.reserve(uid, wanted, now, spend=spent))

    def admit(self, scope: TenantScope, run: FineTune, now: datetime) -> None:
        """Reserve what a new run holds while it waits, or QuotaExceeded with every violation."""
        _refuse(run, self.violations(scope, run, now))

    def rejoin(self, scope: TenantScope, run: FineTune, now: datetime) -> None:
        """A place in the queue for a run that was paused, or QuotaExceeded."""
        _refuse(run, scope.reserve(run.uid, self._queued(scope, run, now), now))

    def again(self, scope: TenantScope, run: FineTune, now: datetime) -> None:
        """Reserve the budgets anew, per-job limits included, for a run that does not train.

        Or QuotaExceeded.

        The caller's transaction is rolled back by the error, so that nothing is lost then.
        """
        scope.release(run.uid, _BUDGETS, now)
        amounts = {dimension: amount for dimension, amount in worst_case(run).items() if amount}
        wanted = self._asks(scope, run, amounts, now)
        _refuse(run, [*self._per_job(scope, run), *scope.reserve(run.uid, wanted, now)])

    def start(
        self, scope: TenantScope, run: FineTune, node: str, slots: int, now: datetime
    ) -> Sequence[QuotaViolation]:
        """Exchange the place in the queue for a running slot; nothing changes on a violation."""
        slot = Ask(Hold(node_scope(node), Dimension.SLOTS, "", 1), slots)
        wanted = [slot, *self._asks(scope, run, _RUNNING, now)]
        found = scope.reserve(run.uid, wanted, now)
        if not found:
            scope.release(run.uid, _WAITING, now)
        return found

    def blocked(self, scope: TenantScope, run: FineTune, now: datetime) -> Sequence[QuotaViolation]:
        """The running limits that are in the way of a waiting run: a look, nothing is taken."""
        found = []
        for ask in self._asks(scope, run, _RUNNING, now):
            if ask.limit is None:
                continue
            hold = ask.hold
            taken = scope.usage([(hold.scope, hold.dimension, hold.period)])
            used = sum(usage.used + usage.reserved for usage in taken.values())
            if used + hold.amount > ask.limit:
                whose = shown_scope(hold.scope)
                found.append(QuotaViolation(hold.dimension, used, 1, ask.limit, whose))
        return found

    def requeue(self, scope: TenantScope, run: FineTune, now: datetime) -> None:
        """Exchange the running slot for a place in the queue: never refused, it was admitted."""
        scope.release(run.uid, _UNDER_WAY, now)
        scope.reserve(run.uid, [Ask(ask.hold) for ask in self._queued(scope, run, now)], now)

    def pause(self, scope: TenantScope, run: FineTune, now: datetime) -> None:
        """Give the running slot, or the place in the queue, back; the budget stays reserved."""
        scope.release(run.uid, (*_WAITING, *_UNDER_WAY), now)

    def end(self, scope: TenantScope, run: FineTune, now: datetime, *, model: bool) -> None:
        """Settle what was trained and give everything else back. Harmless when done before."""
        tokens = run.progress.trained_tokens
        cost = cost_micros(tokens, run.resolved.price_micros_per_million)
        scope.settle(run.uid, dict(zip(_BUDGETS, (tokens, cost), strict=True)), now)
        kept = () if model else (Dimension.MODELS,)
        scope.release(run.uid, (*_WAITING, *_UNDER_WAY, Dimension.CHECKPOINT_BYTES, *kept), now)

    def keep_with_model(
        self, scope: TenantScope, model: Model, now: datetime
    ) -> tuple[KeptCheckpoint, ...]:
        """Hold what the checkpoints of a model take, of the newest as many as the limit allows.

        Those it holds, oldest first. To be asked after `end`, which gives back what the run held.
        """
        dimension = Dimension.CHECKPOINT_BYTES
        for first in range(len(model.checkpoints)):
            kept = model.checkpoints[first:]
            size = sum(each.size_bytes for each in kept)
            wanted = asks(scope.chain(), self.defaults, {dimension: size}, now)
            if not scope.reserve(model.uid, wanted, now):
                return kept
        return ()

    def model_deleted(self, scope: TenantScope, uid: str, now: datetime) -> None:
        """Give back the place of a model, and what its checkpoints take."""
        scope.release(uid, (Dimension.MODELS, Dimension.CHECKPOINT_BYTES), now)

    def keep_dataset(self, scope: TenantScope, dataset: Dataset, now: datetime) -> None:
        """Hold what a version of a dataset takes, or QuotaExceeded.

        The first version of a name also takes a place among the datasets.
        """
        version = _version_key(dataset, dataset.version)
        wanted = [
            (version, Dimension.DATASET_BYTES, dataset.size_bytes),
            (dataset.uid, Dimension.DATASETS, 1),
        ]
        found: list[QuotaViolation] = []
        for subject, dimension, amount in wanted:
            asked = asks(scope.chain(), self.defaults, {dimension: amount}, now)
            found += scope.reserve(subject, asked, now)
        if found:
            raise QuotaExceeded(dataset.name.tenant, found)

    def dataset_deleted(self, scope: TenantScope, dataset: Dataset, now: datetime) -> None:
        """Give back what a dataset and its versions take."""
        for version in range(1, dataset.version + 1):
            scope.release(_version_key(dataset, version), (Dimension.DATASET_BYTES,), now)
        scope.release(dataset.uid, (Dimension.DATASETS,), now)

    def keep_upload(self, scope: TenantScope, upload: KeptUpload, now: datetime) -> None:
        """Hold what an upload that broke off takes until it goes on, or QuotaExceeded."""
        dimension, size = Dimension.DATASET_BYTES, upload.kept_bytes
        asked = asks(scope.chain(), self.defaults, {dimension: size}, now)
        if found := scope.reserve(upload.uid, asked, now):
            raise QuotaExceeded(upload.tenant, found)

    def keep_part(self, scope: TenantScope, part: UploadPart, now: datetime) -> None:
        """Hold what a part of an upload takes, or QuotaExceeded."""
        asked = asks(scope.chain(), self.defaults, {Dimension.DATASET_BYTES: part.size_bytes}, now)
        if found := scope.reserve(part.uid, asked, now):
            raise QuotaExceeded(part.tenant, found)

    def parts_gone(self, scope: TenantScope, parts: Sequence[UploadPart], now: datetime) -> None:
        """Give back what parts hold: they are a version, or are thrown away."""
        for part in parts:
            scope.release(part.uid, (Dimension.DATASET_BYTES,), now)

    def upload_gone(self, scope: TenantScope, upload: KeptUpload, now: datetime) -> None:
        """Give back what an upload holds: it goes on, is a version, or is thrown away."""
        scope.release(upload.uid, (Dimension.DATASET_BYTES,), now)

    def room_for_bytes(self, scope: TenantScope, now: datetime) -> UsageRow:
        """How many bytes of datasets the tenant may still keep: see `remaining`."""
        return self._row(scope, Dimension.DATASET_BYTES, "", now, 0)

    def keep_checkpoints(
        self, scope: TenantScope, run: FineTune, now: datetime
    ) -> QuotaViolation | None:
        """Hold what a run's checkpoints take, which are there already; the limit passed by that."""
        size, dimension = run.checkpoint_bytes, Dimension.CHECKPOINT_BYTES
        scope.release(run.uid, (dimension,), now)
        wanted = asks(scope.chain(), self.defaults, {dimension: size}, now)
        scope.reserve(run.uid, [Ask(ask.hold) for ask in wanted], now)
        for bound in bounds(scope.chain(), self.defaults, dimension):
            taken = _counter(scope, bound, dimension, "").reserved
            if bound.limit is not None and taken > bound.limit:
                return QuotaViolation(dimension, taken - size, size, bound.limit, bound.source)
        return None

    def recount(
        self,
        scope: TenantScope,
        run: FineTune,
        dimension: Dimension,
        counted_in: str,
        limited: str,
        now: datetime,
    ) -> None:
        """Count what `run` holds of a dimension for the limit of its base that `limited` has now.

        `counted_in` is the counter of the run's own tenant, where the hold is known from.
        """
        for hold in scope.held(run.uid):
            if hold.dimension is dimension and hold.scope == counted_in:
                by_base = replace(hold, scope=tenant_scope(limited, run.resolved.base_model))
                scope.reserve(run.uid, [Ask(by_base)], now)

    def spent_budget(
        self, scope: TenantScope, run: FineTune, now: datetime
    ) -> QuotaViolation | None:
        """The monthly limit that the tenant's training has come to by now, if one has.

        Runs reserve their worst case, so this happens only to a limit that was lowered since. What
        counts is what was settled, and what the runs that still hold of the same counter, those of
        other tenants of the family among them, have really trained.
        """
        base = run.resolved.base_model
        for dimension in _BUDGETS:
            window = period(dimension, now)
            for bound in self._bounds(scope, dimension, base):
                if bound.limit is None:
                    continue
                taken = _counter(scope, bound, dimension, window)
                if taken.used + taken.reserved <= bound.limit:
                    continue
                trained = sum(
                    _amount(holder, dimension, holder.progress.trained_tokens)
                    for holder in scope.holders((bound.scope, dimension, window))
                )
                if taken.used + trained >= bound.limit:
                    return QuotaViolation(
                        dimension, taken.used + trained, 0, bound.limit, bound.source
                    )
        return None

    def usage(
        self,
        scope: TenantScope,
        now: datetime,
        *,
        requested: dict[Dimension, int] | None = None,
        base_model: str = "",
    ) -> list[UsageRow]:
        """Every dimension that is limited, in use or requested, for all bases and for each.

        With `base_model`, limits of other bases are left out.
        """
        chain = scope.chain()
        keys = {*self.defaults, *(key for tenant in chain for key in tenant.limits)}
        keys |= {limit_key(dimension) for dimension in (*Dimension, *(requested or ()))}
        rows = []
        for dimension, base in sorted(parse_limit_key(key) for key in keys):
            if dimension is Dimension.SLOTS or (base_model and base not in ("", base_model)):
                continue
            amount = (requested or {}).get(dimension, 0)
            row = self._row(scope, dimension, base, now, amount)
            if row.limit is not None or row.used or row.reserved or amount:
                rows.append(row)
        return rows

    def tightest(
        self, scope: TenantScope, dimension: Dimension, base_model: str, now: datetime
    ) -> UsageRow:
        """Of the limits for a base and for all bases, the one that has the least room."""
        rows = [self._row(scope, dimension, "", now, 0)]
        if any(limit_key(dimension, base_model) in tenant.limits for tenant in scope.chain()):
            rows.append(self._row(scope, dimension, base_model, now, 0))
        limited = [row for row in rows if row.remaining is not None]
        return min(limited, key=lambda row: row.remaining or 0) if limited else rows[-1]

    def _per_job(self, scope: TenantScope, run: FineTune) -> list[QuotaViolation]:
        worst = worst_case(run)
        jobs = {
            Dimension.TRAINED_TOKENS_PER_JOB: worst[Dimension.TRAINED_TOKENS_PER_MONTH],
            Dimension.COST_PER_JOB: worst[Dimension.COST_PER_MONTH],
        }
        return job_violations(scope.chain(), self.defaults, jobs, run.resolved.base_model)

    def _row(
        self, scope: TenantScope, dimension: Dimension, base: str, now: datetime, requested: int
    ) -> UsageRow:
        window = period(dimension, now)
        applying = bounds(scope.chain(), self.defaults, dimension, base)
        counters = [(bound.scope, dimension, window) for bound in applying]
        taken = scope.usage(counters) if dimension not in PER_JOB else {}
        if dimension is Dimension.WATCHES:
            open_now = scope.watches("", now)
            taken = {counter: Usage(open_now, 0) for counter in counters}
        rows = [
            UsageRow(
                dimension,
                base,
                bound.limit,
                taken[counter].used if counter in taken else 0,
                taken[counter].reserved if counter in taken else 0,
                bound.source if bound.limit is not None else "",
                reset_time(dimension, now),
                requested,
            )
            for bound, counter in zip(applying, counters, strict=True)
        ]
        limited = [row for row in rows if row.limit is not None]
        return min(limited, key=lambda row: row.remaining or 0) if limited else rows[0]

    def _asks(
        self, scope: TenantScope, run: FineTune, amounts: Mapping[Dimension, int], now: datetime
    ) -> list[Ask]:
        return asks(scope.chain(), self.defaults, amounts, now, run.resolved.base_model)

    def _queued(self, scope: TenantScope, run: FineTune, now: datetime) -> list[Ask]:
        return self._asks(scope, run, _QUEUED, now)

    def _bounds(self, scope: TenantScope, dimension: Dimension, base: str) -> list[Bound]:
        chain = scope.chain()
        return [
            *bounds(chain, self.defaults, dimension),
            *bounds(chain, self.defaults, dimension, base),
        ]


def _version_key(dataset: Dataset, version: int) -> str:
    return f"{dataset.uid}/{version}"


def worst_case(run: FineTune) -> dict[Dimension, int]:
    """What a run can use up of the monthly budgets at most."""
    tokens = run.resolved.worst_case_tokens
    return {dimension: _amount(run, dimension, tokens) for dimension in _BUDGETS}


def _amount(run: FineTune, dimension: Dimension, tokens: int) -> int:
    if dimension is Dimension.COST_PER_MONTH:
        return cost_micros(tokens, run.resolved.price_micros_per_million)
    return tokens


def _counter(scope: TenantScope, bound: Bound, dimension: Dimension, window: str) -> Usage:
    key = (bound.scope, dimension, window)
    return scope.usage([key]).get(key, Usage(0, 0))


def _refuse(run: FineTune, violations: Sequence[QuotaViolation]) -> None:
    if violations:
        raise QuotaExceeded(run.name.tenant, violations)
