"""What to do next about a run: a pure function of the row and of what its backend shows.

The dispatcher asks it on every look, whatever woke it, so a lost hint or a crash at any point costs
time and nothing else.
"""

from dataclasses import dataclass

from tunesmith_server.domain.fine_tune import Failure, FineTune
from tunesmith_server.domain.observation import Observation, Phase
from tunesmith_server.domain.states import State

MAX_ATTEMPTS = 3
"""Starts of one run on its backend before a loss becomes a failure."""


@dataclass(frozen=True)
class Admit:
    """Take a slot and go to PREPARING, or keep waiting."""


@dataclass(frozen=True)
class Start:
    """Start the attempt on the backend: the intent (PREPARING) is recorded already."""


@dataclass(frozen=True)
class Stop:
    """Ask the attempt to stop."""


@dataclass(frozen=True)
class Begin:
    """The trainer is there: go to RUNNING."""


@dataclass(frozen=True)
class Finalize:
    """Training is over: go to FINALIZING."""


@dataclass(frozen=True)
class Publish:
    """Keep the artefact, make the model, go to SUCCEEDED."""


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


Action = Admit | Start | Stop | Begin | Finalize | Publish | Requeue | Fail | Cancelled | Look


def decide(run: FineTune, seen: Observation) -> Action:
    """The next step of `run`. `seen` is ABSENT for a run that has no attempt yet."""
    match run.state:
        case State.QUEUED | State.VALIDATING:
            return Admit()
        case State.PREPARING:
            return Start() if seen.phase is Phase.ABSENT else _under_way(run, seen)
        case State.RUNNING:
            if seen.phase is Phase.ABSENT:
                return _lost(run, "its run directory is gone")
            return _under_way(run, seen)
        case State.FINALIZING:
            return Publish()
        case State.CANCELLING:
            return Cancelled() if seen.ended or seen.phase is Phase.ABSENT else Stop()
        case _:
            return Look()


def _under_way(run: FineTune, seen: Observation) -> Action:
    match seen.phase:
        case Phase.STARTING:
            return Look()
        case Phase.RUNNING:
            return Begin() if run.state is State.PREPARING else Look()
        case Phase.SUCCEEDED:
            return Finalize()
        case Phase.FAILED:
            return Fail(Failure(seen.reason or "TRAINER_FAILED", seen.message, seen.advice))
        case Phase.STOPPED:
            return _lost(run, "the trainer was stopped from outside")
        case _:
            return _lost(run, seen.message or "the trainer ended without an outcome")


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
