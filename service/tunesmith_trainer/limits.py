"""What ends training before its last step: pure arithmetic on what the next step would take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tunesmith_trainer.spec import Limits


class StoppedAt(StrEnum):
    """What ended training early and well, as `outcome.json` says it."""

    MAX_TRAINED_TOKENS = "MAX_TRAINED_TOKENS"
    MAX_RUN_TIME = "MAX_RUN_TIME"
    FINISH_REQUESTED = "FINISH_REQUESTED"


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where a run stands between two steps.

    `tokens` and `seconds` are those of all steps so far, in every attempt; `next_tokens` is what
    the next step would train on.
    """

    tokens: int
    next_tokens: int
    seconds: float
    finish_requested: bool = False


def ending(limits: Limits, at: Boundary) -> StoppedAt | None:
    """What forbids the next step, or None if it may be taken.

    The tokens come first, since they alone say the same in every repetition of a run.
    """
    most = limits.max_trained_tokens
    if most is not None and at.tokens + at.next_tokens > most:
        return StoppedAt.MAX_TRAINED_TOKENS
    if limits.max_seconds is not None and at.seconds >= limits.max_seconds:
        return StoppedAt.MAX_RUN_TIME
    return StoppedAt.FINISH_REQUESTED if at.finish_requested else None


def cause(stopped_at: StoppedAt, limits: Limits, at: Boundary) -> str:
    """The half-sentence that says why the next step is not taken."""
    match stopped_at:
        case StoppedAt.MAX_TRAINED_TOKENS:
            return (
                f"the next step needs {at.next_tokens} tokens, and {at.tokens} of"
                f" max_trained_tokens {limits.max_trained_tokens} are used"
            )
        case StoppedAt.MAX_RUN_TIME:
            return f"max_seconds {limits.max_seconds:g} is reached after {at.seconds:.1f} s"
        case StoppedAt.FINISH_REQUESTED:
            return "the run was asked to finish"


def nothing_learnt(stopped_at: StoppedAt, limits: Limits, at: Boundary) -> tuple[str, str]:
    """Message and advice for a run that is not even allowed its first step."""
    match stopped_at:
        case StoppedAt.MAX_TRAINED_TOKENS:
            return (
                f"The first step needs {at.next_tokens} tokens; limits.max_trained_tokens is"
                f" {limits.max_trained_tokens}.",
                f"Raise max_trained_tokens to {at.next_tokens} or more, or lower batch_size.",
            )
        case StoppedAt.MAX_RUN_TIME:
            return (
                f"limits.max_seconds {limits.max_seconds:g} was over before the first step.",
                "Raise max_seconds.",
            )
        case StoppedAt.FINISH_REQUESTED:
            return (
                "The run was asked to finish before its first step: nothing has been learnt.",
                "Start a new run, and let it take some steps.",
            )
