from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.domain.errors import InvalidArgument, NamingPolicyBroken, NotFound
from tunesmith_server.domain.model import legacy_name, model_id, public_name
from tunesmith_server.domain.names import DatasetName, FineTuneName, checked_id, owned
from tunesmith_server.domain.naming import MAX_SUFFIX, normalised_suffix


@pytest.mark.parametrize(
    ("given_suffix", "kept"),
    [
        ("custom model name", "custom-model-name"),
        ("Support Bot!! (v2)", "support-bot-v2"),
        ("--a__b--", "a-b"),
        ("Größe", "gr-e"),
        ("", ""),
    ],
)
def test_a_suffix_becomes_lower_case_with_single_dashes(given_suffix: str, kept: str):
    assert normalised_suffix(given_suffix) == kept


@pytest.mark.parametrize("odd", ["!!!", "   ", "日本語", "x" * (MAX_SUFFIX + 1)])
def test_a_suffix_that_makes_no_name_is_refused_and_the_field_is_named(odd: str):
    with pytest.raises(NamingPolicyBroken) as caught:
        normalised_suffix(odd)
    assert caught.value.violations[0].field == "fine_tune.spec.suffix"


@given(st.text(max_size=80))
def test_normalising_twice_is_normalising_once(text: str):
    try:
        once = normalised_suffix(text)
    except NamingPolicyBroken:
        return
    assert normalised_suffix(once) == once


def test_both_public_names_have_the_shapes_of_their_time():
    uid, at = "0192f0c1-0000-7000-8000-0123456789ab", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert public_name("ada", "acme", "bot", uid) == "ft:ada:acme:bot:456789ab"
    assert public_name("ada", "acme", "", uid) == "ft:ada:acme::456789ab"
    assert legacy_name("ada", "acme", "bot", at) == "ada:ft-acme:bot-2026-01-02-03-04-05"
    assert legacy_name("ada", "acme", "", at) == "ada:ft-acme-2026-01-02-03-04-05"


@given(st.text("abc-.9", min_size=1, max_size=64), st.text("az09-", max_size=64))
def test_a_models_id_is_always_a_legal_segment_of_a_name(base: str, suffix: str):
    uid = "0192f0c1-0000-7000-8000-0123456789ab"
    assert checked_id(model_id(base, suffix, uid), "id")


def test_a_name_reads_back_as_it_is_spelled_and_of_no_other_collection():
    name = FineTuneName("acme", "bot")
    assert FineTuneName.parse(str(name)) == name
    with pytest.raises(InvalidArgument, match="datasets"):
        DatasetName.parse(str(name))


@given(st.text(max_size=100))
def test_no_text_makes_parsing_a_name_fail_in_another_way(text: str):
    try:
        assert str(FineTuneName.parse(text)) == text
    except InvalidArgument as error:
        assert error.violations[0].field == "name"


def test_a_foreign_tenant_is_not_there():
    assert owned("acme", "acme", "shown") == "acme"
    assert owned("-", "acme", "shown") == "acme"
    assert owned("acme", None, "shown") == "acme"
    with pytest.raises(NotFound, match="shown does not exist"):
        owned("evil", "acme", "shown")
