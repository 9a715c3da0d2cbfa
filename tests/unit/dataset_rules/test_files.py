"""Whole files: however they are cut into pieces, however hostile."""

import hashlib
import json
import random
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tunesmith.dataset_rules import (
    NOT_TRAINED,
    Finding,
    Format,
    Inspector,
    Report,
    Severity,
    Shape,
    Statistics,
    UnsoundRow,
    decode_report,
    encode_report,
    examples,
    inspect_file,
    normalise,
)
from tunesmith.dataset_rules.analysis import prints

from tests.unit.dataset_rules.corpus import CHATS, GOOD, GOOD_CHAT, PREFERENCES, ROWS, row

_CASES = (*ROWS.values(), *CHATS.values(), *PREFERENCES.values())
LINES = [case.line for case in _CASES if len(case.line) < 2000]
FILES = st.lists(st.sampled_from(LINES) | st.binary(max_size=60), max_size=12).flatmap(
    lambda lines: st.sampled_from([b"\n", b"\r\n"]).map(lambda end: end.join(lines))
)


def inspect(*pieces: bytes, **options: int) -> tuple[Report, list[Finding]]:
    inspector = Inspector(analyse=True, **options)  # type: ignore[arg-type]
    told = [finding for piece in pieces for finding in inspector.feed(piece)]
    return inspector.finish(), told


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def many(count: int) -> bytes:
    return b"".join(row(prompt=f"p{i} ->", completion=f" c{i}.") + b"\n" for i in range(count))


@settings(deadline=None, max_examples=1000)
@given(content=FILES, cuts=st.lists(st.integers(0, 400), max_size=8), limit=st.integers(20, 90))
def test_the_sizes_of_the_pieces_change_nothing(
    content: bytes, cuts: list[int], limit: int
) -> None:
    places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    pieces = [content[a:b] for a, b in pairwise(places)]
    report, told = inspect(*pieces, max_line_bytes=limit, findings_per_code=2)
    for other in ([content], [content[i : i + 1] for i in range(len(content))]):
        again, told_again = inspect(*other, max_line_bytes=limit, findings_per_code=2)
        assert again == report
        # What only the end of the file can show is in the report and not told before.
        shorter, longer = sorted((told, told_again), key=len)
        assert longer[: len(shorter)] == shorter
    assert set(told) <= set(report.findings)


@settings(deadline=None, max_examples=1000)
@given(content=st.binary(max_size=300) | FILES, shape=st.sampled_from([None, *Shape]))
def test_no_bytes_at_all_raise_anything(content: bytes, shape: Shape | None) -> None:
    inspector = Inspector(shape=shape)
    inspector.feed(content)
    report = inspector.finish()
    assert report.sha256 == hashlib.sha256(content).hexdigest()
    assert report.size_bytes == len(content)
    assert decode_report(json.loads(json.dumps(encode_report(report)))) == report
    errors = any(f.severity is Severity.ERROR for f in report.findings)
    assert report.valid is (report.example_count > 0 and not errors)
    assert sum(report.counts.values()) >= len(set(codes(report)))


@settings(deadline=None, max_examples=400)
@given(content=FILES, shape=st.sampled_from([None, *Shape]))
def test_without_the_analysis_the_report_says_the_same_of_every_row(
    content: bytes, shape: Shape | None
) -> None:
    quick, full = Inspector(shape=shape), Inspector(shape=shape, analyse=True)
    assert quick.feed(content) == full.feed(content)
    first, whole = quick.finish(), full.finish()
    assert (first.analysed, whole.analysed) == (False, True)
    added = [finding for finding in whole.findings if finding not in first.findings]
    assert all(finding.severity is not Severity.ERROR for finding in added)
    assert first == replace(
        whole,
        analysed=False,
        findings=tuple(finding for finding in whole.findings if finding not in added),
        counts={code: n for code, n in whole.counts.items() if code in first.counts},
        statistics=Statistics(),
    )


