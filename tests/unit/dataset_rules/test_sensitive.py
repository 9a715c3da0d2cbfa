"""Secrets and personal data: recognised, told without being repeated, taken out."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tunesmith.dataset_rules import Inspector, Report, Severity, encode_report, inspect_file
from tunesmith.dataset_rules.sensitive import INSTALL, Kind, Policy, holds_sensitive, judged
from tunesmith.dataset_rules.sensitive.recogniser import compiled
from tunesmith.dataset_rules.sensitive.recognition import RECOGNISERS, recognise, recognise_each
from tunesmith.dataset_rules.sensitive.redaction import redact, redact_text
from tunesmith.dataset_rules.sensitive.rows import RowRedactor, UnreadableRow
from tunesmith.dataset_rules.shapes import Chat, Message, Preference, PromptCompletion

from tests.unit.dataset_rules.sensitive_cases import INNOCENT, PLANTED

CANARIES = ("canary.jane@gmail.com", "kV9!canary2", "+4930901820")
ROW = {
    "prompt": f"Who is {CANARIES[0]}?",
    "completion": f" password: {CANARIES[1]}, tel {CANARIES[2]}",
}


def report_of(*rows: object, sensitive: Policy = Policy.WARN) -> Report:
    inspector = Inspector(analyse=True, sensitive=sensitive)
    inspector.feed(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return inspector.finish()


@pytest.mark.parametrize(("kind", "marked"), PLANTED)
def test_what_was_planted_is_recognised_to_the_character(kind: Kind, marked: str) -> None:
    before, _, rest = marked.partition("«")
    meant, _, after = rest.partition("»")
    [match] = recognise(before + meant + after)
    assert (match.kind, (before + meant + after)[match.start : match.end]) == (kind, meant)


@pytest.mark.parametrize("text", INNOCENT)
def test_what_only_looks_sensitive_is_let_be(text: str) -> None:
    assert [match.kind for match in recognise(text)] == []


def test_each_recogniser_has_a_case_in_which_its_sign_is_found() -> None:
    texts = [marked.replace("«", "").replace("»", "").encode() for _, marked in PLANTED]
    for recogniser in RECOGNISERS:
        sign, pattern = compiled(recogniser.sign), compiled(recogniser.pattern)
        for text in texts:
            assert not pattern.search(text) or sign.search(text), recogniser


def test_many_texts_at_once_give_what_each_gives_alone() -> None:
    texts = [marked.replace("«", "").replace("»", "") for _, marked in PLANTED] + INNOCENT
    texts = [text for pair in zip(texts, reversed(texts), strict=True) for text in (*pair, "")]
    alone = [(index, found) for index, text in enumerate(texts) if (found := recognise(text))]
    assert list(recognise_each(texts)) == alone


@settings(deadline=None)
@given(st.lists(st.sampled_from([m for _, m in PLANTED] + INNOCENT + ["é", "\n", "👍 "])))
def test_places_are_counted_in_characters_and_do_not_overlap(parts: list[str]) -> None:
    text = " é ".join(parts)
    end = 0
    for match in recognise(text):
        assert end <= match.start < match.end <= len(text)
        end = match.end


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([m.replace("«", "").replace("»", "") for _, m in PLANTED] + INNOCENT),
            st.text(alphabet="aA1@.+-: =/\"'[]é", max_size=12),
            st.sampled_from([kind.placeholder for kind in Kind]),
        ),
        max_size=6,
    ),
    st.sampled_from(["", " ", "\n", "-", "."]),
)
def test_what_was_redacted_has_nothing_left_to_redact(parts: list[str], glue: str) -> None:
    redacted = redact_text(glue.join(parts))
    assert recognise(redacted) == []
    assert redact_text(redacted) == redacted


def test_a_redacted_row_differs_in_its_texts_alone() -> None:
    row = Chat(
        (
            Message("system", "Be brief."),
            Message("user", f"mail {CANARIES[0]}", name="anna"),
            Message("assistant", f"Ich rufe {CANARIES[2]} an, ü", weight=0),
        )
    )
    assert redact(row) == Chat(
        (
            Message("system", "Be brief."),
            Message("user", "mail [EMAIL]", name="anna"),
            Message("assistant", "Ich rufe [PHONE] an, ü", weight=0),
        )
    )
    sound = PromptCompletion("a", " b")
    assert redact(sound) == sound
    loud, hushed = (Message("user", text) for text in (CANARIES[0], "[EMAIL]"))
    assert redact(Preference((loud,), (loud,), (loud,))) == Preference(*[(hushed,)] * 3)


def redacted_file(data: bytes, step: int) -> tuple[bytes, int]:
    redactor = RowRedactor(max_line_bytes=2**20)
    pieces = [redactor.feed(data[at : at + step]) for at in range(0, len(data), step)]
    return b"".join([*pieces, redactor.finish()]), redactor.changed_rows


@pytest.mark.parametrize("step", [7, 64, 2**20])
def test_a_redacted_file_keeps_every_other_byte(step: int) -> None:
    sound = b'{ "prompt":"\\u0041 \xc3\xa9",  "completion": " b", "id": 1.50 }\n'
    other = {"messages": [{"role": "user", "content": "hi", "name": "anna"}], "n": 1, "by": None}
    loud = {"by": {"mail": [CANARIES[0], "x"]}, "messages": other["messages"], "n": 1}
    data = sound + json.dumps(loud).encode() + b"\n\n" + sound + json.dumps(ROW).encode()
    redacted, changed = redacted_file(data, step)
    lines = redacted.splitlines(keepends=True)
    assert (lines[0], lines[2], lines[3], changed) == (sound, b"\n", sound, 2)
    assert json.loads(lines[1]) == loud | {"by": {"mail": ["[EMAIL]", "x"]}}
    assert list(json.loads(lines[1])) == list(loud)
    assert json.loads(lines[4]) == {
        "prompt": "Who is [EMAIL]?",
        "completion": " password: [SECRET_PASSWORD], tel [PHONE]",
    }
    assert redacted_file(redacted, step) == (redacted, 0)


def test_a_row_that_cannot_be_read_is_not_passed_on() -> None:
    with pytest.raises(UnreadableRow, match="line 2"):
        redacted_file(b'{"prompt":"a","completion":"b"}\n{"prompt": jane@gmail.com}\n', 2**20)


_PIECES = [
    *("a", "1", "@", "a@", "1.", "1-", "+1 ", "é", "\0", "bc1", "A1", "DE89", "GB82 WEST "),
    *("sk-", "eyJ", "eyJaaaaaaaa.", "-----BEGIN " + "PRIVATE KEY-----\n", "authorization: bearer "),
    *("password=", "password: ", "password='", "://a:b", "x@y.z ", "2001:", "2001::"),
    *(" 4111 1111 1111 1112", "(415) 555-"),
]


@pytest.mark.parametrize("piece", _PIECES)
def test_a_hostile_text_takes_seconds_at_most(piece: str) -> None:
    text = piece * (2**20 // len(piece.encode()))
    start = time.process_time()
    assert recognise(text) == []
    assert time.process_time() - start < 10


def test_twice_the_text_takes_about_twice_the_time() -> None:
    def seconds(text: str) -> float:
        start = time.process_time()
        assert recognise(text)
        return time.process_time() - start

    text = "mail jane@gmail.com, +49 30 901820, 4111 1111 1111 1111; " * 1000
    seconds(text)
    assert seconds(text * 4) < 16 * seconds(text)  # were it quadratic, in its worst part: 16


def test_a_finding_tells_the_kind_and_the_place_and_no_more() -> None:
    report = report_of({"prompt": "Hi", "completion": " there"}, ROW)
    found = [f for f in report.findings if f.code in ("SECRET_FOUND", "PERSONAL_DATA_FOUND")]
    assert [(f.code, f.line, f.pointer, f.count, f.severity, f.message) for f in found] == [
        ("SECRET_FOUND", 2, "/completion", 1, "warning", "SECRET_PASSWORD: 1 password in the text"),
        ("PERSONAL_DATA_FOUND", 2, "/prompt", 1, "warning", "EMAIL: 1 e-mail address in the text"),
        (
            "PERSONAL_DATA_FOUND",
            2,
            "/completion",
            1,
            "warning",
            "PHONE: 1 phone number in the text",
        ),
    ]
    assert report.valid
    assert report.sensitive_searched


def test_a_message_of_a_conversation_is_pointed_at() -> None:
    turns = [("user", "Hi"), ("assistant", f"I am {CANARIES[0]} or jane@gmail.com")]
    report = report_of({"messages": [{"role": role, "content": text} for role, text in turns]})
    [found] = [f for f in report.findings if f.code == "PERSONAL_DATA_FOUND"]
    assert (found.pointer, found.count) == ("/messages/1/content", 2)


def test_each_answer_of_a_pair_is_pointed_at() -> None:
    def turn(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": text}]

    row = {
        "input": {"messages": turn("user", CANARIES[0])},
        "preferred_output": turn("assistant", CANARIES[0]),
        "non_preferred_output": turn("assistant", CANARIES[2]),
    }
    found = [f for f in report_of(row).findings if f.code == "PERSONAL_DATA_FOUND"]
    assert [f.pointer for f in found] == [
        "/input/messages/0/content",
        "/preferred_output/0/content",
        "/non_preferred_output/0/content",
    ]


@pytest.mark.parametrize("policy", Policy)
def test_nothing_that_was_recognised_is_in_the_report(policy: Policy) -> None:
    labels = [{"prompt": f"q{i}", "completion": " " + CANARIES[i % 2 * 2]} for i in range(200)]
    rare = [*({"prompt": f"q{i}", "completion": " yes"} for i in range(50)), ROW]
    for rows in ([ROW] * 300, labels, rare):
        encoded = json.dumps(encode_report(report_of(*rows, sensitive=policy)))
        assert policy is Policy.OFF or "FOUND" in encoded
        if policy is not Policy.OFF:
            assert not [canary for canary in CANARIES if canary in encoded]


def test_places_beyond_the_first_hundred_are_counted() -> None:
    report = report_of(*[ROW] * 300)
    assert report.counts["SECRET_FOUND"] == 300
    assert report.counts["PERSONAL_DATA_FOUND"] == 600
    secrets = [f for f in report.findings if f.code == "SECRET_FOUND"]
    assert len(secrets) == 101
    assert (secrets[0].line, secrets[0].count) == (0, 300)


def test_the_pieces_that_a_file_comes_in_change_nothing() -> None:
    data = b"".join(json.dumps(ROW | {"prompt": f"{n}"}).encode() + b"\n" for n in range(250))
    whole = Inspector(analyse=True, sensitive=Policy.WARN)
    whole.feed(data)
    pieces = Inspector(analyse=True, sensitive=Policy.WARN)
    for at in range(0, len(data), 997):
        pieces.feed(data[at : at + 997])
    assert pieces.finish() == whole.finish()


def test_what_is_blocked_is_an_error_and_makes_the_dataset_invalid() -> None:
    report = report_of(ROW, sensitive=Policy.BLOCK)
    assert not report.valid
    severities = {f.code: f.severity for f in report.findings}
    assert severities["SECRET_FOUND"] == severities["PERSONAL_DATA_FOUND"] == Severity.ERROR
    assert report_of({"prompt": "a", "completion": " b"}, sensitive=Policy.BLOCK).valid


def test_another_policy_can_judge_a_report_later() -> None:
    warned = report_of(ROW)
    assert judged(warned, Policy.BLOCK) == report_of(ROW, sensitive=Policy.BLOCK)
    assert judged(warned, Policy.REDACT) == judged(warned, Policy.WARN) == warned
    never = report_of(ROW, sensitive=Policy.OFF)
    off = judged(warned, Policy.OFF)
    assert not holds_sensitive(off)
    assert replace(off, statistics=never.statistics) == never


_WITHOUT = """
import sys

for name in ("re2", "phonenumbers", "stdnum", "publicsuffixlist"):
    sys.modules[name] = None
from tunesmith.dataset_rules import inspect_file
from tunesmith.dataset_rules.sensitive import Policy, SensitiveUnavailable
report = inspect_file(sys.argv[1])
print(report.valid, report.sensitive_searched, sorted(report.counts))
try:
    inspect_file(sys.argv[1], sensitive=Policy.WARN)
except SensitiveUnavailable as error:
    print(error)
"""


def test_without_the_extra_the_report_says_that_it_was_not_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW))
    said = subprocess.run(
        [sys.executable, "-c", _WITHOUT, path], capture_output=True, text=True, check=True
    ).stdout
    assert said.splitlines() == [
        "True False ['TOO_FEW_EXAMPLES']",
        f"secrets and personal data cannot be looked for without: {INSTALL}",
    ]
    assert inspect_file(path, sensitive=Policy.WARN).sensitive_searched
