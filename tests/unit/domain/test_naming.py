"""The suffixes that a tenant's naming policy makes of what people ask for."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tunesmith_server.domain.errors import InvalidArgument, NamingPolicyBroken
from tunesmith_server.domain.naming import (
    MAX_SUFFIX,
    NO_RULES,
    NamingPolicy,
    SuffixCollision,
    SuffixScope,
    applied,
    normalised,
    normalised_suffix,
)

NUMBERED = NamingPolicy(
    unique_within=SuffixScope.TENANT, on_collision=SuffixCollision.NUMBER, max_length=12
)

# a busy machine must not fail these: no deadline
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def nothing_taken(_: str) -> bool:
    return False


def broken(
    policy: NamingPolicy, wish: str, taken: Callable[[str], bool] = nothing_taken
) -> tuple[str, str]:
    """The rule that a wish breaks, and what is suggested."""
    with pytest.raises(NamingPolicyBroken) as caught:
        applied(policy, wish, taken=taken)
    assert [violation.field for violation in caught.value.violations] == ["fine_tune.spec.suffix"]
    return caught.value.rule, caught.value.suggestion


def faults(**policy: object) -> list[str]:
    """The fields of a policy that are refused."""
    violations = NamingPolicy(**policy).violations()  # type: ignore[arg-type]
    assert all(violation.description for violation in violations)
    return [violation.field.removeprefix("tenant.naming.") for violation in violations]


words = st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,4})?", fullmatch=True)
patterns = st.recursive(
    st.sampled_from(["a", "b", "-", "[a-z]", "[^a]", r"\d", ".", "[a-z0-9-]", "^", "$", r"\b"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("(?:{0[0]}|{0[1]})".format),
        st.tuples(inner, st.sampled_from("*+?")).map("(?:{0[0]}){0[1]}".format),
        st.tuples(inner, st.integers(0, 3), st.integers(0, 3)).map(
            lambda part: f"(?:{part[0]}){{{min(part[1:])},{max(part[1:])}}}"
        ),
    ),
    max_leaves=8,
)
policies = st.builds(
    NamingPolicy,
    suffix_pattern=st.just("") | patterns,
    required_prefix=st.just("") | words,
    auto_prefix=st.booleans(),
    reserved_words=st.lists(words, max_size=3).map(tuple),
    max_length=st.none() | st.integers(1, MAX_SUFFIX),
    suffix_required=st.booleans(),
    unique_within=st.sampled_from(SuffixScope),
    on_collision=st.sampled_from(SuffixCollision),
)
wishes = st.one_of(
    words,
    st.text(max_size=100),
    st.text("aB-_ \x00\x1b\u202eÄ日", max_size=40),
    st.text("ab -", min_size=1, max_size=9).map(lambda text: text * (10_000 // len(text))),
)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("custom model name", "custom-model-name"),
        ("Support Bot!! (v2)", "support-bot-v2"),
        ("--a__b--", "a-b"),
        ("Größe", "gr-e"),
        ("a\x00b\x1b[0m\u202ec", "a-b-0m-c"),
        ("", ""),
    ],
)
def test_a_suffix_becomes_lower_case_with_single_dashes(asked: str, kept: str):
    assert normalised_suffix(asked) == kept


@pytest.mark.parametrize("odd", ["!!!", "   ", "日本語", "\x00"])
def test_a_suffix_of_which_nothing_is_left_is_refused(odd: str):
    assert broken(NO_RULES, odd) == ("normalisation", "")


@UNHURRIED
@given(wishes)
def test_normalising_twice_is_normalising_once_and_leaves_nothing_odd(text: str):
    once = normalised(text)
    assert normalised(once) == once
    assert all(part.isascii() and part.isalnum() for part in once.split("-") if once)


@UNHURRIED
@given(policies, wishes, st.sets(words | st.sampled_from(["a", "a-2", "a-3", "b"])))
def test_whatever_is_asked_the_answer_keeps_the_policy_and_so_does_every_suggestion(
    policy: NamingPolicy, wish: str, others: set[str]
):
    assume(not policy.violations())
    scoped = policy.unique_within is not SuffixScope.ANYTHING_GOES

    def fine(suffix: str) -> bool:
        return applied(policy, suffix, taken=others.__contains__) == suffix and not (
            scoped and suffix in others
        )

    try:
        suffix = applied(policy, wish, taken=others.__contains__)
    except NamingPolicyBroken as error:
        assert error.rule
        assert not error.suggestion or fine(error.suggestion)
    else:
        assert fine(suffix)
        assert (suffix == "") == (wish == "")


@UNHURRIED
@given(policies)
def test_a_policy_is_refused_or_allows_the_suffix_that_it_gives_as_an_example(
    policy: NamingPolicy,
):
    if policy.violations():
        with pytest.raises(InvalidArgument):
            policy.checked()
        return
    example = policy.checked().example()
    assert example
    assert applied(policy, example, taken=nothing_taken) == example


@UNHURRIED
@given(st.lists(st.sampled_from(["support", "Support", "support-2", "long name it"])))
def test_numbers_never_collide_and_stay_within_the_length(asked: list[str]):
    given_out: list[str] = []
    for wish in asked:
        given_out.append(applied(NUMBERED, wish, taken=given_out.__contains__))
    assert len(set(given_out)) == len(asked)
    assert all(len(suffix) <= 12 for suffix in given_out)


def test_a_number_is_the_next_one_and_the_suffix_is_shortened_before_it():
    taken = {"support-bots"}
    assert applied(NUMBERED, "Support bots", taken=taken.__contains__) == "support-bo-2"
    taken |= {f"support-{'bo'[: 3 - len(str(n))]}-{n}".replace("--", "-") for n in range(2, 100)}
    number = applied(NUMBERED, "support bots", taken=taken.__contains__)
    assert number == "support-100"


def test_the_thousandth_of_a_name_costs_few_looks():
    looks: list[str] = []
    taken = {"bot", *(f"bot-{number}" for number in range(2, 1000))}

    def look(suffix: str) -> bool:
        looks.append(suffix)
        return suffix in taken

    assert applied(NUMBERED, "bot", taken=look) == "bot-1000"
    assert len(looks) < 25


def test_a_suffix_that_is_taken_is_refused_and_a_free_one_suggested():
    policy = NamingPolicy(unique_within=SuffixScope.BASE_MODEL)
    assert broken(policy, "bot", {"bot", "bot-2"}.__contains__) == ("unique_within", "bot-3")
    assert applied(NO_RULES, "bot", taken=lambda _: True) == "bot"


def test_a_pattern_without_room_for_a_number_makes_the_collision_an_error():
    policy = NamingPolicy(
        suffix_pattern="[a-z]+",
        unique_within=SuffixScope.TENANT,
        on_collision=SuffixCollision.NUMBER,
    ).checked()
    assert broken(policy, "bot", {"bot"}.__contains__) == ("unique_within", "")


def test_when_every_number_is_taken_the_search_ends_in_an_error():
    assert broken(NUMBERED, "bot", lambda _: True) == ("unique_within", "")


@pytest.mark.parametrize(
    ("policy", "wish", "rule", "suggestion"),
    [
        (NamingPolicy(suffix_required=True), "", "suffix_required", ""),
        (NamingPolicy(required_prefix="team"), "bot", "required_prefix", "team-bot"),
        (NamingPolicy(required_prefix="team"), "teammate", "required_prefix", "team-teammate"),
        (NamingPolicy(max_length=6), "support-bot", "max_length", "suppor"),
        (NamingPolicy(max_length=8), "support-bot", "max_length", "support"),
        (NamingPolicy(reserved_words=("openai",)), "OpenAI bot", "reserved_words", "bot"),
        (NamingPolicy(reserved_words=("admin",)), "admin", "reserved_words", ""),
        (NamingPolicy(suffix_pattern="[a-z]+-v[0-9]+"), "bot", "suffix_pattern", "bot-v0"),
        (NamingPolicy(suffix_pattern="bot"), "cat", "suffix_pattern", ""),
    ],
)
def test_the_first_rule_that_is_broken_is_told_with_a_suffix_that_would_do(
    policy: NamingPolicy, wish: str, rule: str, suggestion: str
):
    assert not policy.violations()
    assert broken(policy, wish) == (rule, suggestion)


def test_words_are_reserved_between_dashes_and_not_within_a_word():
    policy = NamingPolicy(reserved_words=("ai", "open-source"))
    assert applied(policy, "mail-open", taken=nothing_taken) == "mail-open"
    assert broken(policy, "my open source bot")[0] == "reserved_words"


def test_the_prefix_is_put_before_what_lacks_it_and_never_twice():
    policy = NamingPolicy(required_prefix="team", auto_prefix=True)
    made = applied(policy, "Bot", taken=nothing_taken)
    assert made == "team-bot"
    assert applied(policy, made, taken=nothing_taken) == made
    assert applied(policy, "team", taken=nothing_taken) == "team"
    assert applied(policy, "", taken=nothing_taken) == ""


def test_every_fault_of_a_policy_is_told_at_once():
    assert faults(
        suffix_pattern="(",
        required_prefix="Team-",
        reserved_words=("ok", "Not ok", ""),
        max_length=0,
        on_collision=SuffixCollision.NUMBER,
    ) == [
        "suffix_pattern",
        "max_length",
        "required_prefix",
        "reserved_words",
        "reserved_words",
        "on_collision",
    ]
    assert faults(auto_prefix=True) == ["auto_prefix"]


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"required_prefix": "team", "suffix_pattern": "bot-.*"}, "required_prefix"),
        ({"required_prefix": "team", "suffix_pattern": "(team|bot)-[0-9]{70}"}, "suffix_pattern"),
        ({"required_prefix": "vet", "suffix_pattern": "(team|zoo)-[a-z]+"}, "required_prefix"),
        ({"required_prefix": "team", "max_length": 5}, "required_prefix"),
        ({"required_prefix": "team-x", "reserved_words": ("x",)}, "required_prefix"),
        ({"suffix_pattern": "[A-Z]+"}, "suffix_pattern"),
        ({"suffix_pattern": "-.*"}, "suffix_pattern"),
        ({"suffix_pattern": "a{9}", "max_length": 8}, "suffix_pattern"),
        ({"suffix_pattern": "bot(-bot)*", "reserved_words": ("bot",)}, "suffix_pattern"),
        ({"suffix_pattern": r"a\bb"}, "suffix_pattern"),
        ({"suffix_pattern": r"(a)\1"}, "suffix_pattern"),
        ({"suffix_pattern": "x" * 257}, "suffix_pattern"),
        ({"suffix_pattern": "(a|b)*a(a|b){60}!"}, "suffix_pattern"),
    ],
)
def test_a_policy_that_leaves_no_suffix_is_refused(policy: dict[str, object], field: str):
    assert faults(**policy) == [field]
