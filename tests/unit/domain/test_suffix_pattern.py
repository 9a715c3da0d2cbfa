"""RE2 decides, and our automaton agrees with it."""

import itertools
import re

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tunesmith_server.domain.automaton import Automaton, TooLarge
from tunesmith_server.domain.suffix_pattern import (
    MAX_PROGRAM,
    PatternInvalid,
    matches,
    program_size,
    shortest,
)

ATOMS = [
    *["a", "b", "c", "A", "-", "0", "9", ".", "é", " ", "{", "}", "]", r"\-", r"\.", r"\x61"],
    *["[a-c]", "[^a]", "[^-]", "[]a]", "[^]b]", r"[b\]-]", "[[:alpha:]]", "[[:^digit:]b]"],
    *[r"\d", r"\w", r"\W", r"\D", r"\s", r"\pL", r"\p{N}", r"\PL", r"\C", r"\141", r"\x{62}"],
    *["^", "$", r"\b", r"\B", r"\A", r"\z", r"\Qab\E", r"\Q\E", "(?i)", "(?-i)", "(?s)", "(?U)"],
]
GROUPS = ["(", "(?:", "(?P<n>", "(?<m>", "(?i:", "(?-i:", "(?i-s:"]
TIMES = ["*", "+", "?", "*?", "+?", "??", "{2}", "{0}", "{1,3}", "{2,}", "{0,2}", "{,3}"]
patterns = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(st.sampled_from(GROUPS), inner).map(lambda part: f"{part[0]}{part[1]})"),
        st.tuples(inner, st.sampled_from(TIMES)).map(lambda part: f"(?:{part[0]}){part[1]}"),
        st.tuples(inner, st.sampled_from(TIMES)).map("".join),
    ),
    max_leaves=12,
)

# a busy machine must not fail these: no deadline
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def valid(pattern: str) -> bool:
    """Whether RE2 takes the pattern."""
    try:
        return program_size(pattern) > 0
    except PatternInvalid:
        return False


def accepts(automaton: Automaton, text: str) -> bool:
    """Whether the automaton, read to the end, matches."""
    states, before = frozenset({automaton.start}), ""
    for char in text:
        states, before = automaton.step(states, before, char), char
    return automaton.ends(states, before)


@UNHURRIED
@given(patterns, st.lists(st.text("ab-09z", max_size=6), min_size=5, max_size=5))
def test_the_automaton_matches_what_re2_matches(pattern: str, texts: list[str]):
    assume(valid(pattern))
    automaton = Automaton(pattern)
    assert [accepts(automaton, text) for text in texts] == [matches(pattern, t) for t in texts]


SHORT = ["".join(chars) for n in range(1, 5) for chars in itertools.product("ab-", repeat=n)]
SLUGS = [text for text in SHORT if re.fullmatch("[ab]+(-[ab]+)*", text)]


@UNHURRIED
@given(
    patterns.map(lambda pattern: f"(?:{pattern})?[ab-]*"),
    st.sampled_from(["", "a", "b-", "ab-a"]),
    st.lists(st.sampled_from(["a", "b", "ab", "a-b", "b-a-b"]), max_size=2),
)
def test_the_shortest_is_no_longer_than_the_shortest_of_all_and_keeps_every_rule(
    pattern: str, start: str, words: list[str]
):
    assume(valid(pattern))
    good = [
        text
        for text in SLUGS
        if text.startswith(start)
        and matches(pattern, text)
        and not any(f"-{word}-" in f"-{text}-" for word in words)
    ]
    found = shortest(pattern, start=start, max_length=4, without=words)
    assert (found is not None) or not good
    if found is not None:
        assert found.startswith(start)
        assert matches(pattern, found)
        assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", found)
        assert not any(f"-{word}-" in f"-{found}-" for word in words)
        assert len(found) <= min([4, *map(len, good)])


def test_a_reserved_word_is_found_inside_the_beginning_of_a_longer_one():
    assert shortest("open-ai-[xy]", start="", max_length=9, without=["ai", "open-ai-x"]) is None
    assert shortest("open-ai-[xy]", start="", max_length=9, without=["open-ai-x"]) == "open-ai-y"


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+c", "(.*a){12}", "(a?){30}a{30}"])
def test_patterns_that_make_others_backtrack_for_ever_are_small_programs_of_re2(pattern: str):
    # RE2's time is bounded by program size x length of the text: no clock is needed to know
    assert program_size(pattern) <= MAX_PROGRAM
    assert matches(pattern, "a" * 10_000 + "!") is False


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("x" * 257, "257 characters"),
        ("(", "not in RE2 syntax: missing"),
        (r"(a)\1", "not in RE2 syntax: invalid escape"),
        ("a(?=b)", "not in RE2 syntax: invalid perl operator"),
        ("((a{1,30}){1,30})", "instructions"),
        (r"[\p{L}\p{N}]{1,64}", "too large"),
        ("\ud800", "not valid Unicode"),
    ],
)
def test_what_is_no_re2_or_too_large_for_it_is_refused_with_the_reason(pattern: str, why: str):
    with pytest.raises(PatternInvalid, match=why):
        program_size(pattern)


def test_a_search_that_would_take_too_long_ends_and_says_that_it_does_not_know():
    with pytest.raises(TooLarge):
        shortest("(a|b)*a(a|b){60}!", start="", max_length=64)
