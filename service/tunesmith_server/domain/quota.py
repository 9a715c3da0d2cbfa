"""What a tenant may use: the dimensions, and the arithmetic of limit, used and reserved."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from tunesmith_server.domain.errors import QuotaViolation


class Dimension(StrEnum):
    """What is counted. The value is the name in the contract, in YAML and on the command line."""

    FINE_TUNES_RUNNING = "fine_tunes_running"
    FINE_TUNES_QUEUED = "fine_tunes_queued"
    TRAINED_TOKENS_PER_JOB = "trained_tokens_per_job"
    TRAINED_TOKENS_PER_MONTH = "trained_tokens_per_month"
    SLOTS = "slots"
    """Runs at once on one node: a limit of the machine, not of a tenant."""


TENANT_DIMENSIONS = frozenset(Dimension) - {Dimension.SLOTS}
"""What a tenant's limits may name."""

Limits = Mapping[Dimension, int | None]
"""Limit by dimension. Absent means inherited, or unlimited at the top; None is unlimited."""


@dataclass(frozen=True)
class Hold:
    """An amount taken from one counter: `scope` is `tenant:{id}` or `node:{id}`."""

    scope: str
    dimension: Dimension
    period: str
    amount: int


def tenant_scope(tenant: str) -> str:
    """The counter scope of a tenant."""
    return f"tenant:{tenant}"


def node_scope(node: str) -> str:
    """The counter scope of a machine that trains."""
    return f"node:{node}"


def period(dimension: Dimension, at: datetime) -> str:
    """The window that an amount of `dimension` counts in, in UTC: `2026-11`, or empty for none."""
    if dimension is Dimension.TRAINED_TOKENS_PER_MONTH:
        return at.astimezone(UTC).strftime("%Y-%m")
    return ""


def job_violations(limits: Limits, worst_case_tokens: int) -> list[QuotaViolation]:
    """The per-job limits that a run of at most `worst_case_tokens` would pass."""
    limit = limits.get(Dimension.TRAINED_TOKENS_PER_JOB)
    if limit is None or worst_case_tokens <= limit:
        return []
    return [QuotaViolation(Dimension.TRAINED_TOKENS_PER_JOB, 0, worst_case_tokens, limit)]
