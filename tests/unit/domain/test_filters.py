"""Filters of lists: what they mean, and what is said of those that mean nothing."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.domain.errors import InvalidArgument
from tunesmith_server.domain.filter_parser import MAX_LENGTH, parse
from tunesmith_server.domain.filters import (
    Choice,
    Comparison,
    Filter,
    Labels,
    Moment,
    Operator,
    Text,
)
from tunesmith_server.domain.states import State

FIELDS = {
    "state": Choice.of(State, "FINE_TUNE_STATE_"),
    "labels": Labels(),
    "create_time": Moment(),
    "base_model": Text("baseModels/"),
}
TEN = datetime(2026, 11, 24, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "comparisons"),
    [
        ("", []),
        (" \n", []),
        ("state=running", [Comparison("state", Operator.EQ, "running")]),
        ('state != "FINE_TUNE_STATE_FAILED"', [Comparison("state", Operator.NE, "failed")]),
        ("state = STOPPED_AT_LIMIT", [Comparison("state", Operator.EQ, "stopped_at_limit")]),
        ("base_model = baseModels/ada", [Comparison("base_model", Operator.EQ, "ada")]),
        ("create_time >= 2026-11-24T10:00:00Z", [Comparison("create_time", Operator.GE, TEN)]),
        ("create_time<'2026-11-24t12:00:00+02:00'", [Comparison("create_time", Operator.LT, TEN)]),
        ("labels.a/b.c-d = x", [Comparison("labels", Operator.EQ, "x", "a/b.c-d")]),
        ('labels.team != ""', [Comparison("labels", Operator.NE, "", "team")]),
        (
            r'labels.team = "say \"hi\" \\"',
            [Comparison("labels", Operator.EQ, 'say "hi" \\', "team")],
        ),
        ("labels:team", [Comparison("labels", Operator.HAS, key="team")]),
        ("labels.team:*", [Comparison("labels", Operator.HAS, key="team")]),
        ('labels.team:"*"', [Comparison("labels", Operator.EQ, "*", "team")]),
        ("labels.team:x", [Comparison("labels", Operator.EQ, "x", "team")]),
        (
            'labels.a = "x AND y"\tAND\nstate = queued  AND labels.b = AND',
            [
                Comparison("labels", Operator.EQ, "x AND y", "a"),
                Comparison("state", Operator.EQ, "queued"),
                Comparison("labels", Operator.EQ, "AND", "b"),
            ],
        ),
    ],
)
def test_a_filter_is_read_as_it_is_meant(text: str, comparisons: list[Comparison]):
    assert parse(text, FIELDS) == Filter(tuple(comparisons))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "stat = x",
            "at character 1: there is no field 'stat'; did you mean state?; this list has",
        ),
        ("colour = x", "this list has: state, labels.KEY, create_time, base_model"),
        ("state = RUNING", "at character 9: state: 'RUNING' is not one of VALIDATING, QUEUED"),
        ("state = RUNING", "did you mean RUNNING?"),
        ("state > RUNNING", "at character 7: state cannot be compared by >; use =, !="),
        ("state == RUNNING", "at character 8: found '=', where a value should follow state ="),
        ("state", "at character 6: the filter ends, where one of =, != should follow state"),
        ("state = ", "at character 9: the filter ends, where a value should follow state ="),
        ("state RUNNING", "at character 7: found 'RUNNING', where one of =, !="),
        ("= RUNNING", "at character 1: found '=', where a field should be"),
        ("state = queued and state = x", "at character 16: found 'and'; write AND in capitals"),
        ("state = queued OR state = x", "at character 16: OR is not supported"),
        ("state = queued state = x", "at character 16: found 'state', where AND or the end"),
        ("state = queued AND ", "at character 20: nothing follows AND"),
        ("NOT state = queued", "at character 1: NOT is not supported; use !="),
        ("-state = queued", "negation and parentheses are not supported"),
        ("(state = queued)", "negation and parentheses are not supported"),
        ("state = queued)", "at character 15: found ')'"),
        ("labels = x", "at character 1: labels needs a key: labels.KEY = VALUE"),
        ("labels. = x", "at character 8: a label's key should follow the dot"),
        ("labels:-x", "at character 8: labels: '-x' cannot be a key"),
        ("labels.a > x", "labels.a cannot be compared by >; use =, !=, :"),
        ('labels.a = "x', 'at character 12: the " is never closed'),
        (r'labels.a = "x\n"', "at character 14: a backslash stands before"),
        ("labels.a = x\0", "at character 13: U+0000 cannot be in a filter"),
        ("labels.a = \ud800", "at character 12: U+D800 cannot be in a filter"),
        ("create_time > yesterday", "'yesterday' is no RFC 3339 time with a zone, such as 2026-"),
        ("create_time > 2026-11-24T10:00:00", "is no RFC 3339 time with a zone"),
        ("create_time > 2026-11-24T10:00:00.1234567Z", "is no RFC 3339 time with a zone"),
        ("create_time > 2026-02-30T10:00:00Z", "is no date and time that there is"),
        ("create_time > 0001-01-01T00:00:00+14:00", "is no date and time that there is"),
        ("state.x = y", "at character 6: found '.x = y'"),
        ("labels.a = " + "x" * MAX_LENGTH, f"a filter has at most {MAX_LENGTH} characters"),
    ],
)
def test_what_means_nothing_is_answered_with_where_it_is_and_what_is_allowed(text: str, said: str):
    with pytest.raises(InvalidArgument) as caught:
        parse(text, FIELDS)
    (violation,) = caught.value.violations
    assert violation.field == "filter"
    assert said in violation.description


def test_a_list_without_fields_says_that_it_cannot_be_filtered():
    with pytest.raises(InvalidArgument, match="this list cannot be filtered"):
        parse("state = queued", {})


keys = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9._/-]{0,20}[a-zA-Z0-9])?", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
moments = st.datetimes(
    min_value=datetime(2, 1, 1),
    max_value=datetime(9998, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-11, minutes=-30))]),
)
equality = st.sampled_from([Operator.EQ, Operator.NE])
orders = st.sampled_from([operator for operator in Operator if operator is not Operator.HAS])
comparisons = st.one_of(
    st.builds(Comparison, st.just("state"), equality, st.sampled_from([*map(str, State)])),
    st.builds(Comparison, st.just("labels"), equality, texts, keys),
    st.builds(Comparison, st.just("labels"), st.just(Operator.HAS), st.just(""), keys),
    st.builds(Comparison, st.just("create_time"), orders, moments),
)


@given(st.lists(comparisons, max_size=8).map(tuple).map(Filter))
def test_the_text_of_a_filter_is_read_as_that_filter(filter: Filter):
    assert parse(str(filter), FIELDS) == filter


odd = ["9999-99-99T99:99:99+99:99", "\0", "\u2028", "é", "٣", "\\", '"', "'", "-", "(", ")", "."]
plain = [*FIELDS, *Operator, "AND", "OR", "NOT", "*", " ", "\t", "RUNNING", "2026-11-24T10:00:00Z"]
pieces = st.sampled_from(plain + odd)


@given(st.one_of(st.text(), st.lists(pieces, max_size=40).map("".join)))
def test_whatever_comes_is_a_filter_or_an_error_on_the_field_filter(text: str):
    try:
        found = parse(text, FIELDS)
    except InvalidArgument as error:
        assert [violation.field for violation in error.violations] == ["filter"]
        assert len(str(error)) < 1000
    else:
        assert parse(str(found), FIELDS) == found
