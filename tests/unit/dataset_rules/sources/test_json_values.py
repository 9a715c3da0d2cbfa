"""JSON lists and objects that stand one after the other."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith.dataset_rules import Format

from tests.unit.dataset_rules.sources.reading import cut, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from('[]{}",\\'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=4), JSON, max_size=4)


@given(
    rows=st.lists(JSON, max_size=6),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
    size=st.integers(1, 40),
)
def test_what_json_dumps_writes_as_a_list_is_given_back(
    rows: list[Any], indent: int | None, ascii_only: bool, size: int
) -> None:
    content = json.dumps(rows, indent=indent, ensure_ascii=ascii_only).encode()
    found = read(*cut(content, size), format=Format.JSON)
    assert found.rows == rows
    assert not found.problems
    assert all(b"\n" not in line for _, line in found.lines)
    assert found == read(content, format=Format.JSON)


@given(rows=st.lists(OBJECTS, min_size=1, max_size=5), size=st.integers(1, 40))
def test_indented_objects_one_after_the_other_are_rows_too(rows: list[Any], size: int) -> None:
    content = "\n".join(json.dumps(row, indent=2) for row in rows).encode()
    found = read(*cut(content, size), format=Format.JSON)
    assert found.rows == rows
    assert not found.problems


def test_a_row_is_numbered_by_the_line_on_which_it_begins() -> None:
    content = b'\n[\n  {"a":\n 1},\n\n {"b": "x"}, {"c": [\n{}]}\n,\n4]\n'
    found = read(content)
    assert found.format is Format.JSON
    assert list(zip(found.numbers, found.rows, strict=True)) == [
        (3, {"a": 1}),
        (6, {"b": "x"}),
        (6, {"c": [{}]}),
        (9, 4),
    ]


@pytest.mark.parametrize(
    ("content", "line", "says", "rows"),
    [
        (b'[{"a":1}\n{"b":2}]', 2, "comma is missing", 2),
        (b'[{"a":1},\n]', 2, "comma stands before the end", 1),
        (b'[{"a":1},,{"b":2}]', 1, "comma stands where a row", 2),
        (b'[\n,{"a":1}]', 2, "comma stands where a row", 1),
        (b'[{"a":1}]\n\n[{"b":2}]', 3, "more after the end", 1),
        (b'[{"a":1}', 1, "not closed", 1),
        (b"[", 1, "not closed", 0),
        (b'{"a":1},\n{"b":2}', 1, "between objects", 2),
        (b"]", 0, "", 1),
    ],
)
def test_what_is_wrong_between_rows_is_told_with_its_line(
    content: bytes, line: int, says: str, rows: int
) -> None:
    found = read(content, format=Format.JSON)
    assert len(found.lines) == rows
    if says:
        assert found.problems == [(line, "JSON_INVALID", 1)]
        assert says in found.messages[0]


def test_a_fault_within_a_row_costs_no_other_row() -> None:
    found = read(b'[{"a":]}, {"b":1}, {"c" 2}, nonsense, {"d":"\n"}]')
    assert [line for _, line in found.lines] == [
        *(b'{"a":]', b"}", b'{"b":1}', b'{"c" 2}', b"nonsense", b'{"d":"\n"}')
    ]


def test_a_row_over_the_limit_is_measured_and_not_kept() -> None:
    content = b'[{"a":"' + b"x" * 5000 + b'"}, {"b":1}, "' + b"y" * 3000 + b'", [[' + b"1" * 2000
    for size in (1, 7, 4096, 10**6):
        found = read(*cut(content, size), limit=100, format=Format.JSON)
        assert [line for _, line in found.lines] == [b"<5008>", b'{"b":1}', b"<3002>", b"<2002>"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", [b"[", b"[]", b'["a",', b"{", b'"', b"\\", b"[1,", b",", b" ", b"]"]
)
def test_no_pattern_takes_more_than_linear_time(piece: bytes) -> None:
    found = read(b"[" + piece * (2**19 // len(piece)), format=Format.JSON)
    assert found.problems or found.lines
