"""Limits, amounts and times, as people write and read them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from tunesmith.cli._moments import after, before, rfc3339, span, until
from tunesmith.cli._quantities import (
    DIMENSIONS,
    INHERIT,
    Unit,
    currency,
    exactly,
    large,
    read,
    roughly,
    setting,
)

CONTRACT = Path(__file__).parents[3] / "proto/tunesmith/v1/tenant.proto"


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("datasets=20", "datasets", 20),
        ("datasets=0", "datasets", 0),
        ("datasets=5k", "datasets", 5000),
        ("fine_tunes_running@ada=2", "fine_tunes_running@ada", 2),
        ("trained_tokens_per_month=5M", "trained_tokens_per_month", 5_000_000),
        ("trained_tokens_per_month=1_000_000", "trained_tokens_per_month", 1_000_000),
        ("trained_tokens_per_month=1.5m", "trained_tokens_per_month", 1_500_000),
        ("dataset_bytes=10GiB", "dataset_bytes", 10 * 2**30),
        ("dataset_bytes=10Gi", "dataset_bytes", 10 * 2**30),
        ("dataset_bytes=10GB", "dataset_bytes", 10**10),
        ("dataset_bytes=1.5 kB", "dataset_bytes", 1500),
        ("checkpoint_bytes=1024", "checkpoint_bytes", 1024),
        ("cost_per_month=12.50", "cost_per_month", 12_500_000),
        ("cost_per_job=0.000001", "cost_per_job", 1),
        ("cost_per_job=12", "cost_per_job", 12_000_000),
        ("models=unlimited", "models", None),
        ("models=inherit", "models", INHERIT),
    ],
)
def test_a_limit_is_set_in_the_unit_that_people_think_in(text: str, key: str, value: object):
    assert setting(text) == (key, value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trained_tokens_per_mont=5", "did you mean trained_tokens_per_month?"),
        ("tokens=5", "choose from fine_tunes_running"),
        ("datasets", "DIMENSION=VALUE is expected"),
        ("datasets=", "DIMENSION=VALUE is expected"),
        ("datasets@ada=1", "no limit of a single base model"),
        ("fine_tunes_running@=1", "a base model is expected after @"),
        ("datasets=-1", "a whole number"),
        ("datasets=1.5", "nothing smaller than one"),
        ("dataset_bytes=10XB", "bytes, such as"),
        ("cost_per_month=12.50EUR", "currency, such as"),
        ("cost_per_month=0.0000001", "nothing smaller than a millionth"),
        ("datasets=99999999999b", "more than can be counted"),
        ("datasets=many", "or `unlimited`, or `inherit`"),
    ],
)
def test_a_limit_that_cannot_be_says_what_would_be_right(text: str, words: str):
    with pytest.raises(ValueError, match=re.escape(words)):
        setting(text)


def test_the_command_knows_every_dimension_of_the_contract():
    message = CONTRACT.read_text().partition("message QuotaLimit {")[2]
    comment = message.partition("string dimension")[0]
    assert comment.split("`")[1::2] == list(DIMENSIONS)


@given(st.integers(min_value=0, max_value=2**63 - 1), st.sampled_from(list(DIMENSIONS)))
def test_a_value_that_is_written_exactly_is_read_as_the_same(value: int, dimension: str):
    kind = DIMENSIONS[dimension]
    if kind is not Unit.BYTES:  # those are written with a unit, in as many figures as people want
        assert read(kind, exactly(dimension, value)) == value


def test_values_are_written_for_people():
    assert exactly("dataset_bytes", 10 * 2**30) == "10 GiB"
    assert exactly("dataset_bytes", 123_456_789) == "123.5 MB"
    assert exactly("trained_tokens_per_month", 1_234_567) == "1,234,567"
    assert roughly("trained_tokens_per_month", 1_234_567) == "1.23 M"
    assert roughly("of_a_later_version", 5) == "5"
    assert [large(n) for n in (0, 999_999, 5_000_000, 10**12)] == ["0", "999,999", "5 M", "1 T"]
    amounts = (0, 1, 12_500_000, -1_234_567_890)
    assert [currency(n) for n in amounts] == ["0.00", "0.000001", "12.50", "-1,234.56789"]


def test_times_are_so_long_ago_or_a_date():
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert before("1h30m", now) == datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
    assert after("2w", now) == datetime(2026, 12, 8, 12, tzinfo=UTC)
    assert rfc3339(before("2026-11-01T08:00+01:00")) == "2026-11-01T07:00:00Z"
    assert before("2026-11-01") == datetime(2026, 11, 1).astimezone()
    assert rfc3339(now + timedelta(microseconds=5)) == "2026-11-24T12:00:00.000005Z"
    assert span("0") == timedelta(0)
    for text in ("yesterday", "1", "-1h", "1h ", "99999999999w", ""):
        with pytest.raises(ValueError, match=r"expected|hundred years"):
            after(text, now)


def test_how_long_it_is_until_then():
    assert until(Timestamp(seconds=1)) == "now"
    soon = Timestamp()
    soon.FromDatetime(datetime.now(UTC) + timedelta(days=6, hours=1))
    assert until(soon) == "in 6 days"
