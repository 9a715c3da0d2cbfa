"""What no single row can tell."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from tunesmith.dataset_rules import Finding, Inspector, Severity, Shape, leakage
from tunesmith.dataset_rules.analysis import prints

from tests.unit.dataset_rules.corpus import chat, row, turn

_TOPICS = ("train", "garden", "kettle", "violin", "harbour", "lantern", "meadow", "compass")


def analysed(rows: Iterable[bytes], *, step: int = 0) -> dict[str, Finding]:
    """The findings by code; fed in pieces of `step` bytes, and the same in one piece."""
    content = b"\n".join(rows)
    reports = []
    for size in {step or len(content), len(content)}:
        inspector = Inspector(analyse=True)
        for at in range(0, len(content), size):
            inspector.feed(content[at : at + size])
        reports.append(inspector.finish())
    assert all(report == reports[0] for report in reports)
    assert reports[0].valid
    return {finding.code: finding for finding in reports[0].findings}


def sentence(number: int) -> str:
    """One of 512 sentences of which no two say about the same."""
    words = [_TOPICS[number >> shift & 7] for shift in (0, 3, 6)]
    return "Tell me of the {}, the {} and the {}.".format(*words)


# --- near-duplicates ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        "tell me of the train, the train and the train",
        "Tell me of the train,\n\tthe train and the  train!",
        "TELL ME OF THE TRAIN - THE TRAIN - AND THE TRAIN",
        "Tell me of the train, the train and the train 27.",
    ],
)
def test_rows_that_say_about_the_same_are_near_duplicates(other: str) -> None:
    rows = [row(prompt=sentence(i), completion=f" answer {_TOPICS[i]}") for i in range(8)]
    near = row(prompt=other, completion=" answer train")
    found = analysed([*rows, near, near], step=50)
    assert found["NEAR_DUPLICATE_ROWS"].count == 1
    assert "line 9" in found["NEAR_DUPLICATE_ROWS"].message
    assert found["DUPLICATE_ROWS"].count == 1


def test_rows_that_say_something_else_are_none() -> None:
    rows = [row(prompt=sentence(i), completion=" yes") for i in range(120)]
    sums = [row(prompt=f"{i} + {i} =", completion=f" {2 * i}") for i in range(120)]
    assert "NEAR_DUPLICATE_ROWS" not in analysed(rows)
    assert "NEAR_DUPLICATE_ROWS" not in analysed(sums)
    assert "NEAR_DUPLICATE_ROWS" not in analysed(rows[:5] * 3)


def test_letters_of_other_scripts_count_and_are_compared_in_any_case() -> None:
    text = "Каждый охотник желает знать, где сидит фазан"
    rows = [row(prompt=p, completion=" да") for p in (text, text.upper(), text + " дома")]
    assert analysed(rows)["NEAR_DUPLICATE_ROWS"].count == 1


def test_conversations_are_compared_as_well() -> None:
    rows = [
        chat(turn("user", text), turn("assistant", "Of course, here it is."))
        for text in (sentence(1), sentence(2), sentence(1).upper())
    ]
    assert analysed(rows)["NEAR_DUPLICATE_ROWS"].count == 1


@pytest.mark.parametrize("remembered", [500_000, 20, 0])
def test_what_is_remembered_is_bounded(remembered: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prints, "MAX_REMEMBERED", remembered)
    rows = [row(prompt=sentence(i), completion=" yes") for i in range(30)]
    again = [row(prompt=sentence(i).upper(), completion=" yes") for i in range(30)]
    found = analysed([*rows, *again], step=333).get("NEAR_DUPLICATE_ROWS")
    assert (found.count if found else 0) == min(remembered, 30)


# --- classes ------------------------------------------------------------------------------------


def labels(**counts: int) -> list[bytes]:
    """Rows of so many examples of each label."""
    return [
        row(prompt=f"{label} {number}", completion=f" {label}")
        for label, count in counts.items()
        for number in range(count)
    ]


def test_small_classes_and_rare_ones_are_named() -> None:
    found = analysed(labels(good=1000, bad=100, odd=99))
    assert found["CLASS_SMALL"].count == 99
    assert '1 of 3 classes have fewer than 100 examples; " odd" has 99' in (
        found["CLASS_SMALL"].message
    )
    assert '" good" has 1,000 examples, " odd" has 99' in found["CLASS_IMBALANCE"].message
    assert not {"CLASS_SMALL", "CLASS_IMBALANCE"} & analysed(labels(good=999, bad=100)).keys()


def test_texts_are_no_classes_and_one_class_is_none() -> None:
    free = [row(prompt=sentence(i), completion=f" {sentence(i)}") for i in range(40)]
    pairs = [row(prompt=str(i), completion=f" {_TOPICS[i % 40 % 8]} {i // 2}") for i in range(40)]
    for rows in (free, pairs, labels(good=20)):
        assert not [code for code in analysed(rows) if code.startswith("CLASS")]


def test_labels_written_in_two_ways_are_named() -> None:
    rows = labels(yes=200, Yes=3, no=150)
    assert '" yes" and " Yes"' in analysed(rows)["CLASS_VARIANTS"].message
    assert "CLASS_VARIANTS" not in analysed(labels(yes=200, no=150))


# --- separators ---------------------------------------------------------------------------------


def ended(**shares: int) -> list[bytes]:
    """Rows whose prompts end with these separators, so many each."""
    signs = {"hash": "\n\n###\n\n", "arrow": " ->", "mark": "?", "none": ""}
    return [
        row(prompt=sentence(i)[:-1] + signs[name], completion=f" {i}")
        for name, count in shares.items()
        for i in range(count)
    ]


def test_several_separators_are_one_too_many() -> None:
    found = analysed(ended(hash=60, arrow=40), step=1000)["SEPARATORS_MIXED"]
    assert found.count == 40
    assert '"\\n\\n###\\n\\n" (60), " ->" (40)' in found.message


@pytest.mark.parametrize(
    "shares", [{"hash": 100}, {"hash": 95, "arrow": 5}, {"mark": 50, "none": 50}, {"arrow": 1}]
)
def test_one_separator_and_the_signs_of_sentences_are_fine(shares: dict[str, int]) -> None:
    assert "SEPARATORS_MIXED" not in analysed(ended(**shares))


# --- leakage ------------------------------------------------------------------------------------


def test_validation_rows_that_were_trained_on_are_found(tmp_path: Path) -> None:
    training, validation = tmp_path / "train.jsonl", tmp_path / "valid.jsonl"
    rows = [row(prompt=sentence(i), completion=" yes") for i in range(50)]
    training.write_bytes(b"\n".join([*rows, b"{}"]))
    near = row(prompt=sentence(7).upper(), completion=" yes")
    fresh = row(prompt=sentence(99), completion=" yes")
    validation.write_bytes(b"\n".join([fresh, b"broken", rows[3], near, rows[3]]))
    exact, nearly = leakage(training, validation, Shape.PROMPT_COMPLETION)
    assert (exact.code, exact.count, exact.line) == ("LEAKAGE", 2, 3)
    assert (nearly.code, nearly.count, nearly.line) == ("NEAR_LEAKAGE", 1, 4)
    assert {exact.severity, nearly.severity} == {Severity.WARNING}
    assert "2 of 4 rows" in exact.message
    validation.write_bytes(fresh)
    assert leakage(training, validation, Shape.PROMPT_COMPLETION) == []


# --- along the way ------------------------------------------------------------------------------


def test_the_first_finding_comes_with_the_first_piece_that_shows_it() -> None:
    inspector = Inspector(analyse=True)
    bad = json.dumps({"prompt": "a"}).encode()
    assert [finding.line for finding in inspector.feed(bad + b"\n")] == [1]
    good = row(prompt="a", completion="b") + b"\n"
    assert inspector.feed(good * 100_000) == []
    assert [finding.line for finding in inspector.feed(bad + b"\n" + good)] == [100_002]
