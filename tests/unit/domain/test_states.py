import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.domain.errors import PreconditionFailed
from tunesmith_server.domain.states import NEXT, State

from tests.unit.domain.builders import NOW, a_run


def test_every_state_has_a_row_and_leads_only_to_known_states():
    assert set(NEXT) == set(State)
    assert set().union(*NEXT.values()) <= set(State)


def test_the_terminal_states_are_those_of_the_design():
    assert {state for state in State if state.is_terminal} == {
        State.SUCCEEDED,
        State.FAILED,
        State.CANCELLED,
        State.EXPIRED,
        State.STOPPED_AT_LIMIT,
    }


@pytest.mark.parametrize("state", [state for state in State if not state.is_terminal])
def test_any_run_that_has_not_ended_can_be_cancelled_and_can_fail(state: State):
    assert State.FAILED in NEXT[state]
    assert {State.CANCELLING, State.CANCELLED} & NEXT[state]


def test_from_every_state_an_end_can_be_reached():
    ends = {state for state in State if state.is_terminal}
    while more := {s for s in State if s not in ends and NEXT[s] & ends}:
        ends |= more
    assert ends == set(State)


@given(st.sampled_from(State), st.sampled_from(State))
def test_a_run_moves_as_the_table_allows_and_not_otherwise(old: State, new: State):
    run = a_run(state=old)
    if new in NEXT[old]:
        moved, event = run.told(new, now=NOW, message="on")
        assert moved.state is new
        assert event.data["from"] == old
        assert event.ends_run == new.is_terminal
        assert (moved.end_time is not None) == new.is_terminal
    else:
        with pytest.raises(PreconditionFailed, match="cannot become"):
            run.told(new, now=NOW, message="on")


def test_a_run_that_starts_twice_keeps_its_first_start_time():
    first = a_run(state=State.PREPARING).at(State.RUNNING, now=NOW)
    again = first.at(State.QUEUED, now=NOW).at(State.PREPARING, now=NOW)
    assert again.at(State.RUNNING, now=NOW.replace(hour=13)).start_time == NOW
