"""What is said to be different between two datasets."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith.dataset_rules.difference import (
    Difference,
    Prints,
    compare,
    print_file,
    rows_at,
    spans,
)
from tunesmith.dataset_rules.sources import Rows

A_ROW = st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"))
ROWS = st.lists(A_ROW, max_size=12)
Row = tuple[str, str]


def prints(rows: list[Row]) -> Prints:
    made = Prints()
    lines = [json.dumps({"prompt": p, "completion": c}).encode() for p, c in rows]
    made.add(Rows(range(1, len(lines) + 1), lines))
    return made


def rows_of(*rows: Any) -> Prints:
    made = Prints()
    made.add(Rows(range(1, len(rows) + 1), [json.dumps(row).encode() for row in rows]))
    return made


@given(ROWS, ROWS)
def test_every_row_of_either_side_is_told_once(left: list[Row], right: list[Row]):
    found = compare(prints(left), prints(right))
    pairs = [*found.moved, *found.changed]
    assert found.same + len(pairs) + len(found.removed) == len(left)
    assert found.same + len(pairs) + len(found.added) == len(right)
    for side, alone in ((0, found.removed), (1, found.added)):
        places = [pair[side] for pair in pairs] + list(alone)
        assert len(set(places)) == len(places)


@given(ROWS, ROWS)
def test_what_is_the_same_moved_or_changed_is_so(left: list[Row], right: list[Row]):
    found = compare(prints(left), prints(right))
    assert all(left[here] == right[there] for here, there in found.moved)
    for here, there in found.changed:
        assert left[here][0] == right[there][0]
        assert left[here][1] != right[there][1]
    both = Counter(left) & Counter(right)
    assert found.same + len(found.moved) == both.total()
    # a prompt on both sides is said to be changed, not removed and added
    assert not {left[i][0] for i in found.removed} & {right[i][0] for i in found.added}


@given(ROWS, ROWS)
def test_turned_round_additions_are_removals(left: list[Row], right: list[Row]):
    there, back = compare(prints(left), prints(right)), compare(prints(right), prints(left))
    assert (len(there.removed), len(there.added)) == (len(back.added), len(back.removed))
    assert (there.differs, len(there.changed)) == (back.differs, len(back.changed))
    assert there.differs == (left != right)


@given(st.permutations(range(8)))
def test_as_few_rows_as_can_be_have_moved(order: list[int]):
    rows = [(f"p{i}", "c") for i in range(8)]
    found = compare(prints(rows), prints([rows[i] for i in order]))
    # the longest rising subsequence, by trying all of them
    longest = max(
        sum(mask >> i & 1 for i in range(8))
        for mask in range(256)
        if (chosen := [order[i] for i in range(8) if mask >> i & 1]) == sorted(chosen)
    )
    assert found.same == longest
    assert len(found.moved) == 8 - longest


@given(ROWS, st.integers(0, 11))
def test_the_one_row_that_was_taken_out_is_named(rows: list[Row], at: int):
    rows = [(f"{number}{prompt}", answer) for number, (prompt, answer) in enumerate(rows)]
    if at < len(rows):
        found = compare(prints(rows), prints(rows[:at] + rows[at + 1 :]))
        assert found == Difference(len(rows) - 1, [], [], [at], [])


def test_of_conversations_the_last_answer_is_what_changes():
    def chat(*turns: str, **more: Any) -> dict[str, Any]:
        roles = ["user", "assistant"] * 3
        messages = [{"role": r, "content": c} for r, c in zip(roles, turns, strict=False)]
        messages[-1] |= more
        return {"messages": messages}

    left = rows_of(chat("a", "b", "c", "d"), chat("e", "f"), chat("g", "h"))
    right = rows_of(chat("a", "b", "c", "D"), chat("E", "f"), chat("g", "h", weight=0))
    found = compare(left, right)
    assert found.changed == [(0, 0), (2, 2)]
    assert (found.removed, found.added) == ([1], [1])


@pytest.mark.parametrize(
    "written",
    [
        b'{"completion":" b","prompt":"a"}',
        b'{ "prompt" : "\\u0061", "completion": " b" }\r',
        b'\xef\xbb\xbf{"prompt": "a", "completion": " b", "id": 7}',
    ],
)
def test_how_a_row_is_written_makes_no_difference(written: bytes):
    right = Prints()
    right.add(Rows([1], [written]))
    assert not compare(prints([("a", " b")]), right).differs


def test_rows_with_an_error_are_compared_by_their_bytes(tmp_path: Path):
    left, right = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    left.write_bytes(b'{"prompt": 7}\n\n{oops\n{"prompt":"a","completion":" b"}\n')
    right.write_bytes(b'{"prompt":"a","completion":" b"}\n{oops\n{"prompt": 8}\n')
    found = compare(print_file(left), print_file(right))
    assert (found.same, len(found.moved), found.changed) == (1, 1, [])
    assert rows_at(left, found.removed) == {0: '{"prompt": 7}'}
    assert rows_at(right, found.added) == {2: '{"prompt": 8}'}


def test_files_of_two_formats_are_the_same_if_their_rows_are(tmp_path: Path):
    jsonl, csv = tmp_path / "a.jsonl", tmp_path / "a.csv"
    jsonl.write_text('{"prompt":"a","completion":"1"}\n{"prompt":"b","completion":"2"}\n')
    csv.write_text("prompt,completion\na,1\nb,2\n")
    read: list[int] = []
    left = print_file(jsonl, on_progress=read.append)
    assert read == [jsonl.stat().st_size]
    assert list(left.lines) == [1, 2]
    right = print_file(csv)
    assert list(right.lines) == [2, 3]
    assert compare(left, right) == Difference(2, [], [], [], [])


@given(st.text("ab", max_size=8), st.text("ab", max_size=8))
def test_outside_of_the_span_two_texts_are_alike(before: str, after: str):
    (start, end), (from_, to) = spans(before, after)
    assert before[:start] == after[:from_]
    assert before[end:] == after[to:]
    assert start <= end
    assert from_ <= to
    assert (before == after) == (start == end and from_ == to)