@settings(deadline=None, max_examples=1000)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"prompt": st.text(max_size=30), "completion": st.text(min_size=1, max_size=30)}
        ),
        min_size=1,
        max_size=10,
    ),
    ascii_only=st.booleans(),
)
def test_whatever_json_dumps_writes_is_taken_and_given_back(
    rows: list[dict[str, str]], ascii_only: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "rows.jsonl"
    path.write_text("\n".join(json.dumps(r, ensure_ascii=ascii_only) for r in rows), "utf-8")
    report = inspect_file(path)
    assert report.valid
    assert report.example_count == len(rows)
    assert list(examples(path, Shape.PROMPT_COMPLETION)) == rows
    lengths = [[len(r[f].encode()) for f in ("prompt", "completion")] for r in rows]
    assert report.statistics.prompt_bytes == sum(p for p, _ in lengths)
    assert report.statistics.completion_bytes == sum(c for _, c in lengths)
    assert report.statistics.longest_example_bytes == max(map(sum, lengths))
    assert report.text_bytes == sum(map(sum, lengths))
    distinct = len({(r["prompt"], r["completion"]) for r in rows})
    assert report.counts.get("DUPLICATE_ROWS", 0) == len(rows) - distinct


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_a_file_without_an_example_is_empty(content: bytes) -> None:
    report, _ = inspect(content)
    assert not report.valid
    assert report.shape is None
    assert "FILE_EMPTY" in codes(report)


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"PAR1\x15\x04\n\n{", "FORMAT_UNSUPPORTED", "Parquet"),
        (b"%PDF-1.7\n\n\n", "FORMAT_UNSUPPORTED", "PDF"),
        ("\ufeff{}\n{}".encode("utf-32-le"), "ENCODING_INVALID", "UTF-32"),
        ("{}\n{}".encode("utf-32-be"), "ENCODING_INVALID", "UTF-32"),
    ],
)
def test_a_foreign_format_is_named_once(content: bytes, code: str, says: str) -> None:
    report, _ = inspect(content)
    assert codes(report) == [code]
    assert says in report.findings[0].message
    assert not report.valid


def test_windows_files_with_a_byte_order_mark_are_taken() -> None:
    report, _ = inspect(b"\xef\xbb\xbf" + many(150).replace(b"\n", b"\r\n"))
    assert report.valid
    assert report.example_count == 150
    assert [(f.code, f.line, f.count) for f in report.findings] == [("BOM", 1, 1), ("CRLF", 1, 150)]
    assert {f.severity for f in report.findings} == {Severity.INFO}


def test_the_last_line_needs_no_line_feed() -> None:
    report, _ = inspect(many(150)[:-1])
    assert report.valid
    assert report.example_count == 150
    assert not report.findings


def test_few_examples_are_warned_of() -> None:
    assert codes(inspect(many(99))[0]) == ["TOO_FEW_EXAMPLES"]
    assert codes(inspect(many(100))[0]) == []


def test_the_first_sound_row_decides_the_shape() -> None:
    report, _ = inspect(b'{"messages":[]}\n' + GOOD + b"\n" + GOOD_CHAT)
    assert report.shape is Shape.PROMPT_COMPLETION
    assert [(f.line, f.code) for f in report.findings if f.line] == [
        (1, "CHAT_NO_MESSAGES"),
        (3, "MIXED_SHAPES"),
    ]


def test_a_shape_that_was_told_is_not_guessed() -> None:
    inspector = Inspector(shape=Shape.CHAT)
    inspector.feed(GOOD)
    report = inspector.finish()
    assert report.shape is Shape.CHAT
    assert "MIXED_SHAPES" in codes(report)


def test_of_many_findings_some_are_listed_and_all_are_counted() -> None:
    report, told = inspect(b"{]\n" * 1234 + many(200), findings_per_code=10)
    listed = [f for f in report.findings if f.code == "JSON_INVALID"]
    assert len(told) == 10
    assert [f.line for f in listed] == [0, *range(1, 11)]
    assert listed[0].count == 1234
    assert "1,234" in listed[0].message
    assert report.counts == {"JSON_INVALID": 1234}


