from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.domain import decide as then
from tunesmith_server.domain.decide import MAX_ATTEMPTS, decide
from tunesmith_server.domain.observation import Observation, Phase
from tunesmith_server.domain.states import NEXT, State

from tests.unit.domain.builders import a_run

_LEADS_TO = {
    then.Admit: {State.PREPARING},
    then.Begin: {State.RUNNING},
    then.Finalize: {State.FINALIZING},
    then.Publish: {State.SUCCEEDED},
    then.Requeue: {State.QUEUED},
    then.Fail: {State.FAILED},
    then.Cancelled: {State.CANCELLED},
}


@given(st.sampled_from(State), st.sampled_from(Phase), st.integers(1, MAX_ATTEMPTS))
def test_whatever_is_seen_the_next_step_is_one_the_life_cycle_allows(
    state: State, phase: Phase, attempt: int
):
    if state is State.VALIDATING:
        return  # a run is recorded as queued: its dataset was validated when it was uploaded
    action = decide(a_run(state=state, attempt=attempt), Observation(phase))
    assert _LEADS_TO.get(type(action), set()) <= NEXT[state]


@given(st.sampled_from([s for s in State if s.is_terminal]), st.sampled_from(Phase))
def test_nothing_is_done_about_a_run_that_has_ended(state: State, phase: Phase):
    assert decide(a_run(state=state), Observation(phase)) == then.Look()


def test_a_lost_attempt_is_tried_again_until_the_attempts_are_used_up():
    lost = Observation(Phase.LOST, message="killed by signal 9")
    run = a_run(state=State.RUNNING, attempt=1)
    assert decide(run, lost) == then.Requeue("killed by signal 9")
    last = a_run(state=State.RUNNING, attempt=MAX_ATTEMPTS)
    action = decide(last, lost)
    assert isinstance(action, then.Fail)
    assert action.failure.reason == "TRAINER_LOST"


def test_a_failure_that_would_repeat_is_final_at_once():
    seen = Observation(Phase.FAILED, reason="DIVERGED", message="loss is NaN", advice="lower it")
    action = decide(a_run(state=State.RUNNING, attempt=1), seen)
    assert isinstance(action, then.Fail)
    assert (action.failure.reason, action.failure.advice) == ("DIVERGED", "lower it")


def test_an_intent_without_an_attempt_on_the_backend_is_carried_out():
    run = a_run(state=State.PREPARING, attempt=1)
    assert decide(run, Observation(Phase.ABSENT)) == then.Start()


def test_a_cancelled_run_is_stopped_until_nothing_runs():
    run = a_run(state=State.CANCELLING, attempt=1)
    assert decide(run, Observation(Phase.RUNNING)) == then.Stop()
    for phase in (Phase.STOPPED, Phase.LOST, Phase.SUCCEEDED, Phase.ABSENT):
        assert decide(run, Observation(phase)) == then.Cancelled()
