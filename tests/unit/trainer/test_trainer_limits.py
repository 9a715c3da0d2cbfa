from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith_trainer.limits import Boundary, StoppedAt, ending
from tunesmith_trainer.spec import Limits

counts = st.integers(min_value=1, max_value=10_000)


def taken(steps, limits):
    """How many of the steps, given as their tokens, are taken."""
    done = 0
    for number, tokens in enumerate(steps):
        if ending(limits, Boundary(tokens=done, next_tokens=tokens, seconds=0)):
            return number
        done += tokens
    return len(steps)


@given(st.lists(counts, max_size=40), counts)
def test_the_tokens_are_never_passed_and_missed_by_less_than_a_step(steps, most):
    number = taken(steps, Limits(max_trained_tokens=most))
    sums = [0, *accumulate(steps)]
    assert sums[number] <= most
    assert number == len(steps) or sums[number + 1] > most


@given(st.floats(min_value=0.001, max_value=1e6), st.floats(min_value=0, max_value=1e6))
def test_no_step_begins_once_the_time_is_over(most, seconds):
    found = ending(
        Limits(max_seconds=most), Boundary(tokens=10**9, next_tokens=10**9, seconds=seconds)
    )
    assert found == (StoppedAt.MAX_RUN_TIME if seconds >= most else None)


@pytest.mark.parametrize(
    ("limits", "finish", "expected"),
    [
        (Limits(), False, None),
        (Limits(), True, StoppedAt.FINISH_REQUESTED),
        (Limits(max_trained_tokens=150), True, StoppedAt.FINISH_REQUESTED),
        (Limits(max_trained_tokens=149), True, StoppedAt.MAX_TRAINED_TOKENS),
        (Limits(max_trained_tokens=149, max_seconds=1), True, StoppedAt.MAX_TRAINED_TOKENS),
        (Limits(max_seconds=7), True, StoppedAt.MAX_RUN_TIME),
    ],
)
def test_of_several_reasons_the_one_that_every_repetition_shares_comes_first(
    limits, finish, expected
):
    at = Boundary(tokens=100, next_tokens=50, seconds=7.5, finish_requested=finish)
    assert ending(limits, at) is expected
