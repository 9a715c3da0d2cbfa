"""Which format a file is taken for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith.dataset_rules import Format
from tunesmith.dataset_rules.sources.detection import detect

from tests.unit.dataset_rules.sources.reading import cut, read

GOOD = b'{"prompt":"a","completion":"b"}'


@pytest.mark.parametrize(
    ("content", "name", "format"),
    [
        (GOOD, "", Format.JSONL),
        (GOOD + b"\n" + GOOD, "a.json", Format.JSONL),
        (b'{\n"prompt": "a", "completion": "b"}', "", Format.JSON),
        (b'{"prompt":\n"a"}', "a.json", Format.JSON),
        (b'{"prompt":\n"a"}', "", Format.JSONL),
        (b"[" + GOOD + b"]", "", Format.JSON),
        (b"\n [\n" + GOOD + b"]", "a.jsonl", Format.JSON),
        (b"[]", "", Format.JSON),
        (b"[1]\n[2]\n", "", Format.JSONL),
        (b"[1]\n\nx", "a.jsonl", Format.JSONL),
        (b"[verse]\nla la\n", "a.txt", Format.TXT),
        (b"{smile}\n", "a.txt", Format.TXT),
        (GOOD, "a.txt", Format.JSONL),
        (b"hello", "a.txt", Format.TXT),
        (b"hello", "a.txt.gz", Format.TXT),
        (b"hello", "../../etc/A.TXT", Format.TXT),
        (b"hello", "", Format.JSONL),
        (b"prompt,completion", "", Format.CSV),
        (b'"Prompt","Completion"', "a.jsonl", Format.CSV),
        (b"prompt\tcompletion\n", "a.csv", Format.TSV),
        (b"a,b\n", "a.csv", Format.CSV),
        (b"a\n", "a.tsv", Format.TSV),
        (b"prompt,completion\n", "a.xlsx", Format.CSV),
        (b"", "a.csv", Format.CSV),
        (b" \n", "", Format.JSONL),
        (b"[" + b" " * 70_000, "", Format.JSON),
        (b"[" + b"1," * 70_000, "", Format.JSON),
    ],
)
def test_the_content_decides_and_then_the_name(content: bytes, name: str, format: Format) -> None:
    for size in (1, 5, 10**6):
        assert read(*cut(content, size), name=name).format is format


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"prompt,completion\n", "a.jsonl"), (GOOD, "a.csv"), (b"[" + GOOD + b"]", "a.tsv.gz")],
)
def test_a_name_that_says_something_else_is_mentioned(content: bytes, name: str) -> None:
    assert "FORMAT_MISMATCH" in read(content, name=name).codes


def test_what_was_told_is_not_doubted() -> None:
    assert read(GOOD, format=Format.TXT, name="a.csv").rows == [
        {"prompt": "", "completion": GOOD.decode()}
    ]
    assert read(b"PK\x03\x04" + bytes(20), format=Format.CSV).codes == ["FORMAT_UNSUPPORTED"]
    assert read(GOOD, format=Format.XLSX).messages == ["the file is not an Excel workbook"]


@given(
    text=st.text('[]{}"\\,: \n\tprompcelin1', max_size=40).map(str.encode)
    | st.sampled_from([b"[", b"{", b"prompt,completion", b"\n", b'{"a":1}\n']).map(lambda p: p * 3),
    name=st.sampled_from(["", "a.jsonl", "a.json", "a.csv", "a.txt", "a.xlsx"]),
)
def test_more_text_never_changes_the_answer(text: bytes, name: str) -> None:
    final = detect(text, complete=True, file_name=name)
    assert final is not None
    for end in range(len(text)):
        assert detect(text[:end], complete=False, file_name=name) in (None, final)


@pytest.mark.parametrize(
    "name",
    [
        *("../../../etc/passwd", "C:\\con\\..\\x", "\0.csv", "a\0b", "." * 4096, "\u2024\u2024/x"),
        *("\ud800", "~", "a" * 4096 + ".csv", "nul", "-rf", "a.csv/", "\u202evsc.a", ".gz", ".csv"),
    ],
)
def test_names_are_only_looked_at(name: str) -> None:
    assert read(GOOD, name=name).rows


def test_lines_of_text_are_completions_and_blank_ones_are_none() -> None:
    found = read(b"hello\r\n\n  \nworld, {x}\n", format=Format.TXT)
    assert list(zip(found.numbers, found.rows, strict=True)) == [
        (1, {"prompt": "", "completion": "hello"}),
        (4, {"prompt": "", "completion": "world, {x}"}),
    ]


@given(
    lines=st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), min_size=1)),
    size=st.integers(1, 30),
)
def test_lines_of_text_are_given_back(lines: list[str], size: int) -> None:
    lines = [f"x{line}." for line in lines]
    content = "".join(f"{line}\n" for line in lines).encode()
    found = read(*cut(content, size), format=Format.TXT)
    assert [row["completion"] for row in found.rows] == lines
