"""Preparing data with secrets and personal data in it: never shown, and taken out if asked for."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tunesmith.dataset_rules import Format, inspect_file
from tunesmith.dataset_rules.fixes import (
    FIXES,
    Choice,
    Job,
    Need,
    Sample,
    Summary,
    next_command,
    pieces,
    run,
)
from tunesmith.dataset_rules.inspector import MAX_LINE_BYTES
from tunesmith.dataset_rules.sensitive import SENSITIVE_CODES, Policy
from tunesmith.dataset_rules.sensitive.rows import RowRedactor

from tests.unit.dataset_rules.sensitive_cases import drawn

MAIL = "canary.jane@gmail.com"
KEY = "AKIA" + drawn(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
TOKEN = "ghp_" + drawn(36)
SECRETS = (MAIL, KEY, TOKEN)


def write(path: Path, lines: Sequence[object]) -> None:
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")


def told(path: Path, *lines: object, **options: Any) -> Summary:
    """What is said of a file of these rows; a text is a line as it is."""
    write(path, lines)
    return run(Job(str(path), cores=1, **options)).summary


def pieces_of(secrets: Sequence[str], length: int = 8) -> list[str]:
    """So many characters of each secret, in whichever case they may be written."""
    cut = [s[at : at + length] for s in secrets for at in range(len(s) - length + 1)]
    return [each.lower() for each in cut]


def shows(summary: Summary) -> str:
    """All that a summary tells of the rows, in lower case."""
    return repr((summary, next_command(summary, "t", "v"))).lower()


def rows(count: int = 12, prompt: str = "say {}", completion: str = "It is {}.") -> list[Any]:
    return [
        {"prompt": prompt.format(n), "completion": completion.format(n, 7 * n)}
        for n in range(count)
    ]


GOOD = {"prompt": "a ->", "completion": " b"}
ALL = Choice(named=frozenset({"PROMPT_PREFIX_COMMON"}))
FILES: dict[str, Sequence[object]] = {
    "FIELD_CASE": [{"Prompt": f"mail {MAIL}", "completion": f"{KEY} {TOKEN}"}, *rows()],
    "FIELD_UNKNOWN": [{**GOOD, "by": MAIL, "key": KEY, "token": TOKEN}, *rows()],
    "TEXT_NUL": [{"prompt": f"\0 {MAIL}", "completion": f"{KEY} {TOKEN}"}, *rows()],
    "COMPLETION_EMPTY": [{"prompt": f"{MAIL} {KEY} {TOKEN}", "completion": ""}, *rows()],
    "DUPLICATE_ROWS": [{"prompt": f"{MAIL}", "completion": f"{KEY} {TOKEN}"}] * 2,
    "LONG_ROWS": [{"prompt": f"{KEY} {MAIL} " * 400, "completion": f"{TOKEN}"}, *rows()],
    "PROMPT_UPPER_CASE": rows(prompt=f"MY KEY IS {KEY} {{}}", completion=f"{{}} {TOKEN}"),
    "PROMPT_SUFFIX_MISSING": rows(prompt=f"{{0}} is sent to {KEY} and {MAIL} {{0}}"),
    "PROMPT_PREFIX_COMMON": rows(prompt=f"For {MAIL} with {KEY}: number {{}}"),
    "COMPLETION_PREFIX_COMMON": rows(completion=f"For {MAIL} with {KEY}: number {{}}."),
    "COMPLETION_SUFFIX_MISSING": rows(completion=f"{{}} times {KEY} with {TOKEN} to {MAIL} {{}}"),
    "COMPLETION_SPACE_MISSING": rows(completion=f"{{}} {KEY} {MAIL}"),
}


@pytest.mark.parametrize("code", FILES)
def test_no_sample_and_no_title_shows_what_is_secret_or_personal(code: str, tmp_path: Path):
    summary = told(tmp_path / "f.jsonl", *FILES[code], choice=ALL)
    fix = next(fix for fix in summary.fixes if fix.code == code)
    assert fix.samples or code.endswith("PREFIX_COMMON")
    shown = shows(summary)
    assert [piece for piece in pieces_of(SECRETS) if piece in shown] == []
    assert "[email]" in shown or "[secret_api_key]" in shown


def test_every_fix_that_shows_rows_is_among_them():
    of_the_file = {"FORMAT_NOT_JSONL", "BOM", "CRLF", "BLANK_LINE", "CHAT_NO_MESSAGES"}
    here_below = {"COMPLETION_UPPER_CASE", *SENSITIVE_CODES}
    assert FIXES.keys() - FILES.keys() == of_the_file | here_below


def test_a_secret_behind_escapes_or_cut_by_the_end_of_an_excerpt_is_not_shown(tmp_path: Path):
    escaped = json.dumps({"Prompt": MAIL, "completion": "x"}).replace("@", "\\u0040")
    summary = told(tmp_path / "f.jsonl", escaped, *rows())
    assert summary.fixes[0].samples[0].before == '{"Prompt":"[EMAIL]","completion":"x"}'
    for before in range(30, 60):
        line = {"Prompt": "é" * before + f" {TOKEN}", "completion": "x"}
        shown = shows(told(tmp_path / "f.jsonl", line, *rows()))
        assert [piece for piece in pieces_of([TOKEN], 7) if piece in shown] == []


def test_a_class_that_is_personal_is_no_part_of_the_command(tmp_path: Path):
    labels = [{"prompt": f"{n} ->", "completion": f" {(MAIL, 'x')[n % 2]}"} for n in range(9)]
    summary = told(tmp_path / "f.jsonl", *labels)
    assert summary.class_count == 2
    assert MAIL not in shows(summary)


def test_nothing_else_of_a_sample_is_changed(tmp_path: Path):
    line = '{"Prompt":  "a \\u00e9" , "completion": "x"}'
    summary = told(tmp_path / "f.jsonl", line, *rows())
    (sample,) = summary.fixes[0].samples
    assert (sample.before, sample.after) == (line, '{"prompt":"a é","completion":"x"}')


# --- taken out ------------------------------------------------------------------------------------

REDACTS = Choice(recommended=False, named=frozenset(SENSITIVE_CODES))
LOUD = {"prompt": f"Is {MAIL} mended ->", "completion": f" yes, with {KEY}, says {MAIL}"}
CHAT = {
    "messages": [
        {"role": "user", "content": f"Who is {MAIL}?", "name": MAIL},
        {"role": "assistant", "content": "I cannot say.", "weight": 0},
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": f"My token is {TOKEN}."},
    ]
}


def prepared(path: Path, *lines: object, choice: Choice = REDACTS, **options: Any) -> bytes:
    """What becomes of a file of these rows."""
    write(path, lines)
    out = path.with_name("out.jsonl")
    assert run(Job(str(path), out=(str(out),), choice=choice, **options)).prepared
    return out.read_bytes()


@pytest.mark.parametrize("rows", [[LOUD, GOOD], [CHAT]], ids=["completions", "chats"])
def test_what_is_redacted_is_what_a_policy_makes_of_the_same_rows(rows: list[Any], tmp_path: Path):
    plain = prepared(tmp_path / "f.jsonl", *rows, choice=Choice(recommended=False))
    made = prepared(tmp_path / "f.jsonl", *rows)
    redactor = RowRedactor(max_line_bytes=MAX_LINE_BYTES, format=Format.JSONL)
    assert made == redactor.feed(plain) + redactor.finish() != plain
    report = inspect_file(tmp_path / "out.jsonl", sensitive=Policy.WARN)
    assert not report.counts.keys() & {*SENSITIVE_CODES}
    assert prepared(tmp_path / "out.jsonl", *map(json.loads, made.splitlines())) == made


def test_either_is_taken_out_alone_and_neither_unless_it_is_named(tmp_path: Path):
    taken = {
        codes: json.loads(prepared(tmp_path / "f.jsonl", LOUD, GOOD, choice=choice).splitlines()[0])
        for codes, choice in (
            ("", Choice(recommended=False)),
            ("S", Choice(recommended=False, named=frozenset({"SECRET_FOUND"}))),
            ("P", Choice(recommended=False, named=frozenset({"PERSONAL_DATA_FOUND"}))),
            ("-", Choice(False, frozenset(SENSITIVE_CODES), frozenset(SENSITIVE_CODES))),
        )
    }
    assert taken[""] == taken["-"] == LOUD
    assert taken["S"] == {**LOUD, "completion": f" yes, with [SECRET_API_KEY], says {MAIL}"}
    assert taken["P"] == {
        "prompt": "Is [EMAIL] mended ->",
        "completion": f" yes, with {KEY}, says [EMAIL]",
    }


def test_it_is_told_by_kind_with_the_place_and_rows_that_become_the_same_are_one(tmp_path: Path):
    other = {"prompt": f"Is {MAIL} mended ->", "completion": " yes, with bob@gmail.com"}
    third = {"prompt": "Is ann@gmail.com mended ->", "completion": " yes, with bob@gmail.com"}
    choice = Choice(named=frozenset(SENSITIVE_CODES))
    fixes = {f.code: f for f in told(tmp_path / "f", LOUD, other, third, choice=choice).fixes}
    secret, personal = fixes["SECRET_FOUND"], fixes["PERSONAL_DATA_FOUND"]
    assert (secret.count, personal.count, fixes["DUPLICATE_ROWS"].count) == (1, 3, 1)
    assert personal.samples[1:] == (
        Sample(2, "(e-mail address)", "Is [EMAIL] mended ->"),
        Sample(3, "(e-mail address)", "Is [EMAIL] mended ->"),
    )
    assert (personal.need, personal.applied) == (Need.OPTIONAL, True)


def test_cut_and_spread_over_cores_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    many = [LOUD if n % 7 == 0 else {"prompt": f"{n} ->", "completion": " b"} for n in range(200)]
    whole = prepared(tmp_path / "f.jsonl", *many, cores=1)
    monkeypatch.setattr(pieces, "PIECE", 500)
    monkeypatch.setattr(pieces, "_WORTH_CORES", 0)
    assert prepared(tmp_path / "f.jsonl", *many, cores=2) == whole
