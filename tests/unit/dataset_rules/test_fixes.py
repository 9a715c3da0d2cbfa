"""Fixes and splits: whatever they run on, the same; and what no other tool had."""

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tunesmith.dataset_rules import inspect_file
from tunesmith.dataset_rules.affixes import shared_prefix, shared_suffix
from tunesmith.dataset_rules.columns import Columns
from tunesmith.dataset_rules.fixes import (
    FIXES,
    Choice,
    Job,
    Outcome,
    dataset_id,
    next_command,
    pieces,
    run,
)
from tunesmith.dataset_rules.letters import count_letters
from tunesmith.dataset_rules.split import SplitChoice, choose, validation_count

from tests.unit.dataset_rules.corpus import CHATS, ROWS

LINES = [case.line for case in (*ROWS.values(), *CHATS.values()) if len(case.line) < 999]
Rows = Sequence[dict[str, Any]]


def write(path: Path, rows: Rows, end: str = "\n") -> Path:
    path.write_text("".join(json.dumps(row) + end for row in rows))
    return path


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def good(count: int, classes: int = 2) -> list[dict[str, Any]]:
    return [
        {"prompt": f"{n}: x ->", "completion": f" {'abcdefgh'[n % classes]}"} for n in range(count)
    ]


def prepared(path: Path, **options: Any) -> tuple[Outcome, list[Any]]:
    out = path.with_name("out.jsonl")
    outcome = run(Job(str(path), out=(str(out),), cores=1, **options))
    return outcome, read(out) if outcome.prepared else []


def test_several_cores_and_small_pieces_write_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = good(3000)
    rows[7:7] = [
        {**rows[3], "extra": 1},
        {"prompt": "é", "completion": ""},
        {"Prompt": "q", "completion": "b"},
    ]
    path = write(tmp_path / "file.jsonl", rows)
    written = []
    for size, cores in ((2**20, 1), (2000, 1), (2000, 2), (37, 1)):
        monkeypatch.setattr(pieces, "PIECE", size)
        monkeypatch.setattr(pieces, "_WORTH_CORES", 0)
        out = [tmp_path / f"{kind}{size}{cores}" for kind in ("whole", "train", "valid")]
        whole = run(Job(str(path), out=(str(out[0]),), cores=cores))
        split = run(Job(str(path), out=(str(out[1]), str(out[2])), cores=cores))
        assert whole.summary == split.summary
        written.append((whole.summary, *(file.read_bytes() for file in out)))
    assert written.count(written[0]) == 4
    assert [(fix.code, fix.count) for fix in written[0][0].fixes] == [
        ("FIELD_CASE", 1),
        ("FIELD_UNKNOWN", 1),
        ("COMPLETION_EMPTY", 1),
        ("DUPLICATE_ROWS", 1),
        ("PROMPT_SUFFIX_MISSING", 3001),
        ("COMPLETION_SPACE_MISSING", 1),
    ]


