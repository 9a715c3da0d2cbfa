"""From claims to a principal."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.domain.access import Role
from tunesmith_server.domain.identity import (
    PRINCIPAL_ID_LENGTH,
    ClaimRule,
    is_tamper_proof,
    principal_by,
    principal_id,
    texts_at,
)

ISSUER = "https://id.example.com/realms/staff"
POD: dict[str, Any] = {
    "sub": "system:serviceaccount:team-nlp:trainer",
    "kubernetes.io": {"namespace": "team-nlp", "serviceaccount": {"name": "trainer"}},
}


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("sub", ["system:serviceaccount:team-nlp:trainer"]),
        ("kubernetes.io.namespace", ["team-nlp"]),
        ("kubernetes.io.serviceaccount.name", ["trainer"]),
        ("kubernetes.io", []),
        ("kubernetes", []),
        ("sub.more", []),
        ("groups", ["ml", "ops"]),
        ("verified", ["true"]),
        ("https://example.com/team", ["red"]),
        ("number", []),
    ],
)
def test_a_path_leads_through_names_that_have_dots_themselves(path: str, texts: list[str]):
    claims = POD | {
        "groups": ["ml", 3, "ops", None],
        "verified": True,
        "https://example.com/team": "red",
        "number": 3,
    }
    assert list(texts_at(claims, path)) == texts


def test_the_first_rule_that_applies_decides():
    rules = [
        ClaimRule({"sub": "root", "groups": "ops"}, None, Role.PLATFORM_ADMIN),
        ClaimRule({"kubernetes.io.namespace": "team-*"}, "{kubernetes.io.namespace}", Role.EDITOR),
        ClaimRule({"groups": "ml"}, "research", Role.VIEWER),
    ]

    def who(**claims: Any) -> tuple[str | None, Role] | None:
        caller = principal_by(rules, ISSUER, {"sub": "x"} | claims)
        return (caller.tenant, caller.role) if caller else None

    assert who(sub="root", groups=["ml", "ops"]) == (None, Role.PLATFORM_ADMIN)
    assert who(sub="root", groups=["ml"]) == ("research", Role.VIEWER)
    assert who(**POD, groups=["ml"]) == ("team-nlp", Role.EDITOR)
    assert who(**{"kubernetes.io": {"namespace": "kube-system"}}) is None
    assert who() is None


@pytest.mark.parametrize(
    "value", ["", "-", "A", "a/b", "../a", "a" * 64, "a\n", ["a", "b"], [], None, {"a": "b"}, 5]
)
def test_a_claim_that_can_be_no_tenant_names_none(value: Any):
    rule = ClaimRule({}, "{team}", Role.EDITOR)
    assert rule.principal(ISSUER, {"sub": "x", "team": value}) is None


@pytest.mark.parametrize(
    ("match", "tenant", "role", "words"),
    [
        ({"sub": "x"}, None, Role.EDITOR, "goes with the tenant null"),
        ({"sub": "x"}, "acme", Role.PLATFORM_ADMIN, "goes with the tenant null"),
        ({}, None, Role.PLATFORM_ADMIN, "at least one claim"),
        ({}, "{a}-{b}", Role.EDITOR, "from one claim"),
        ({}, "{a", Role.EDITOR, "can be no tenant's id"),
        ({}, "", Role.EDITOR, "can be no tenant's id"),
        ({}, "-", Role.EDITOR, "can be no tenant's id"),
        ({}, "Acme", Role.EDITOR, "can be no tenant's id"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    match: dict[str, str], tenant: str | None, role: Role, words: str
):
    with pytest.raises(ValueError, match=words):
        ClaimRule(match, tenant, role)


def test_the_id_of_a_principal_is_readable():
    assert principal_id(ISSUER, "alice") == "jwt:id.example.com/realms/staff:alice"
    assert principal_id("kubernetes/serviceaccount", "x") == "jwt:kubernetes/serviceaccount:x"


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_ids_of_principals_are_bounded_printable_and_differ(
    one: tuple[str, str], other: tuple[str, str]
):
    ids = [principal_id(f"https://{issuer}", subject) for issuer, subject in (one, other)]
    assert all(len(id) <= PRINCIPAL_ID_LENGTH and id.isprintable() for id in ids)
    assert (ids[0] == ids[1]) is (one == other)


def test_a_colon_cannot_be_moved_between_issuer_and_subject():
    assert principal_id("https://id:80", "alice") != principal_id("https://id", "80:alice")


def test_long_ids_of_principals_differ_at_the_end():
    ids = {principal_id(ISSUER, "x" * 500 + end) for end in "ab"}
    assert {len(id) for id in ids} == {PRINCIPAL_ID_LENGTH}
    assert len(ids) == 2


def test_keys_come_over_https_or_from_this_machine():
    for url in ("https://x", "http://127.0.0.1:1/keys", "http://localhost", "http://[::1]:1"):
        assert is_tamper_proof(url), url
    for url in (
        "http://x",
        "http://127.0.0.1.evil.com",
        "ftp://x",
        "x",
        "",
        "https://",
        "http://[",
    ):
        assert not is_tamper_proof(url), url
