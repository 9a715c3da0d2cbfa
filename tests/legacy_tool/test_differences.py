"""Each place where ours is meant to differ from the old tool, shown on both.

Every row of the table in docs/reference/differences-from-prepare-data.md is a test here, under the
same name.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tunesmith.dataset_rules.fixes import Choice, Need, next_command

from tests.legacy_tool.comparing import Row, old, ours, summary, write
from tests.legacy_tool.conftest import OldTool
from tests.legacy_tool.test_rules import WORDS, jsonl, labels, rows

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "differences-from-prepare-data.md"
Case = Callable[[OldTool, Path], None]
CASES: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    def register(function: Case) -> Case:
        CASES[name] = function
        return function

    return register


@pytest.mark.parametrize("name", CASES)
def test_they_differ_as_documented(name: str, old_tool: OldTool, tmp_path: Path):
    CASES[name](old_tool, tmp_path)


# (the names of the table in the document)
def test_the_document_lists_exactly_these_differences():
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", DOCUMENT.read_text(), re.MULTILINE) == list(CASES)


@case("long-rows")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    good = rows(12)
    long = [(f"{word} " + "x" * 10_000 + " ->", " long.\n") for word in WORDS[:4]]
    mixed = [row for pair in zip(long, good[1:5], strict=True) for row in pair]
    path = write(tmp_path / "file.jsonl", [good[0], good[0], good[5], *mixed, *good[6:]])
    theirs, mine = old(old_tool.prepare(path), path), ours(path)
    assert theirs.found == mine.found
    # once a repeated row is gone, it removes what stands one row before each long one
    assert {prompt for prompt, _ in theirs.rows if len(prompt) > 10_000}
    assert set(good) - set(theirs.rows)
    assert sorted(mine.rows) == sorted(good)


@case("after-the-fixes-before")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    data = [(p, c.upper()) for p, c in rows(completion=" {} one.\nthe end two {}")]
    path = write(tmp_path / "file.jsonl", data)
    theirs, mine = old(old_tool.prepare(path), path), ours(path)
    assert theirs.found == mine.found
    assert all(c.endswith("***") for _, c in theirs.rows)
    # in lower case, no completion has " END" any more
    assert [c for _, c in mine.rows] == [f"{c.lower()} END" for _, c in data]


@case("completion-prefix-words")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    data = [(p, f" Order {1000 + n * 37} is {c.strip()}\n") for n, (p, c) in enumerate(rows(24))]
    path = write(tmp_path / "file.jsonl", data)
    theirs, mine = old(old_tool.prepare(path), path), ours(path)
    assert theirs.found == mine.found
    assert theirs.rows[0][1].startswith(" 000 is")
    assert mine.rows[0][1].startswith(" 1000 is")


@case("completion-prefix-all")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    data = [*[(p, f"Answer: {c}") for p, c in rows()], ("nothing ->", "Answer: ")]
    path = write(tmp_path / "file.jsonl", data)
    theirs, mine = old(old_tool.prepare(path), path), ours(path)
    assert ("nothing ->", " END") in theirs.rows  # an answer that says nothing
    assert all(c.startswith(" Answer: ") for _, c in mine.rows)


@case("prompt-prefix-by-name")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    data = rows(prompt="Name the opposite of {} and {} ->")
    path = write(tmp_path / "file.jsonl", data)
    theirs, mine = old(old_tool.prepare(path), path), ours(path)
    assert theirs.found == mine.found
    assert not theirs.rows[0][0].startswith("Name")
    assert mine.rows == tuple(data)
    named = ours(path, Choice(named=frozenset({"PROMPT_PREFIX_COMMON"})))
    assert sorted(named.rows) == sorted(theirs.rows)


@case("endings-are-no-parts-of-words")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    data = [(f"{word}ing", f" {word}ed") for word in WORDS]
    path = write(tmp_path / "file.jsonl", data)
    theirs, mine = old(old_tool.prepare(path), path), ours(path)
    missing = {"PROMPT_SUFFIX_MISSING", "COMPLETION_SUFFIX_MISSING"}
    assert not missing & theirs.found
    assert missing <= mine.found
    assert mine.rows[0] == ("ambering ->", " ambered\n")


@case("no-stop-for-labels")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    data = [(p, [" positive", " negative"][n % 2]) for n, (p, _) in enumerate(rows())]
    path = write(tmp_path / "file.jsonl", data)
    assert 'stop=["tive"]' in old_tool.prepare(path)["said"]
    assert summary(path).completion_suffix == ""


@case("one-record")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    data = [("one ->", " two\n")]
    path = write(tmp_path / "file.jsonl", data)
    assert "not appear to be in valid JSONL" in old_tool.prepare(path)["said"]
    assert ours(path).rows == tuple(data)


@case("identical-prompts")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    path = write(tmp_path / "file.jsonl", [("Tell ->", c) for _, c in rows()])
    theirs, mine = old(old_tool.prepare(path), path), ours(path)
    assert theirs.gave_up
    assert not mine.gave_up
    assert "PROMPTS_IDENTICAL" in theirs.found & mine.found


@case("identical-completions")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    same = [(p, " yes") for p, _ in rows()]
    path = write(tmp_path / "file.jsonl", same)
    theirs, mine = old(old_tool.prepare(path), path), ours(path)
    assert "COMPLETIONS_IDENTICAL" not in theirs.found  # it looks like classification
    assert "COMPLETIONS_IDENTICAL" in mine.found
    path = write(tmp_path / "file.jsonl", same[:3])
    assert old(old_tool.prepare(path), path).gave_up
    assert not ours(path).gave_up


@case("types-are-not-guessed")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    good = [{"prompt": p, "completion": c} for p, c in rows()]
    path.write_bytes(jsonl(*good, {"prompt": 1, "completion": 2.5}))
    assert any(p[0] == "1" and c[:4] == " 2.5" for p, c in old(old_tool.prepare(path), path).rows)
    assert "is a number, not a string" in ours(path).said


@case("a-missing-field-is-no-empty-text")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    path = tmp_path / "file.jsonl"
    good = [{"prompt": p, "completion": c} for p, c in rows()]
    path.write_bytes(jsonl(*good, {"completion": " alone.\n"}))
    # what is not there is read as an empty text, or as one that says "nan"
    prompts = [p.strip() for p, _ in old(old_tool.prepare(path), path).rows]
    assert any(p.startswith(("nan", "###")) for p in prompts)
    assert 'no field "prompt"' in ours(path).said


@case("byte-order-mark")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    data = rows()
    path = write(tmp_path / "file.jsonl", data)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert "not appear to be in valid JSONL" in old_tool.prepare(path)["said"]
    assert ours(path).rows == tuple(data)


@case("split")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    data = [*labels(16), *[(f"{word} too ->", " rare") for word in WORDS[:4]]]
    path = write(tmp_path / "file.jsonl", data)
    answer = old_tool.prepare(path)
    told = summary(path)
    split = told.split
    assert split is not None
    theirs = [
        answer["files"][f"file_prepared_{kind}.jsonl"].count("\n") for kind in ("train", "valid")
    ]
    assert theirs == [split.training_count, split.validation_count]  # as many,
    assert split.stratified  # but each class with its share


@case("flags")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    path = write(tmp_path / "file.jsonl", labels())
    said = old_tool.prepare(path)["said"]
    assert '--classification_positive_class " yes"' in said
    assert "n_classes" not in said
    command = next_command(summary(path), "a", "b")
    assert command.endswith("--classification-n-classes 2 --classification-positive-class ' yes'")


@case("slashes")
def _(old_tool: OldTool, tmp_path: Path) -> None:
    data: list[Row] = [(f"a/b {p}", c) for p, c in rows(completion="so {} is {}.\n")]
    path = write(tmp_path / "file.jsonl", data)
    assert "a\\/b" in next(iter(old_tool.prepare(path)["files"].values()))
    assert ours(path).rows[0][0].startswith("a/b")
    assert json.loads('"a\\/b"') == "a/b"  # it is the same text


def test_of_our_fixes_only_the_prompts_beginning_waits_to_be_named(tmp_path: Path):
    path = write(tmp_path / "file.jsonl", rows(prompt="Name the opposite of {} and {} ->"))
    optional = [fix.code for fix in summary(path).fixes if fix.need is Need.OPTIONAL]
    assert optional == ["PROMPT_PREFIX_COMMON"]
