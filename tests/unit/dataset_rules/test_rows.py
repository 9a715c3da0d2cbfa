"""One row, one verdict: precise, bounded, and the same from every way through the code."""

import json
from typing import Any

import pytest
from tunesmith.dataset_rules import RULES, Finding, Inspector, Report, Severity, Shape
from tunesmith.dataset_rules.examine import examine

from tests.unit.dataset_rules.corpus import (
    CHATS,
    GOOD,
    GOOD_CHAT,
    GOOD_PREFERENCE,
    PREFERENCES,
    ROWS,
    Case,
)

CASES = [
    *(pytest.param(Shape.PROMPT_COMPLETION, c, id=f"row: {name}") for name, c in ROWS.items()),
    *(pytest.param(Shape.CHAT, case, id=f"chat: {name}") for name, case in CHATS.items()),
    *(pytest.param(Shape.PREFERENCE, c, id=f"pair: {name}") for name, c in PREFERENCES.items()),
]
FIRST = {Shape.PROMPT_COMPLETION: GOOD, Shape.CHAT: GOOD_CHAT, Shape.PREFERENCE: GOOD_PREFERENCE}


def report_on(content: bytes, shape: Shape | None = None) -> Report:
    inspector = Inspector(shape=shape)
    inspector.feed(content)
    return inspector.finish()


def row_findings(report: Report) -> list[Finding]:
    return [f for f in report.findings if f.line and f.code != "CRLF"]


@pytest.mark.parametrize(("shape", "case"), CASES)
def test_a_row_gets_the_findings_it_deserves(shape: Shape, case: Case) -> None:
    report = report_on(FIRST[shape] + b"\n" + case.line + b"\n" + FIRST[shape])
    found = row_findings(report)
    assert sorted(f.code for f in found) == sorted(case.codes)
    assert {f.line for f in found} <= {2}
    assert case.says in " ".join(f.message for f in found)
    errors = [code for code in case.codes if RULES[code].severity is Severity.ERROR]
    assert report.valid is not bool(errors)
    assert report.example_count == 2 + (not errors and case.codes != ["BLANK_LINE"])


@pytest.mark.parametrize(("shape", "case"), CASES)
def test_the_fast_way_and_the_slow_way_agree(shape: Shape, case: Case) -> None:
    verdict = examine(case.line, shape)
    assert sorted(problem.code for problem in verdict.problems) == sorted(case.codes)
    report = report_on(case.line, shape)
    assert report.example_count == (verdict.example is not None)


@pytest.mark.parametrize(("shape", "case"), CASES)
def test_what_is_said_is_short_printable_and_helpful(shape: Shape, case: Case) -> None:
    for finding in row_findings(report_on(case.line, shape)):
        assert len(finding.message) < 250
        assert len(finding.pointer) < 100
        for text in (finding.message, finding.suggestion, finding.pointer):
            assert not any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in text)
            json.dumps(text).encode()
        assert finding.suggestion.endswith((".", "}."))


@pytest.mark.parametrize(("shape", "case"), CASES)
def test_a_pointer_leads_to_a_value_of_the_row(shape: Shape, case: Case) -> None:
    for finding in row_findings(report_on(case.line, shape)):
        value: Any = json.loads(case.line) if finding.pointer else None
        for step in finding.pointer.split("/")[1:]:
            value = value[int(step)] if isinstance(value, list) else value[step]


def test_every_rule_is_documented_and_met_by_a_test() -> None:
    for rule in RULES.values():
        assert rule.title
        assert rule.why.endswith(".")
        assert rule.suggestion.endswith(".")
    of_rows = {
        code
        for case in (*ROWS.values(), *CHATS.values(), *PREFERENCES.values())
        for code in case.codes
    }
    of_files = {  # in test_files.py
        "FILE_EMPTY",
        "FORMAT_UNSUPPORTED",
        "TOO_FEW_EXAMPLES",
        "DUPLICATE_ROWS",
        "CRLF",
        "LINE_TOO_LONG",
        "PROMPT_EMPTY",
    }
    of_analysis = {  # in test_analysis.py
        "NEAR_DUPLICATE_ROWS",
        "CLASS_VARIANTS",
        "CLASS_IMBALANCE",
        "CLASS_SMALL",
        "SEPARATORS_MIXED",
        "LEAKAGE",
        "NEAR_LEAKAGE",
        "SECRET_FOUND",
        "PERSONAL_DATA_FOUND",
    }
    of_sources = {  # in sources/
        "CELLS_MISSING",
        "CELLS_TOO_MANY",
        "CELL_FAILED",
        "CELL_FORMULA",
        "EXPANDS_TOO_FAR",
        "FORMAT_MISMATCH",
        "GZIP_BROKEN",
        "HEADER_INVALID",
        "RECORD_INVALID",
        "SHEETS_IGNORED",
        "WORKBOOK_BROKEN",
    }
    of_columns = {  # in tests/legacy_tool, and PROMPTS_ and COMPLETIONS_IDENTICAL there, too
        code for code in RULES if code.startswith(("PROMPT", "COMPLETION")) or code == "LONG_ROWS"
    }
    assert of_rows | of_files | of_analysis | of_sources | of_columns == RULES.keys()


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        (b"{", "several lines"),
        (b"question,answer", "CSV"),
        (b"{'prompt': 'a'}", "json.dumps"),
        (b'{"Prompt":"a","completion":"b"}', 'Rename "Prompt" to "prompt".'),
        (b'{"prompt":"caf\xe9 au lait","completion":"b"}', "Latin-1"),
        (b'{"a":"\0\0\0\0\0\xff"', "UTF-16"),
        (b'{"a":"\0\0\0\0\0"', "UTF-16"),
        (CHATS["role in capitals"].line, 'Write "user".'),
    ],
)
def test_the_suggestion_fits_how_it_came_about(line: bytes, advice: str) -> None:
    assert any(advice in finding.suggestion for finding in report_on(line).findings)
