"""Where in a line something stands."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith.dataset_rules.places import fault_span, span_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


def pointers(value: Any, at: str = "") -> list[tuple[str, Any]]:
    members: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    found = []
    for name, each in members:
        here = f"{at}/{str(name).replace('~', '~0').replace('/', '~1')}"
        found += [(here, each), *pointers(each, here)]
    return found


@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_every_value_is_found_where_it_stands(value: Any, indent: int | None, ascii: bool):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii)
    for pointer, each in pointers(value):
        span = span_of(text, pointer)
        assert span is not None, pointer
        assert json.loads(text[slice(*span)]) == each


@given(st.text(max_size=30), st.text("/~a0", max_size=6))
def test_any_text_and_pointer_is_taken(text: str, pointer: str):
    span = span_of(text, pointer)
    assert span is None or 0 <= span[0] <= span[1] <= len(text)


def test_of_a_field_that_is_there_twice_the_last_one_counts():
    assert span_of('{"a": 1, "a": 2}', "/a") == (14, 15)


@pytest.mark.parametrize(
    ("text", "at"), [('{"a": 1', 7), ("{'a': 1}", 1), ('{"a": 1,}', 7), ('{"a": 1}', None)]
)
def test_the_fault_of_a_text_is_found(text: str, at: int | None):
    assert fault_span(text) == (None if at is None else (at, at + 1))