def test_findings_come_while_the_file_comes() -> None:
    inspector = Inspector()
    assert inspector.feed(b'{"prompt":"a",') == []
    assert [(f.line, f.code) for f in inspector.feed(b"}\n{")] == [(1, "JSON_INVALID")]
    assert str(inspector.finish().findings[0]).startswith("line 1: not valid JSON: trailing comma")
    assert inspector.finish() is inspector.finish()
    with pytest.raises(RuntimeError):
        inspector.feed(b"more")


@pytest.mark.parametrize("remembered", [500_000, 150, 0])
def test_repeated_rows_are_counted(remembered: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prints, "MAX_REMEMBERED", remembered)
    content = many(120) + b"{}\n" + many(120) + many(60) + many(300)
    report, _ = inspect(content)
    again, _ = inspect(*(content[i : i + 700] for i in range(0, len(content), 700)))
    assert again == report
    finding = next((f for f in report.findings if f.code == "DUPLICATE_ROWS"), None)
    if remembered:
        assert finding is not None
        assert (finding.count, finding.line) == (300, 0)
        assert "line 122" in finding.message
    else:
        assert finding is None


def test_rows_that_differ_in_white_space_only_are_the_same() -> None:
    report, _ = inspect(GOOD + b"\n" + GOOD.replace(b",", b" , ") + b"\n" + GOOD)
    assert report.counts["DUPLICATE_ROWS"] == 2


def test_classes_are_counted_where_completions_are_labels() -> None:
    rows = [row(prompt=str(i), completion=" yes" if i % 3 else " no") for i in range(120)]
    assert list((inspect(b"\n".join(rows))[0].statistics.class_counts or {}).items()) == [
        (" yes", 80),
        (" no", 40),
    ]
    assert inspect(many(51))[0].statistics.class_counts is None
    assert inspect(row(prompt="a", completion="x" * 65))[0].statistics.class_counts is None


def test_some_empty_prompts_are_warned_of_but_not_all() -> None:
    empty = b'{"prompt":"","completion":" %d."}\n'
    report, _ = inspect(many(100) + empty % 1 + empty % 2)
    found = [(f.code, f.count) for f in report.findings]
    assert found == [("PROMPT_SUFFIX_MISSING", 102), ("PROMPT_EMPTY", 2)]
    assert report.valid
    assert codes(inspect(b"".join(empty % i for i in range(100)))[0]) == []


def test_of_a_conversation_all_text_counts_and_what_is_learnt_apart() -> None:
    report, _ = inspect(CHATS["several turns"].line)
    assert report.statistics == Statistics(
        prompt_bytes=3, completion_bytes=1, longest_example_bytes=4, message_count=4
    )
    assert report.text_bytes == 4


# --- hostile files ------------------------------------------------------------------------------


