"""What a tenant may use: the dimensions, whose limit bounds what, and the arithmetic of both.

A limit of a tenant bounds what it and every tenant below it use together, so whatever a tenant uses
counts for itself and for all above it. A tenant that says nothing about a dimension is bounded by
the tenants above; where none of them says anything, by the platform's default, each on its own. One
that is explicitly unlimited is bounded by nobody, though its use still counts above.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol

from tunesmith_server.domain.errors import FieldViolation, QuotaViolation


class Dimension(StrEnum):
    """What is counted. The value is the name in the contract, in YAML and on the command line."""

    FINE_TUNES_RUNNING = "fine_tunes_running"
    FINE_TUNES_QUEUED = "fine_tunes_queued"
    FINE_TUNES_CREATED_PER_DAY = "fine_tunes_created_per_day"
    TRAINED_TOKENS_PER_JOB = "trained_tokens_per_job"
    TRAINED_TOKENS_PER_MONTH = "trained_tokens_per_month"
    COST_PER_JOB = "cost_per_job"
    COST_PER_MONTH = "cost_per_month"
    DATASETS = "datasets"
    DATASET_BYTES = "dataset_bytes"
    MODELS = "models"
    CHECKPOINT_BYTES = "checkpoint_bytes"
    WATCHES = "watches"
    REQUESTS_PER_MINUTE = "requests_per_minute"
    INFERENCE_TOKENS_PER_MINUTE = "inference_tokens_per_minute"
    SLOTS = "slots"
    """Runs at once on one node: a limit of the machine, not of a tenant."""


class Window(IntEnum):
    """The stretch of time, in UTC, after which what was spent starts from nothing.

    The value is how much of an ISO date and time names it.
    """

    NONE = 0
    """Held, not spent: it comes back when it is given back."""
    MINUTE = len("2026-11-25T07:30")
    DAY = len("2026-11-25")
    MONTH = len("2026-11")


WINDOWS = {
    Dimension.FINE_TUNES_CREATED_PER_DAY: Window.DAY,
    Dimension.TRAINED_TOKENS_PER_MONTH: Window.MONTH,
    Dimension.COST_PER_MONTH: Window.MONTH,
    Dimension.REQUESTS_PER_MINUTE: Window.MINUTE,
    Dimension.INFERENCE_TOKENS_PER_MINUTE: Window.MINUTE,
}
TENANT_DIMENSIONS = frozenset(Dimension) - {Dimension.SLOTS}
"""What a tenant's limits may name."""
PER_JOB = frozenset({Dimension.TRAINED_TOKENS_PER_JOB, Dimension.COST_PER_JOB})
"""Bounds of a single run: nothing is counted."""
RATES = frozenset({Dimension.REQUESTS_PER_MINUTE, Dimension.INFERENCE_TOKENS_PER_MINUTE})
PER_BASE_MODEL = frozenset(
    d for d in TENANT_DIMENSIONS if d.startswith(("fine_tunes_", "trained_tokens_", "cost_"))
)
"""What may also be limited for one base model."""

Limits = Mapping[str, int | None]
"""Limit by key, see `limit_key`. Absent says nothing, None is explicitly unlimited."""

PLATFORM = "platform"
"""Where a limit comes from that no tenant set."""


def limit_key(dimension: str, base_model: str = "") -> str:
    """The key of a limit: the dimension, and the base model if it is for one alone."""
    return f"{dimension}@{base_model}" if base_model else str(dimension)


def parse_limit_key(key: str) -> tuple[Dimension, str]:
    """The dimension and the base model of a key that was checked before."""
    dimension, _, base_model = key.partition("@")
    return Dimension(dimension), base_model


class Limited(Protocol):
    """What this module needs to know of a tenant."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def limits(self) -> Limits:
        """What it says itself."""
        ...


@dataclass(frozen=True)
class Hold:
    """An amount taken from one counter: `scope` is a `tenant_scope` or a `node_scope`."""

    scope: str
    dimension: Dimension
    period: str
    amount: int


class Ask(NamedTuple):
    """A hold that is wanted, within a limit. None is no limit: it is counted all the same."""

    hold: Hold
    limit: int | None = None


@dataclass(frozen=True)
class LedgerEntry:
    """One line of the bill. The sums of both changes over a counter are the counter."""

    time: datetime
    tenant: str
    """Id of the tenant whose use it is: that of `scope`, or one below it."""
    scope: str
    subject: str
    """Uid of the run, dataset or model that it is about."""
    dimension: Dimension
    period: str
    kind: str
    """`reserve`, `settle` or `release`."""
    amount: int
    used_change: int
    reserved_change: int


class Bound(NamedTuple):
    """One limit that applies: to what scope, and who set it (`tenants/{id}` or PLATFORM)."""

    scope: str
    limit: int | None
    source: str


def tenant_scope(tenant: str, base_model: str = "") -> str:
    """The counter scope of a tenant, or of a tenant's use of one base model."""
    return f"tenant:{tenant}@{base_model}" if base_model else f"tenant:{tenant}"


