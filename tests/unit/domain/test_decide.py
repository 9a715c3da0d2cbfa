from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.domain import decide as then
from tunesmith_server.domain.decide import MAX_ATTEMPTS, decide
from tunesmith_server.domain.fine_tune import OnLimit, RunLimits
from tunesmith_server.domain.observation import Observation, Phase, StopMode
from tunesmith_server.domain.states import NEXT, State

from tests.unit.domain.builders import a_run

_LEADS_TO = {
    then.Begin: {State.RUNNING},
    then.Finalize: {State.FINALIZING},
    then.Publish: {State.SUCCEEDED, State.STOPPED_AT_LIMIT},
    then.Paused: {State.PAUSED},
    then.Requeue: {State.QUEUED},
    then.Fail: {State.FAILED},
    then.Cancelled: {State.CANCELLED},
}


@given(
    st.sampled_from(State),
    st.sampled_from(Phase),
    st.integers(1, MAX_ATTEMPTS),
    st.sampled_from(["", "MAX_RUN_TIME"]),
    st.sampled_from(OnLimit),
    st.sampled_from(["", "BUDGET_REACHED"]),
)
def test_whatever_is_seen_the_next_step_is_one_the_life_cycle_allows(
    state: State, phase: Phase, attempt: int, stopped_at: str, on_limit: OnLimit, stopping: str
):
    spec = replace(a_run().spec, limits=RunLimits(on_limit=on_limit))
    run = a_run(state=state, attempt=attempt, spec=spec, stopping=stopping)
    action = decide(run, Observation(phase, stopped_at=stopped_at))
    assert _LEADS_TO.get(type(action), set()) <= NEXT[state]


@given(st.sampled_from([s for s in State if s.is_waiting]), st.sampled_from(Phase))
def test_a_run_that_waits_is_left_to_the_scheduler(state: State, phase: Phase):
    assert decide(a_run(state=state), Observation(phase)) == then.Look()


def test_a_run_whose_budget_is_spent_is_asked_to_finish_and_its_model_is_kept():
    run = a_run(state=State.RUNNING, attempt=1, stopping="BUDGET_REACHED")
    assert decide(run, Observation(Phase.RUNNING)) == then.Stop(StopMode.FINISH)
    done = Observation(Phase.SUCCEEDED, stopped_at="FINISH_REQUESTED")
    assert decide(run, done) == then.Finalize()


def test_a_run_that_is_to_fail_at_its_limit_fails_with_the_limit_as_the_reason():
    spec = replace(a_run().spec, limits=RunLimits(max_trained_tokens=1, on_limit=OnLimit.FAIL))
    run = a_run(state=State.RUNNING, attempt=1, spec=spec)
    action = decide(run, Observation(Phase.SUCCEEDED, stopped_at="MAX_TRAINED_TOKENS"))
    assert isinstance(action, then.Fail)
    assert action.failure.reason == "LIMIT_REACHED"
    assert decide(run, Observation(Phase.SUCCEEDED)) == then.Finalize()


def test_a_pausing_run_is_asked_until_nothing_runs_and_then_is_paused_even_if_it_was_lost():
    run = a_run(state=State.PAUSING, attempt=1, stopping="CALLER")
    for phase in (Phase.STARTING, Phase.RUNNING):
        assert decide(run, Observation(phase)) == then.Stop(StopMode.PAUSE)
    for phase in (Phase.STOPPED, Phase.LOST, Phase.ABSENT):
        assert decide(run, Observation(phase)) == then.Paused()
    assert decide(run, Observation(Phase.SUCCEEDED)) == then.Finalize()


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
    assert decide(run, Observation(Phase.RUNNING)) == then.Stop(StopMode.CANCEL)
    for phase in (Phase.STOPPED, Phase.LOST, Phase.SUCCEEDED, Phase.ABSENT):
        assert decide(run, Observation(phase)) == then.Cancelled()
