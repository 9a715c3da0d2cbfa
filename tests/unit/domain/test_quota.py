"""Whose limit bounds what."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.domain.quota import (
    PLATFORM,
    TENANT_DIMENSIONS,
    Dimension,
    Limits,
    bounds,
    cost_micros,
    job_violations,
    limit_violations,
    period,
    reset_time,
)

RUNNING = Dimension.FINE_TUNES_RUNNING
LATE = datetime(2026, 12, 31, 23, 59, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Node:
    id: str
    limits: Limits = field(default_factory=dict)


def shown(chain: list[Node], defaults: Limits = {}, base: str = "") -> list[tuple]:  # noqa: B006
    return [(b.scope, b.limit, b.source) for b in bounds(chain, defaults, RUNNING, base)]


def test_where_nobody_says_anything_the_platforms_default_bounds_each_on_its_own():
    chain = [Node("team"), Node("company")]
    assert shown(chain, {RUNNING: 3}) == [
        ("tenant:team", 3, PLATFORM),
        ("tenant:company", None, "tenants/company"),
    ]


def test_a_limit_above_bounds_all_below_it_together_and_ones_own_bounds_besides():
    assert shown([Node("team"), Node("company", {RUNNING: 5})], {RUNNING: 3}) == [
        ("tenant:team", None, "tenants/team"),
        ("tenant:company", 5, "tenants/company"),
    ]
    assert shown([Node("team", {RUNNING: 2}), Node("company", {RUNNING: 5})]) == [
        ("tenant:team", 2, "tenants/team"),
        ("tenant:company", 5, "tenants/company"),
    ]


def test_one_that_is_explicitly_unlimited_is_bounded_by_nobody_but_counts_above():
    chain = [Node("team", {RUNNING: None}), Node("company", {RUNNING: 5})]
    assert shown(chain, {RUNNING: 3}) == [
        ("tenant:team", None, "tenants/team"),
        ("tenant:company", None, "tenants/company"),
    ]


def test_a_limit_of_one_base_model_is_there_only_where_somebody_set_it():
    chain = [Node("team"), Node("company", {f"{RUNNING}@ada": 1})]
    assert shown(chain, {}, "ada") == [("tenant:company@ada", 1, "tenants/company")]
    assert shown(chain, {}, "curie") == []


@given(
    st.lists(st.one_of(st.just("absent"), st.none(), st.integers(0, 9)), min_size=1, max_size=5),
    st.one_of(st.none(), st.integers(0, 9)),
)
def test_every_level_counts_and_no_limit_applies_above_one_that_is_lifted(
    levels: list, default: int | None
):
    chain = [
        Node(str(place), {} if limit == "absent" else {RUNNING: limit})
        for place, limit in enumerate(levels)
    ]
    found = list(bounds(chain, {} if default is None else {RUNNING: default}, RUNNING))
    assert [b.scope for b in found] == [f"tenant:{n.id}" for n in chain]
    first_lifted = levels.index(None) if None in levels else len(levels)
    for place, bound in enumerate(found):
        if place >= first_lifted:
            assert bound.limit is None
        elif levels[place] != "absent":
            assert bound.limit == levels[place]


def test_per_job_limits_of_all_levels_and_of_the_base_are_looked_at():
    tokens = Dimension.TRAINED_TOKENS_PER_JOB
    chain = [Node("team", {f"{tokens}@ada": 10}), Node("company", {tokens: 20})]
    found = job_violations(chain, {}, {tokens: 30}, "ada")
    assert [(v.scope, v.limit) for v in found] == [("tenants/company", 20), ("tenants/team", 10)]
    assert not job_violations(chain, {}, {tokens: 20}, "curie")


@pytest.mark.parametrize(
    ("dimension", "window", "ends"),
    [
        (Dimension.REQUESTS_PER_MINUTE, "2026-12-31T23:59", datetime(2027, 1, 1, tzinfo=UTC)),
        (Dimension.FINE_TUNES_CREATED_PER_DAY, "2026-12-31", datetime(2027, 1, 1, tzinfo=UTC)),
        (Dimension.TRAINED_TOKENS_PER_MONTH, "2026-12", datetime(2027, 1, 1, tzinfo=UTC)),
        (Dimension.MODELS, "", None),
    ],
)
def test_windows_are_in_utc_and_end_where_the_next_begins(dimension, window, ends):
    assert period(dimension, LATE) == window
    assert reset_time(dimension, LATE) == ends
    if ends:
        assert period(dimension, ends) != window


@given(st.sampled_from(sorted(TENANT_DIMENSIONS)), st.datetimes(timezones=st.just(UTC)))
def test_a_window_ends_after_it_began(dimension, at):
    if at.year < 9999 and (ends := reset_time(dimension, at)):
        assert ends > at
        assert period(dimension, ends) != period(dimension, at)


def test_what_is_wrong_with_limits_is_told_all_at_once():
    wrong = {"trained_tokens": 1, "models": -1, "models@ada": 1, "fine_tunes_running@": 1}
    words = " | ".join(v.description for v in limit_violations(wrong))
    for word in ("'trained_tokens' is no", "models is -1", "one base model", "after the @"):
        assert word in words
    assert not list(limit_violations({f"{RUNNING}@ada": 0, "watches": None}))


def test_a_cost_is_rounded_up_to_the_millionth():
    assert cost_micros(1, 1) == 1
    assert cost_micros(2_000_000, 3_670_000) == 7_340_000
    assert cost_micros(0, 5) == 0
