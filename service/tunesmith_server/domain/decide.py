"""What to do next about a run: a pure function of the row and of what its backend shows.

The dispatcher asks it on every look, whatever woke it, so a lost hint or a crash at any point costs
time and nothing else.
"""

from dataclasses import dataclass

from tunesmith_server.domain.fine_tune import Failure, FineTune, OnLimit
from tunesmith_server.domain.observation import Observation, Phase, StopMode
from tunesmith_server.domain.states import State

MAX_ATTEMPTS = 3
"""Starts of one run on its backend before a loss becomes a failure."""


@dataclass(frozen=True)
class Start:
    """Start the attempt on the backend: the intent (PREPARING) is recorded already."""


@dataclass(frozen=True)
class Stop:
    """Ask the attempt to stop in this way."""

    mode: StopMode


@dataclass(frozen=True)
class Begin:
    """The trainer is there: go to RUNNING."""


@dataclass(frozen=True)
class Finalize:
    """Training is over: go to FINALIZING."""


@dataclass(frozen=True)
class Publish:
    """Keep the artefact, make the model, go to SUCCEEDED or STOPPED_AT_LIMIT."""


@dataclass(frozen=True)
class Paused:
    """Nothing runs any more: go to PAUSED."""


@dataclass(frozen=True)
class Requeue:
    """The attempt was lost: wait for a slot again, to go on from the last checkpoint."""

    why: str


@dataclass(frozen=True)
class Fail:
    """Go to FAILED."""

    failure: Failure


@dataclass(frozen=True)
class Cancelled:
    """Nothing runs any more: go to CANCELLED."""


@dataclass(frozen=True)
class Look:
    """Nothing to do now; look again later."""


Action = Start | Stop | Begin | Finalize | Publish | Paused | Requeue | Fail | Cancelled | Look


def decide(run: FineTune, seen: Observation) -> Action:
    """The next step of a run under way, given what its backend shows of its present attempt.

    Runs that wait are the scheduler's; for those, and for runs that have ended, there is nothing to
    do but to look.
    """
    match run.state:
        case State.PREPARING:
            return Start() if seen.phase is Phase.ABSENT else _under_way(run, seen)
        case State.RUNNING:
            if seen.phase is Phase.ABSENT:
                return _lost(run, "its run directory is gone")
            return _under_way(run, seen)
        case State.FINALIZING:
            return Publish()
        case State.PAUSING:
            return _pausing(run, seen)
        case State.CANCELLING:
            gone = seen.ended or seen.phase is Phase.ABSENT
            return Cancelled() if gone else Stop(StopMode.CANCEL)
        case _:
            return Look()


def _under_way(run: FineTune, seen: Observation) -> Action:
    match seen.phase:
        case Phase.STARTING | Phase.RUNNING if run.stopping:
            return Stop(StopMode.FINISH)
        case Phase.STARTING:
            return Look()
        case Phase.RUNNING:
            return Begin() if run.state is State.PREPARING else Look()
        case Phase.SUCCEEDED:
            return _finalize(run, seen)
        case Phase.FAILED:
            return Fail(Failure(seen.reason or "TRAINER_FAILED", seen.message, seen.advice))
        case Phase.STOPPED:
            return _lost(run, "the trainer was stopped from outside")
        case _:
            return _lost(run, seen.message or "the trainer ended without an outcome")


def _pausing(run: FineTune, seen: Observation) -> Action:
    match seen.phase:
        case Phase.SUCCEEDED:  # it came to its end before it could be stopped
            return _finalize(run, seen)
        case Phase.FAILED:
            return _under_way(run, seen)
        case Phase.STARTING | Phase.RUNNING:
            return Stop(StopMode.PAUSE)
        case _:  # stopped, never started, or lost: it goes on from its last checkpoint, if any
            return Paused()


def _finalize(run: FineTune, seen: Observation) -> Action:
    if not seen.stopped_at or run.spec.limits.on_limit is OnLimit.CHECKPOINT_AND_STOP:
        return Finalize()
    return Fail(
        Failure(
            "LIMIT_REACHED",
            f"a limit was reached ({seen.stopped_at}), and the spec says to fail then",
            "raise the limit, or let `on_limit` keep what was learnt",
        )
    )


def _lost(run: FineTune, why: str) -> Action:
    if run.attempt < MAX_ATTEMPTS:
        return Requeue(why)
    return Fail(
        Failure(
            "TRAINER_LOST",
            f"attempt {run.attempt} of {MAX_ATTEMPTS} ended without an outcome: {why}",
            "look at the trainer's log; a lack of memory is the usual cause",
        )
    )