def node_scope(node: str) -> str:
    """The counter scope of a machine that trains."""
    return f"node:{node}"


def scope_parts(scope: str) -> tuple[str, str]:
    """The tenant and the base model of a `tenant_scope`."""
    tenant, _, base_model = scope.removeprefix("tenant:").partition("@")
    return tenant, base_model


def shown_scope(scope: str) -> str:
    """A counter's scope for people: `tenants/acme`, `tenants/acme for ada`, `the machine x`."""
    if scope.startswith("node:"):
        return f"the machine {scope.removeprefix('node:')}"
    tenant, base_model = scope_parts(scope)
    return f"tenants/{tenant} for {base_model}" if base_model else f"tenants/{tenant}"


def period(dimension: Dimension, at: datetime) -> str:
    """The window that an amount counts in, such as `2026-11`; empty for what is held."""
    window = WINDOWS.get(dimension)
    return at.astimezone(UTC).isoformat()[:window] if window else ""


def reset_time(dimension: Dimension, at: datetime) -> datetime | None:
    """When the window ends that `at` is in; None for what is held."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match WINDOWS.get(dimension):
        case Window.MINUTE:
            return at.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        case Window.DAY:
            return day + timedelta(days=1)
        case Window.MONTH:
            return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        case _:
            return None


def bounds(
    chain: Sequence[Limited], defaults: Limits, dimension: Dimension, base_model: str = ""
) -> list[Bound]:
    """The limits on a dimension that apply to `chain[0]`; the chain goes from it to its root.

    For all base models together, or for `base_model` alone. What counts without a limit is there
    with None; a limit for one base model that nobody set is not there at all.
    """
    key = limit_key(dimension, base_model)
    saying = [tenant for tenant in chain if key in tenant.limits]
    if base_model and not saying:
        return []
    found: list[Bound] = []
    lifted = False
    for tenant in saying if base_model else chain:
        limit, source = tenant.limits.get(key), f"tenants/{tenant.id}"
        if not saying and not found:
            limit, source = defaults.get(key), PLATFORM
        lifted = lifted or (limit is None and key in tenant.limits)
        found.append(Bound(tenant_scope(tenant.id, base_model), None if lifted else limit, source))
    return found


def asks(
    chain: Sequence[Limited],
    defaults: Limits,
    amounts: Mapping[Dimension, int],
    at: datetime,
    base_model: str = "",
) -> list[Ask]:
    """What has to be held so that `chain[0]` may use these amounts with a base model."""
    moment = at.astimezone(UTC).isoformat()
    return [
        Ask(Hold(bound.scope, dimension, moment[: WINDOWS.get(dimension, 0)], amount), bound.limit)
        for dimension, amount in amounts.items()
        for base in _bases(chain, base_model)
        for bound in bounds(chain, defaults, dimension, base)
    ]


def job_violations(
    chain: Sequence[Limited],
    defaults: Limits,
    worst_case: Mapping[Dimension, int],
    base_model: str,
) -> list[QuotaViolation]:
    """The per-job limits that a run of at most `worst_case` would pass."""
    return [
        QuotaViolation(dimension, 0, amount, bound.limit, bound.source)
        for dimension, amount in worst_case.items()
        for base in _bases(chain, base_model)
        for bound in bounds(chain, defaults, dimension, base)
        if bound.limit is not None and amount > bound.limit
    ]


def _bases(chain: Sequence[Limited], base_model: str) -> tuple[str, ...]:
    """All bases together, and the one, where somebody limits that at all: few do."""
    limited = base_model and any(key.endswith(f"@{base_model}") for t in chain for key in t.limits)
    return ("", base_model) if limited else ("",)


def limit_violations(limits: Limits, field: str = "tenant.limits") -> Iterator[FieldViolation]:
    """What is wrong with limits that somebody wants to set."""
    for key, limit in limits.items():
        name, at, base_model = key.partition("@")
        if name not in TENANT_DIMENSIONS:
            known = ", ".join(sorted(TENANT_DIMENSIONS))
            yield FieldViolation(field, f"{name!r} is no dimension; known: {known}")
        elif at and not base_model:
            yield FieldViolation(field, f"{key!r} names no base model after the @")
        elif base_model and name not in PER_BASE_MODEL:
            known = ", ".join(sorted(PER_BASE_MODEL))
            yield FieldViolation(
                field, f"{name} cannot be limited for one base model; these can: {known}"
            )
        elif limit is not None and limit < 0:
            yield FieldViolation(field, f"{key} is {limit}; it cannot be negative")


def cost_micros(tokens: int, price_micros_per_million: int) -> int:
    """What training on `tokens` costs, in millionths of the currency, rounded up."""
    return -(-tokens * price_micros_per_million // 1_000_000)
