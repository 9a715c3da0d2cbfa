"""Both forms of a model's public name."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tunesmith_server.domain.names import checked_id
from tunesmith_server.domain.public_names import (
    LegacyName,
    PublicName,
    model_id,
    parse_model_name,
    short_id,
)

UID = "0192f0c1-0000-7000-8000-0123456789ab"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

bases = st.one_of(
    st.sampled_from(["ada", "ft", "gpt-3.5", "ft-ada", "a"]),
    st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True),
)
slugs = st.one_of(
    st.sampled_from(["ft", "ft-acme", "acme-2026-01-02-03-04-05", "2026-01-02-03-04-05", "a" * 64]),
    st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,4}", fullmatch=True),
)
modern_names = st.builds(
    PublicName,
    bases,
    slugs,
    st.just("") | slugs,
    st.from_regex("[a-z0-9]{8}", fullmatch=True),
    st.none() | st.integers(0, 10**9),
)

# a busy machine must not fail these: no deadline
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

legacy_names = st.builds(
    LegacyName,
    bases,
    slugs,
    st.just("") | slugs,
    st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(microsecond=0)),
)


def test_both_forms_have_the_shapes_of_their_time():
    id = short_id(UID)
    assert str(PublicName("ada", "acme", "bot", id)) == "ft:ada:acme:bot:456789ab"
    assert str(PublicName("ada", "acme", "", id)) == "ft:ada:acme::456789ab"
    assert str(PublicName("ada", "acme", "b", id, 7)) == "ft:ada:acme:b:456789ab:ckpt-step-7"
    assert str(LegacyName("ada", "acme", "bot", AT)) == "ada:ft-acme:bot-2026-01-02-03-04-05"
    assert str(LegacyName("ada", "acme", "", AT)) == "ada:ft-acme-2026-01-02-03-04-05"


@UNHURRIED
@given(modern_names | legacy_names)
@example(PublicName("ft", "ft", "ft", "ftftftft"))
@example(LegacyName("ft", "ft", "ft", AT))
@example(LegacyName("ft", "acme-2026-01-02-03-04-05", "", AT))
def test_every_name_reads_back_as_exactly_what_it_was_made_of(name: PublicName | LegacyName):
    assert parse_model_name(str(name)) == name
    assert parse_model_name(str(name).upper()) in (None, name)  # all digits: nothing to raise
    assert parse_model_name(f"{name}\n") is None
    assert parse_model_name(f" {name}") is None


@UNHURRIED
@given(st.one_of(modern_names, legacy_names), st.one_of(modern_names, legacy_names))
def test_two_names_are_spelled_alike_only_if_they_are_the_same(
    one: PublicName | LegacyName, other: PublicName | LegacyName
):
    assert (str(one) == str(other)) == (one == other)


@UNHURRIED
@given(
    st.one_of(
        st.text(max_size=100),
        st.text("ft:ada-0123456789.ACME", max_size=60),
        st.lists(
            st.sampled_from(["ft", ":", "-", "ada", "2026-01-02-03-04-05", "ckpt-step-7", "٣"])
        ).map("".join),
    )
)
def test_no_text_is_read_as_a_name_that_is_spelled_otherwise(text: str):
    name = parse_model_name(text)
    assert name is None or str(name) == text


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "ada",
        ":" * 10_000,
        "ft:" * 10_000,
        "ada:ft-acme:" + "b" * 10_000 + "-2026-01-02-03-04-05",
        "ft:ada:acme:bot:456789ab:ckpt-step-" + "9" * 10_000,
        "ft:ada:acme:bot:456789ab:ckpt-step-007",
        "ft:ada:acme:bot:456789ab:ckpt-step-+7",
        "ft:ada:acme:bot:456789ab:7",
        "ft:ada:acme:bot:456789AB",
        "FT:ada:acme:bot:456789ab",
        "ft:ada:acme:Bot:456789ab",
        "ft:ada:acme:b--t:456789ab",
        "ft:ada::bot:456789ab",
        "ft:ada:acme:bot\x00:456789ab",
        "ada:ft-acme:bot-2026-02-30-03-04-05",
        "ada:ft-acme:bot-2026-1-02-03-04-05",
        "ada:ft-acme:bot-２０２６-01-02-03-04-05",
        "ada:ft-acme:-2026-01-02-03-04-05",
        "ada:acme:bot-2026-01-02-03-04-05",
        "ada:ft-2026-01-02-03-04-05",
        "tenants/acme/models/ada:ft-acme-2026-01-02-03-04-05",
    ],
)
def test_what_is_nearly_a_name_is_none(odd: str):
    assert parse_model_name(odd) is None


@pytest.mark.parametrize(
    "parts",
    [
        ("a:b", "acme", "bot", "456789ab"),
        ("ada", "", "bot", "456789ab"),
        ("ada", "b", "c:12345678", "456789ab"),
        ("ada", "acme", "Bot", "456789ab"),
        ("ada", "acme", "x" * 65, "456789ab"),
        ("ada", "acme", "bot", "short"),
        ("ada", "acme", "bot", "456789ab", -1),
    ],
)
def test_a_name_that_would_not_read_back_cannot_be_made(parts: tuple[str, str, str, str]):
    with pytest.raises(ValueError, match=r"is no|is not|without|step"):
        PublicName(*parts)


def test_a_legacy_name_needs_whole_seconds_of_utc():
    with pytest.raises(ValueError, match="whole seconds of UTC"):
        LegacyName("ada", "acme", "bot", AT.replace(microsecond=1))
    with pytest.raises(ValueError, match="whole seconds of UTC"):
        LegacyName("ada", "acme", "bot", AT.replace(tzinfo=None))


@UNHURRIED
@given(st.text("abc-.9", min_size=1, max_size=64), st.text("az09-", max_size=64))
def test_a_models_id_is_always_a_legal_segment_of_a_name(base: str, suffix: str):
    assert checked_id(model_id(base, suffix, UID), "id")
