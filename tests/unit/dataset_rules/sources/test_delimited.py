"""CSV and TSV."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tunesmith.dataset_rules import Format

from tests.unit.dataset_rules.sources.reading import cut, read

# a lone carriage return is quoted by Python's writer; a NUL it refuses to write
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
CELLS = TEXT | st.text('",;\t\r\n a', max_size=8)
HEADER = b"prompt,completion\n"


@given(
    rows=st.lists(st.tuples(CELLS, CELLS), max_size=8),
    tabs=st.booleans(),
    # for the other end Python leaves a carriage return without the quotes it needs
    style=st.sampled_from([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n")]),
    size=st.integers(1, 50),
)
@example(rows=[("", "")], tabs=False, style=(csv.QUOTE_MINIMAL, "\r\n"), size=1)
def test_what_pythons_writer_writes_is_given_back(
    rows: list[tuple[str, str]], tabs: bool, style: tuple[int, str], size: int
) -> None:
    file = io.StringIO()
    delimiter, format = ("\t", Format.TSV) if tabs else (",", Format.CSV)
    quoting, end = style
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerows([("prompt", "completion"), *rows])
    content = file.getvalue().encode()
    found = read(content, format=format)
    assert [(row["prompt"], row["completion"]) for row in found.rows] == rows
    assert not found.problems
    assert read(*cut(content, size), format=format) == found


@given(content=st.text('",\r\na\0é\ufeff', max_size=60), size=st.integers(1, 20))
def test_pieces_do_not_matter_whatever_the_text(content: str, size: int) -> None:
    file = HEADER + content.encode()
    for limit in (25, 2**20):
        found = read(file, format=Format.CSV, limit=limit)
        assert read(*cut(file, size), format=Format.CSV, limit=limit) == found


@given(content=st.text('",\na', max_size=40))
def test_a_sound_text_is_read_as_python_reads_it(content: str) -> None:
    try:
        rows = list(csv.reader(io.StringIO(content, newline=""), strict=True))
    except csv.Error:
        return
    found = read(HEADER + content.encode(), format=Format.CSV)
    assert [[row["prompt"], row["completion"]] for row in found.rows] == [
        [*row, ""][:2] for row in rows if row and not any(row[2:])
    ]


def test_records_are_numbered_by_their_first_line() -> None:
    found = read(HEADER + b'\n"a\n\nb",c\nd,"\n"\n\ne,f')
    assert found.format is Format.CSV
    assert found.numbers == [3, 6, 9]


def test_words_for_nothing_are_text() -> None:
    words = ["NA", "null", "None", "nan", "NaN", "#N/A", "TRUE", "1e400", "=cmd|' /C calc'!A0"]
    found = read(HEADER + "".join(f"{word},{word}\n" for word in words).encode())
    assert [row["completion"] for row in found.rows] == words
    assert not found.problems


@pytest.mark.parametrize(
    ("record", "code", "says"),
    [
        (b"a", "CELLS_MISSING", "1 cell, but there are 2 columns"),
        (b"a,b,c", "CELLS_TOO_MANY", "the first cell too many is `c`"),
        (b'"a"b,c', "RECORD_INVALID", "after a closing quote"),
        (b"a\rb,c", "RECORD_INVALID", "carriage return without a line feed"),
        (b'"a,b', "RECORD_INVALID", "never closed"),
    ],
)
def test_a_ragged_or_broken_record_is_told_with_its_line(
    record: bytes, code: str, says: str
) -> None:
    found = read(HEADER + b'"1\n2",b\n' + record + b"\n")
    assert found.problems == [(4, code, 1)]
    assert says in found.messages[0]


def test_a_broken_record_costs_no_other_row() -> None:
    found = read(HEADER + b'a,b\n"c"d,e\nf,g,h\n\xff,i\n"j",k\n')
    assert [number for number, _ in found.lines] == [2, 5, 6]
    assert found.lines[1] == (5, b"\xff,i")  # for the rules, which say which byte it is
    assert found.codes == ["RECORD_INVALID", "CELLS_TOO_MANY"]


def test_cells_without_a_name_count_only_if_there_is_something_in_them() -> None:
    found = read(b",prompt,completion,\n,a,b,\n0,c,d,\n", format=Format.CSV)
    assert found.rows == [
        {"prompt": "a", "completion": "b"},
        {"column 1": "0", "prompt": "c", "completion": "d"},
    ]
    assert not found.problems


@pytest.mark.parametrize(
    ("header", "code", "says"),
    [
        (b"prompt,prompt", "HEADER_INVALID", 'two columns are named "prompt"'),
        (b"prompt;completion", "HEADER_INVALID", "one column"),
        (b",,", "HEADER_INVALID", "blank"),
        (b"a," * 2000, "HEADER_INVALID", "2,001 columns"),
        (b'"a"b', "RECORD_INVALID", "closing quote"),
        (b"\xffa,b", "ENCODING_INVALID", "header"),
        (b"a" * 5000, "LINE_TOO_LONG", "5,000 bytes"),
    ],
)
def test_a_header_that_names_no_columns_ends_the_reading(
    header: bytes, code: str, says: str
) -> None:
    found = read(header + b"\na,b\n", format=Format.CSV, limit=4500)
    assert not found.lines
    assert found.problems == [(1, code, 1)]
    assert says in found.messages[0]


def test_a_record_over_the_limit_is_measured_and_not_kept() -> None:
    content = HEADER + b'"' + b"x\n" * 5000 + b'",b\nc,d\n' + b"y" * 300 + b"\n"
    for size in (1, 13, 10**6):
        found = read(*cut(content, size), limit=100)
        assert [line for _, line in found.lines[::2]] == [b"<10004>", b"<300>"]


def test_the_same_problem_a_thousand_times_is_counted_not_kept() -> None:
    found = read(HEADER + b"a,b,c\n" * 1000)
    assert len(found.problems) == 101
    assert found.problems[-1] == (0, "CELLS_TOO_MANY", 900)


def test_cells_longer_than_pythons_own_limit_are_read() -> None:
    found = read(HEADER + b"a," + b"x" * 200_000 + b"\n")
    assert len(found.rows[0]["completion"]) == 200_000


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", [b'"', b'""', b'"a', b",", b'",', b'","', b"\n", b'\n"', b"\r", b"a"]
)
def test_no_pattern_takes_more_than_linear_time(piece: bytes) -> None:
    read(HEADER + piece * (2**20 // len(piece)), format=Format.CSV)


def test_names_in_capitals_are_left_to_the_rules() -> None:
    found = read(b"Prompt,Completion\na,b\n")
    assert found.rows == [{"Prompt": "a", "Completion": "b"}]