def test_a_line_without_an_end_takes_no_memory() -> None:
    inspector = Inspector(max_line_bytes=2**20)
    piece = b"x" * 2**20
    tracemalloc.start()
    for _ in range(256):
        inspector.feed(piece)
    inspector.feed(b"\n" + many(100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    report = inspector.finish()
    assert peak < 8 * 2**20
    assert [(f.code, f.line) for f in report.findings] == [("LINE_TOO_LONG", 1)]
    assert f"{256 * 2**20:,} bytes" in report.findings[0].message
    assert report.example_count == 100


def test_one_huge_piece_takes_little_more_memory_than_itself() -> None:
    content = many(20_000) * 5
    tracemalloc.start()
    report, _ = inspect(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.example_count == 100_000
    assert peak < 12 * 2**20


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 2_000_000,
        b"[]," * 700_000,
        b'{"a":' * 400_000,
        b'"' * 2_000_001,
        b"\\" * 2_000_000,
        b'{"prompt":"' + b"\\q" * 1_000_000 + b'"}',
        b'{"prompt":"' + b'\\"' * 1_000_000 + b'","completion":"b"',
        b'{"messages":[' + b"1," * 1_000_000 + b"1]}",
        b"{" + b",".join(b'"k%d":0' % i for i in range(200_000)) + b"}",
        b'{"' + b"k" * 2_000_000 + b'":1}',
        b'{"prompt":' + b"9" * 2_000_000 + b"}",
        b"\xff" * 2_000_000,
        b" " * 2_000_000,
    ],
    ids=lambda line: repr(line[:12]),
)
@pytest.mark.timeout(5)
def test_a_hostile_line_of_megabytes_is_answered_quickly_and_shortly(line: bytes) -> None:
    report, _ = inspect(line + b"\n" + line)
    assert len(json.dumps(encode_report(report))) < 6000
    assert not report.valid


def test_terminal_tricks_in_a_text_are_not_repeated() -> None:
    tricks = "\x1b]0;owned\x07\u202egnirts\u200b\u2066\ufeff"
    line = f'{{"prompt":"a","{json.dumps(tricks)[1:-1]}":1,"completion":"b"}}'.encode()
    for content in (line, f'{{"prompt": {tricks}}}'.encode()):
        for finding in inspect(content)[0].findings:
            assert not set(tricks) & set(finding.message) & set("\x1b\x07\u202e\u200b\u2066\ufeff")


# --- for the trainer ----------------------------------------------------------------------------


def test_a_tolerated_file_becomes_plain_rows(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(
        b'\xef\xbb\xbf{"prompt":"a\\u00e9","completion":" b","id":1}\r\n \r\n\r\n' + GOOD
    )
    assert normalise(source, target, Shape.PROMPT_COMPLETION) == 2
    assert target.read_bytes() == '{"prompt":"aé","completion":" b"}\n'.encode() + GOOD + b"\n"
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", "out.jsonl"}


def test_conversations_keep_what_training_uses(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(
        CHATS["with system, weight and name"].line + b"\n" + CHATS["several turns"].line
    )
    first, second = examples(source, Shape.CHAT)
    assert first["messages"][2] == {"role": "assistant", "content": "b"}
    assert first["messages"][1] == {"role": "user", "content": "a"}
    assert second["messages"][1] == {"role": "assistant", "content": "x", "weight": 0}


def test_an_unsound_row_stops_and_leaves_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(many(3) + b"{}\n")
    with pytest.raises(UnsoundRow, match="line 4") as caught:
        normalise(source, target, Shape.PROMPT_COMPLETION)
    assert caught.value.line == 4
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl"}


@settings(deadline=None, max_examples=1000)
@given(content=FILES, shape=st.sampled_from(list(Shape)))
def test_the_trainer_gets_exactly_the_examples_that_were_counted(
    content: bytes, shape: Shape, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "in").write_bytes(content)
    report = inspect_file(folder / "in", shape=shape)
    try:
        count = normalise(folder / "in", folder / "out", shape)
    except UnsoundRow:
        assert not report.valid or report.counts.keys() & NOT_TRAINED
        return
    assert count == report.example_count
    rows = [json.loads(line) for line in (folder / "out").read_text("utf-8").splitlines()]
    assert len(rows) == count
    again = inspect_file(folder / "out", shape=shape)
    if count:
        assert again.statistics == report.statistics
        assert again.valid


def test_a_large_file_is_the_same_in_one_piece_and_in_many(tmp_path: Path) -> None:
    lines = [case.line for case in ROWS.values()] + [GOOD] * 20
    content = b"\n".join([GOOD, *random.Random(7).choices(lines, k=300)])
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(content)
    report, _ = inspect(*(content[i : i + 65_537] for i in range(0, len(content), 65_537)))
    assert inspect_file(path) == report == inspect(content)[0]


def test_rows_that_share_a_line_are_told_apart():
    content = b'[{"prompt": "a", "completion": " b"}, 1, {"prompt": "a", "completion": " b"}]'
    inspector = Inspector(format=Format.JSON, analyse=True)
    inspector.feed(content)
    report = inspector.finish()
    assert report.example_count == 2
    assert (report.counts["DUPLICATE_ROWS"], report.counts["NOT_AN_OBJECT"]) == (1, 1)
