"""Fair queueing between tenants, simulated."""

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.domain.fair_share import (
    PRIORITY_STEP,
    Share,
    after_start,
    present,
    rank,
    turn,
)

from tests.unit.domain.builders import NOW


def served(order: list[tuple[str, ...]], weights: dict[str, int], cost: float = 100.0) -> list[str]:
    """Who is started in each round, given who waits in it."""
    shares: dict[str, Share] = {}
    started = []
    for waiting in order:
        now = present(shares.values())
        chosen = min(waiting, key=lambda t: (turn(shares.get(t, Share()), now), t))
        shares[chosen] = after_start(shares.get(chosen, Share()), now, cost, weights.get(chosen, 1))
        started.append(chosen)
    return started


def test_a_thousand_queued_runs_do_not_delay_anothers_first_by_more_than_one():
    started = served([("a",)] * 500 + [("a", "z")] * 10, {})
    assert "z" in started[500:502]


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 9), min_size=2), st.integers(1, 5))
def test_while_all_wait_each_gets_as_its_weight(weights: dict[str, int], rounds: int):
    total = sum(weights.values())
    started = Counter(served([tuple(weights)] * (total * rounds), weights))
    for tenant, weight in weights.items():
        assert abs(started[tenant] - weight * rounds) <= 1 + weight / min(weights.values())


@given(st.lists(st.sets(st.sampled_from("abcd"), min_size=1), min_size=30, max_size=60))
def test_nobody_who_waits_all_the_time_starves(order: list[set[str]]):
    always = [tuple(sorted(waiting | {"e"})) for waiting in order]
    started = served(always, {})
    for begin in range(0, len(started) - 10, 5):
        assert "e" in started[begin : begin + 10]


def test_one_that_was_idle_has_saved_nothing_up():
    started = served([("a",)] * 50 + [("a", "b")] * 20, {})
    assert 9 <= Counter(started[50:])["b"] <= 11


def test_a_priority_makes_a_run_older_by_a_bounded_time_so_that_it_overtakes_no_more_than_that():
    urgent = rank(NOW, 5)
    assert urgent < rank(NOW - timedelta(minutes=1), 0)
    assert urgent > rank(NOW - 6 * PRIORITY_STEP, 0)