@settings(deadline=None, max_examples=150)
@given(
    numbers=st.lists(st.integers(0, 12), min_size=2, max_size=40),
    size=st.sampled_from([1, 40, 100, 300]),
    empty=st.sets(st.integers(0, 12)),
)
def test_what_repeats_a_row_goes_wherever_the_file_is_cut(
    numbers: list[int], size: int, empty: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [{"prompt": f"{n} ->", "completion": "" if n in empty else f" {n % 3}"} for n in numbers]
    path = write(tmp_path_factory.mktemp("any") / "file.jsonl", rows)
    full = [row for row in rows if row["completion"]]
    first = list({row["prompt"]: row for row in full}.values())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE", size)
        outcome, mended = prepared(path)
    counts = {fix.code: fix.count for fix in outcome.summary.fixes}
    assert counts.get("DUPLICATE_ROWS", 0) == len(full) - len(first)
    assert [row["prompt"] for row in mended] == [row["prompt"] for row in first]
    alone = write(path.with_name("alone.jsonl"), first)
    same = run(Job(str(alone), cores=1)).summary
    told = outcome.summary
    assert (told.task, told.class_count, told.positive_class, told.split) == (
        *(same.task, same.class_count, same.positive_class, same.split),
    )


def test_what_is_prepared_has_nothing_left_to_prepare(tmp_path: Path) -> None:
    rows = [{"prompt": f"WHAT IS {n}", "completion": f"It is: {n} of {n * n}"} for n in range(40)]
    outcome, mended = prepared(write(tmp_path / "file.jsonl", [*rows, *rows[:3]]))
    assert {fix.code for fix in outcome.summary.fixes if fix.applied} == {
        "DUPLICATE_ROWS",
        "PROMPT_UPPER_CASE",
        "PROMPT_SUFFIX_MISSING",
        "COMPLETION_PREFIX_COMMON",
        "COMPLETION_SUFFIX_MISSING",
        "COMPLETION_SPACE_MISSING",
    }
    assert mended[3] == {"prompt": "what is 3 ->", "completion": " 3 of 9\n"}
    again, _ = prepared(tmp_path / "out.jsonl")
    assert not [fix for fix in again.summary.fixes if fix.applied]


def test_every_fix_tells_its_samples_before_and_after(tmp_path: Path) -> None:
    rows = [{"prompt": f"say {n}", "completion": f"It is: {n}."} for n in range(40)]
    outcome, _ = prepared(write(tmp_path / "file.jsonl", [rows[0], *rows]))
    samples = {fix.code: fix.samples[0] for fix in outcome.summary.fixes}
    assert (samples["DUPLICATE_ROWS"].line, samples["DUPLICATE_ROWS"].after) == (2, "")
    shown = samples["PROMPT_SUFFIX_MISSING"]
    assert (shown.before, shown.after) == ("say 0", "say 0 ->")
    assert samples["COMPLETION_PREFIX_COMMON"].after == "0."
    assert samples["COMPLETION_SPACE_MISSING"].after == " 0."


def test_what_is_declined_is_not_done_and_what_follows_is_seen_without_it(tmp_path: Path) -> None:
    rows = [{"prompt": f"SAY {n} ->", "completion": f" {n} OUT END {n}"} for n in range(40)]
    path = write(tmp_path / "file.jsonl", rows)
    choice = Choice(declined=frozenset({"COMPLETION_UPPER_CASE", "PROMPT_UPPER_CASE"}))
    _, mended = prepared(path, choice=choice)
    assert mended[0] == {"prompt": "SAY 0 ->", "completion": " 0 OUT END 0\n"}
    with pytest.raises(ValueError, match="there is no fix 'NOPE'"):
        Choice(named=frozenset({"NOPE"}))
    with pytest.raises(ValueError, match="COMPLETION_EMPTY cannot be left out"):
        Choice(declined=frozenset({"COMPLETION_EMPTY"}))


def test_nul_characters_go_unless_declined(tmp_path: Path) -> None:
    path = write(tmp_path / "file.jsonl", [*good(9), {"prompt": "a\0b ->", "completion": " a\0"}])
    assert prepared(path)[1][-1] == {"prompt": "ab ->", "completion": " a"}
    kept = prepared(path, choice=Choice(declined=frozenset({"TEXT_NUL"})))
    assert kept[1][-1]["completion"] == " a\0"
    assert not next(fix for fix in kept[0].summary.fixes if fix.code == "TEXT_NUL").applied


def test_conversations_are_prepared_too(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "a/ü"}, {"role": "assistant", "content": "b\0"}]
    row = {"messages": turns}
    path = write(tmp_path / "file.jsonl", [row, {"messages": []}, row, {**row, "id": 1}], "\r\n\n")
    outcome, mended = prepared(path)
    assert {fix.code: fix.count for fix in outcome.summary.fixes} == {
        "CRLF": 4,
        "BLANK_LINE": 4,
        "FIELD_UNKNOWN": 1,
        "TEXT_NUL": 3,
        "CHAT_NO_MESSAGES": 1,
        "DUPLICATE_ROWS": 2,
    }
    assert mended == [{"messages": [turns[0], {"role": "assistant", "content": "b"}]}]
    assert (tmp_path / "out.jsonl").read_bytes().count("ü".encode()) == 1


