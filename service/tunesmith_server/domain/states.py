"""The life cycle of a fine-tune, as a table."""

from enum import StrEnum

from tunesmith_server.domain.errors import PreconditionFailed


class State(StrEnum):
    """Where in its life cycle a run is."""

    VALIDATING = "validating"
    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    FINALIZING = "finalizing"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    STOPPED_AT_LIMIT = "stopped_at_limit"

    @property
    def is_terminal(self) -> bool:
        """Whether a run in this state has ended for good."""
        return not NEXT[self]

    @property
    def is_waiting(self) -> bool:
        """Whether a run in this state waits for a slot."""
        return self in (State.VALIDATING, State.QUEUED)

    @property
    def holds_slot(self) -> bool:
        """Whether a run in this state takes up one of its backend's slots."""
        return self in _HOLDS_SLOT

    @property
    def may_pause(self) -> bool:
        """Whether a run in this state can be paused."""
        return State.PAUSING in NEXT[self] or State.PAUSED in NEXT[self]

    def require(self, other: "State", subject: str) -> None:
        """PreconditionFailed if the life cycle does not lead from here to `other` in one step."""
        if other not in NEXT[self]:
            raise PreconditionFailed(subject, f"it is {self} and cannot become {other}")


_END_EARLY = frozenset({State.CANCELLING, State.CANCELLED, State.FAILED})

NEXT: dict[State, frozenset[State]] = {
    State.VALIDATING: frozenset({State.QUEUED}) | _END_EARLY,
    State.QUEUED: frozenset({State.PREPARING, State.PAUSED, State.EXPIRED}) | _END_EARLY,
    State.PREPARING: frozenset({State.RUNNING, State.FINALIZING, State.PAUSING, State.QUEUED})
    | _END_EARLY,
    State.RUNNING: frozenset({State.FINALIZING, State.PAUSING, State.QUEUED}) | _END_EARLY,
    State.FINALIZING: frozenset({State.SUCCEEDED, State.STOPPED_AT_LIMIT}) | _END_EARLY,
    State.PAUSING: frozenset({State.PAUSED, State.FINALIZING}) | _END_EARLY,
    State.PAUSED: frozenset({State.QUEUED}) | _END_EARLY,
    State.CANCELLING: frozenset({State.CANCELLED, State.FAILED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.EXPIRED: frozenset(),
    State.STOPPED_AT_LIMIT: frozenset(),
}
"""State → the states that one step may lead to."""

_HOLDS_SLOT = frozenset(
    {State.PREPARING, State.RUNNING, State.FINALIZING, State.PAUSING, State.CANCELLING}
)


class WaitReason(StrEnum):
    """Why a queued run does not start, in the order in which they are looked for."""

    TENANT_SUSPENDED = "tenant_suspended"
    WAITING_FOR_QUOTA = "waiting_for_quota"
    WAITING_FOR_FAIR_SHARE = "waiting_for_fair_share"
    WAITING_FOR_CAPACITY = "waiting_for_capacity"
    WAITING_FOR_UPSTREAM_SLOT = "waiting_for_upstream_slot"
    HELD = "held"