@settings(deadline=None, max_examples=300)
@given(
    lines=st.lists(
        st.sampled_from(
            [case.line for case in (*ROWS.values(), *CHATS.values()) if len(case.line) < 999]
        )
        | st.binary(max_size=40),
        max_size=8,
    )
)
def test_a_file_is_mended_into_a_valid_one_or_left_alone(
    lines: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    path, out = folder / "file.jsonl", folder / "out.jsonl"
    path.write_bytes(b"\n".join(lines))
    outcome = run(Job(str(path), out=(str(out),), cores=1))
    assert bool(outcome.prepared) is not bool(outcome.refused)
    assert out.exists() is bool(outcome.prepared)
    if outcome.prepared:
        report = inspect_file(out)
        assert report.valid
        assert report.example_count == outcome.summary.rows_after == outcome.prepared[0].row_count
        again = run(Job(str(out), cores=1)).summary
        inherent = {code for code, rule in FIXES.items() if rule.need == "inherent"}
        assert not inherent & {fix.code for fix in again.fixes}


def test_the_shares_of_classes_are_kept_and_rows_are_not_lost(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{n}: x ->", "completion": " rare" if n % 10 == 3 else " often"}
        for n in range(200)
    ]
    path = write(tmp_path / "file.jsonl", rows)
    sides = [tmp_path / "train", tmp_path / "valid"]
    run(Job(str(path), out=(str(sides[0]), str(sides[1])), cores=1))
    training, validation = map(read, sides)
    assert Counter(row["completion"] for row in validation) == {" often": 36, " rare": 4}
    key = str
    assert sorted(training + validation, key=key) == sorted(rows, key=key)
    assert training == [row for row in rows if row in training]  # in the order of the data


def test_a_split_depends_on_seed_and_rows_and_not_on_their_order(tmp_path: Path) -> None:
    rows = good(100)
    held_out = []
    for name, content, seed in (("a", rows, 1), ("b", rows[::-1], 1), ("c", rows, 2)):
        path = write(tmp_path / f"{name}.jsonl", content)
        out = (str(tmp_path / f"{name}t"), str(tmp_path / f"{name}v"))
        run(Job(str(path), out=out, split=SplitChoice(seed=seed), cores=1))
        held_out.append({row["prompt"] for row in read(Path(out[1]))})
    assert held_out[0] == held_out[1] != held_out[2]
    # what this seed has chosen once, it chooses for ever
    assert sorted(held_out[0])[:3] == ["11: x ->", "12: x ->", "15: x ->"]


@settings(deadline=None, max_examples=300)
@given(
    rows=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=1, max_size=60),
    share=st.floats(0.01, 0.9),
    grouped=st.booleans(),
)
def test_equal_marks_are_never_on_both_sides(
    rows: list[tuple[int, int]], share: float, grouped: bool
) -> None:
    marks = [mark * 10**18 if grouped else mark * 10**18 + of for mark, of in rows]
    classes = [of for _, of in rows]
    count = validation_count(len(rows), share)
    chosen = choose(marks, classes, count, grouped=grouped)
    assert len(chosen) <= max(count, 0)
    assert not {marks[i] for i in chosen} & {m for i, m in enumerate(marks) if i not in chosen}


def test_as_many_rows_are_held_out_as_with_the_old_tool() -> None:
    for rows in (1, 4, 5, 99, 4999, 5000, 5001, 1_000_000):
        assert validation_count(rows) == rows - max(rows - 1000, int(0.8 * rows))


_texts = st.text(st.sampled_from("aB1 \n-東Éı"), max_size=9)


@given(texts=st.lists(_texts, min_size=1), cut=st.integers(0, 9))
def test_what_columns_have_in_common_does_not_depend_on_batches(texts: list[str], cut: int) -> None:
    whole, parts, joined = Columns.eager(), Columns.eager(), Columns.eager()
    whole.add(texts, texts)
    for part in (texts[:cut], texts[cut:]):
        parts.add(part, part)
        one = Columns.eager()
        one.add(part, part)
        joined.join(one)
    for other in (parts, joined):
        for column in (whole.prompt, whole.completion):
            same = other.prompt if column is whole.prompt else other.completion
            assert (column.prefix, column.suffix) == (same.prefix, same.suffix)
            assert (column.upper, column.lower, column.contained) == (
                same.upper,
                same.lower,
                same.contained,
            )
            assert (column.shortest, column.longest) == (same.shortest, same.longest)
        assert whole.completion.without_blank == other.completion.without_blank
        assert whole.distinct.labels == other.distinct.labels
    assert whole.prompt.upper == sum(c.isupper() and c.isalpha() for t in texts for c in t)


@given(texts=st.lists(_texts, min_size=1))
def test_a_shared_affix_is_the_longest(texts: list[str]) -> None:
    prefix, suffix = shared_prefix(None, texts) or "", shared_suffix(None, texts) or ""
    assert all(text.startswith(prefix) and text.endswith(suffix) for text in texts)
    assert (
        len(prefix) == min(map(len, texts)) or len({text[: len(prefix) + 1] for text in texts}) > 1
    )
    assert (
        len(suffix) == min(map(len, texts)) or len({text[-len(suffix) - 1 :] for text in texts}) > 1
    )


@given(text=st.text(max_size=50))
def test_letters_are_counted_as_python_counts_them(text: str) -> None:
    letters = [c for c in text if c.isalpha()]
    expected = (sum(c.isupper() for c in letters), sum(c.islower() for c in letters))
    assert count_letters(text) == expected


def test_the_next_command_survives_a_shell(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{n} ->", "completion": [" so it is, it's $HOME", " `no`"][n % 2]}
        for n in range(20)
    ]
    told = prepared(write(tmp_path / "file.jsonl", rows))[0].summary
    words = shlex.split(next_command(told, "a-train", "a-valid"))
    assert words == [
        *("tunesmith", "fine-tunes", "create", "-t", "a-train", "-v", "a-valid", "-m", "ada"),
        *(
            "--classification-n-classes",
            "2",
            "--classification-positive-class",
            " so it is, it's $HOME",
        ),
    ]
    assert dataset_id("/x/My Data (1).jsonl") == "my-data-1"
