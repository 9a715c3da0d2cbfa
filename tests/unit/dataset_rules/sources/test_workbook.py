"""Excel workbooks: sound ones of two writers, and hostile ones."""

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from tunesmith.dataset_rules import Format, Inspector

from tests.unit.dataset_rules.sources.reading import cut, no_bytes, read
from tests.unit.dataset_rules.sources.workbooks import (
    HEADER,
    cell,
    links,
    row,
    sheet,
    texts,
    workbook,
)

# Excel's cells end at 32,767 characters; noncharacters and surrogates are no XML
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"), max_size=20
)
OPENPYXL_TEXT = TEXT.filter(lambda text: not openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.search(text))


def written(fill: Callable[[xlsxwriter.Workbook], object]) -> bytes:
    file = io.BytesIO()
    made = xlsxwriter.Workbook(file, {"in_memory": True})
    fill(made)
    made.close()
    return file.getvalue()


def table(*rows: str) -> bytes:
    return workbook(sheet("".join((HEADER, *rows))))


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(TEXT, TEXT), max_size=6), inline=st.booleans())
def test_what_xlsxwriter_writes_is_given_back(rows: list[tuple[str, str]], inline: bool) -> None:
    file = io.BytesIO()
    made = xlsxwriter.Workbook(file, {"in_memory": not inline, "constant_memory": inline})
    page = made.add_worksheet()
    for number, cells in enumerate([("prompt", "completion"), *rows]):
        for column, text in enumerate(cells):
            page.write_string(number, column, text)
    made.close()
    found = read(file.getvalue())
    expected = [(n, r) for n, r in enumerate(rows, 2) if any(r)]
    assert [
        (n, (r["prompt"], r["completion"])) for n, r in zip(found.numbers, found.rows, strict=True)
    ] == expected
    assert found.format is Format.XLSX
    assert not found.problems


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(st.tuples(OPENPYXL_TEXT, OPENPYXL_TEXT), max_size=6), size=st.integers(1, 999))
def test_what_openpyxl_writes_is_given_back(rows: list[tuple[str, str]], size: int) -> None:
    made = openpyxl.Workbook()
    page = made.active
    page.append(["prompt", "completion"])
    for number, cells in enumerate(rows, 2):
        for column, text in enumerate(cells, 1):
            place = page.cell(number, column, text)
            place.data_type = "s"  # also of a text that looks like a formula
    file = io.BytesIO()
    made.save(file)
    content = file.getvalue()
    found = read(*cut(content, size))
    # XML reads a carriage return as a line feed, and this writer does not escape it
    expected = [
        tuple(text.replace("\r\n", "\n").replace("\r", "\n") for text in cells)
        for cells in rows
        if any(cells)
    ]
    if not any("_x" in text for cells in rows for text in cells):
        assert [(r["prompt"], r["completion"]) for r in found.rows] == expected
    assert found == read(content)


def test_numbers_and_dates_are_written_as_one_would_type_them() -> None:
    def fill(made: xlsxwriter.Workbook) -> None:
        page = made.add_worksheet()
        page.write_row(0, 0, ["prompt", "completion"])
        moment, day = (made.add_format({"num_format": f}) for f in ("yyyy-mm-dd hh:mm", "d/m/yy"))
        clock, long = (made.add_format({"num_format": f}) for f in ("hh:mm", "[h]:mm:ss"))
        red = made.add_format({"num_format": '[Red]0.00" days"'})
        values = [3, 3.0, 0.1, -2.5, 1e15, 1e300, True, False, 12345678901234]
        for number, value in enumerate(values, 1):
            page.write(number, 1, value)
        page.write_datetime(10, 1, datetime(2024, 1, 31, 13, 45, 1), moment)
        page.write_datetime(11, 1, date(2024, 1, 31), day)
        page.write_datetime(12, 1, date(1900, 1, 15), day)
        page.write_datetime(13, 1, time(13, 45), clock)
        page.write_datetime(14, 1, timedelta(hours=36, minutes=5), long)
        page.write_number(15, 1, 4.5, red)
        page.write_number(16, 1, -1, day)

    found = read(written(fill))
    assert [r["completion"] for r in found.rows] == [
        *("3", "3", "0.1", "-2.5", "1000000000000000", "1e+300", "TRUE", "FALSE", "12345678901234"),
        *("2024-01-31 13:45:01", "2024-01-31", "1900-01-15", "13:45:00", "36:05:00"),
        *("4.5", "-1"),
    ]


def test_dates_since_1904_are_dates_since_1904() -> None:
    file = io.BytesIO()
    made = xlsxwriter.Workbook(file, {"in_memory": True, "date_1904": True})
    page = made.add_worksheet()
    page.write_row(0, 0, ["prompt", "completion"])
    page.write_datetime(1, 1, date(2024, 1, 31), made.add_format({"num_format": "yyyy-mm-dd"}))
    made.close()
    assert read(file.getvalue()).rows[0]["completion"] == "2024-01-31"


def test_of_a_formula_the_saved_value_is_used_and_mentioned() -> None:
    def fill(made: xlsxwriter.Workbook) -> None:
        page = made.add_worksheet()
        page.write_row(0, 0, ["prompt", "completion"])
        page.write_formula(1, 1, "=1+1", None, 2)
        page.write_formula(2, 1, '="a"&"b"', None, "ab")
        page.write_formula(3, 1, "=1/0", None, "#DIV/0!")
        page.write_string(4, 1, "=cmd|' /C calc'!A0")

    found = read(written(fill))
    assert [(n, r["completion"]) for n, r in zip(found.numbers, found.rows, strict=True)] == [
        *((2, "2"), (3, "ab"), (5, "=cmd|' /C calc'!A0"))
    ]
    assert found.problems == [(2, "CELL_FORMULA", 1), (3, "CELL_FORMULA", 1), (4, "CELL_FAILED", 1)]
    assert "B4 is the error #DIV/0!" in found.messages[2]


def test_a_formula_that_was_never_worked_out_has_no_value() -> None:
    made = openpyxl.Workbook()
    made.active.append(["prompt", "completion"])
    made.active.append(["a", "=1+1"])
    file = io.BytesIO()
    made.save(file)
    found = read(file.getvalue())
    assert found.problems == [(2, "CELL_FAILED", 1)]
    assert "B2 is a formula that was never worked out" in found.messages[0]
    assert not found.lines


def test_the_first_visible_sheet_with_content_is_read() -> None:
    def fill(made: xlsxwriter.Workbook) -> None:
        hidden = made.add_worksheet("hidden")
        hidden.write(0, 0, "x")
        made.add_worksheet("empty").activate()
        hidden.hide()
        page = made.add_worksheet("data")
        page.write_row(2, 1, ["prompt", "completion"])
        page.write_row(5, 1, ["a", "b"])
        made.add_worksheet("more").write(3, 3, "x")

    found = read(written(fill))
    assert (found.numbers, found.rows) == ([6], [{"prompt": "a", "completion": "b"}])
    assert found.codes == ["SHEETS_IGNORED"]
    assert 'only the sheet "data" is read, not 2 others, such as "more"' in found.messages[0]


def test_cells_right_of_the_columns_are_not_dropped_silently() -> None:
    found = read(table(row(cell("a"), cell("b"), cell("c")), row(cell("d"), cell("e"), cell(""))))
    assert found.problems == [(2, "CELLS_TOO_MANY", 1)]
    assert found.rows == [{"prompt": "d", "completion": "e"}]


def test_phonetic_hints_and_formatting_are_not_text() -> None:
    runs = "<r><t>a</t></r><rPh><t>no</t></rPh><r><rPr><b/></rPr><t> b</t></r>"
    rich = f"<c t='inlineStr'><is>{runs}</is></c>"
    shared = texts().replace(b"</sst>", b"<si><r><t>c</t></r><rPh><t>no</t></rPh></si></sst>")
    content = workbook(
        sheet(HEADER + f"<row>{rich}<c t='s'><v>0</v></c></row>"),
        parts={"xl/sharedStrings.xml": shared},
    )
    assert read(content).rows == [{"prompt": "a b", "completion": "c"}]


# --- hostile ------------------------------------------------------------------------------------

DOCTYPE = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"PK\x03\x04" + bytes(60), "WORKBOOK_BROKEN", "ZIP archive is broken"),
        (table()[:-30], "WORKBOOK_BROKEN", "ZIP archive is broken"),
        (workbook(DOCTYPE + sheet(HEADER)), "WORKBOOK_BROKEN", "document type"),
        (workbook(OUTSIDE + sheet(row(cell("&a;")))), "WORKBOOK_BROKEN", "document type"),
        (workbook(sheet("<row>")), "WORKBOOK_BROKEN", "mismatched tag"),
        (workbook(b"<?xml version='1.0' encoding='rot13'?><a/>"), "WORKBOOK_BROKEN", "encoding"),
        (workbook(b"<a " + b"b" * 2**21), "WORKBOOK_BROKEN", "a tag over a mebibyte"),
        (workbook(sheet("<row r='0'/>")), "WORKBOOK_BROKEN", "row 0 follows on row 0"),
        (workbook(sheet("<row r='9'/><row r='2'/>")), "WORKBOOK_BROKEN", "row 2 follows on row 9"),
        (workbook(sheet("<row r='9999999'/>")), "WORKBOOK_BROKEN", "row 9,999,999"),
        (workbook(sheet("<row r='-1'/>")), "WORKBOOK_BROKEN", "numbered -1"),
        (workbook(sheet(row("<c r='ZZZ1'/>"))), "WORKBOOK_BROKEN", "16,384 columns"),
        (workbook(sheet(row("<c r='!'/>"))), "WORKBOOK_BROKEN", "a cell is named !"),
        (workbook(sheet(row("<c t='s'><v>7</v></c>"))), "WORKBOOK_BROKEN", "not there"),
        (workbook(sheet(row("<c t='s'><v>-1</v></c>"))), "WORKBOOK_BROKEN", "not there"),
        (workbook(sheet(row("<c t='e'><v>#REF!</v></c>"))), "HEADER_INVALID", "A1 is the error"),
        (workbook(sheet(row(cell("a"), cell("a")))), "HEADER_INVALID", "two columns"),
        (workbook(parts={"_rels/.rels": links(("officeDocument", "word/document.xml"))}),
         "FORMAT_UNSUPPORTED", "a Word document"),
        (workbook(parts={"_rels/.rels": links(("officeDocument", "xl/workbook.bin"))}),
         "FORMAT_UNSUPPORTED", "binary Excel workbook"),
        (workbook(parts={"_rels/.rels": links(("officeDocument", "../../x"))}),
         "FORMAT_UNSUPPORTED", "no Excel workbook"),
        (workbook(parts={"mimetype": b"", "content.xml": b""}),
         "FORMAT_UNSUPPORTED", "OpenDocument"),
        (workbook(parts={"xl/_rels/workbook.xml.rels": links(("worksheet", "../../etc/passwd"))}),
         "WORKBOOK_BROKEN", "no part 'etc/passwd'"),
    ],
    ids=no_bytes,
)  # fmt: skip
def test_a_hostile_workbook_is_refused_in_words(content: bytes, code: str, says: str) -> None:
    found = read(content)
    assert found.codes == [code]
    assert says in found.messages[0]


def test_any_zip_archive_that_is_no_workbook_is_named() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../evil", b"x")
    found = read(file.getvalue())
    assert found.codes == ["FORMAT_UNSUPPORTED"]
    assert "a ZIP archive and no Excel workbook" in found.messages[0]


def test_links_to_other_files_are_not_followed() -> None:
    outside = links(("worksheet", "worksheets/s0.xml")).replace(
        b"</Relationships>",
        b'<Relationship Id="x" Type="t/sharedStrings" Target="http://127.0.0.1:1/x"'
        b' TargetMode="External"/></Relationships>',
    )
    content = workbook(
        sheet(HEADER + row(cell("a"), cell("b"))), parts={"xl/_rels/workbook.xml.rels": outside}
    )
    assert read(content).rows == [{"prompt": "a", "completion": "b"}]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda: table(" " * 300 * 2**20), id="a sheet of blanks"),
        pytest.param(lambda: table("<row>" + "<x/>" * 2**24), id="a sheet of nothing"),
        pytest.param(
            lambda: workbook(
                sheet(HEADER), parts={"xl/sharedStrings.xml": texts("a" * 200 * 2**20)}
            ),
            id="a huge shared text",
        ),
        pytest.param(
            lambda: workbook(
                sheet(HEADER),
                parts={"xl/sharedStrings.xml": texts().replace(b"</sst>", b"<si/>" * 2**24)},
            ),
            id="many shared texts",
        ),
        pytest.param(
            lambda: workbook(
                sheet(HEADER + "<row><c t='s'><v>0</v></c></row>" * 100_000),
                parts={"xl/sharedStrings.xml": texts("a" * 30_000)},
            ),
            id="one text in many cells",
        ),
        pytest.param(
            lambda: workbook(sheet(HEADER), parts={"xl/styles.xml": b" " * 2**24}),
            id="huge styles",
        ),
    ],
)
def test_a_bomb_is_refused_before_it_unpacks(content: Callable[[], bytes]) -> None:
    found = read(content())
    assert found.codes == ["EXPANDS_TOO_FAR"]


def test_two_cells_far_apart_take_no_more_than_two_cells() -> None:
    far = "<row r='1048576'>" + cell("z", "B1048576") + "</row>"
    found = read(table(far))
    assert found.rows == [{"prompt": "", "completion": "z"}]
    assert found.numbers == [1048576]


def test_a_directory_of_a_million_parts_is_not_read() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for i in range(20_000):
            archive.writestr(f"{i:05}" + "x" * 20, b"")
    assert read(file.getvalue()).codes == ["WORKBOOK_BROKEN"]


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_a_mutated_workbook_raises_nothing(data: st.DataObject) -> None:
    content = bytearray(table(row(cell("a"), "<c><f>1</f><v>2</v></c>")))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    inspector = Inspector(file_name="a.xlsx")
    inspector.feed(bytes(content))
    assert inspector.finish().size_bytes == len(content)


@settings(deadline=None, max_examples=300)
@given(
    inner=st.text("<>/=\"' rcvtsf01&;", max_size=60)
    | st.lists(
        st.sampled_from(
            [
                "<row>",
                "</row>",
                "<c>",
                "<c t='s'>",
                "</c>",
                "<v>",
                "</v>",
                "1",
                "<f>",
                "</f>",
                "<t/>",
            ]
        ),
        max_size=12,
    ).map("".join),
    size=st.integers(50, 999),
)
def test_any_xml_raises_nothing(inner: str, size: int) -> None:
    content = table(inner)
    assert read(content) == read(*cut(content, size))


def test_a_workbook_over_the_limit_is_refused_while_it_comes() -> None:
    found = read(b"PK\x03\x04", *[bytes(2**20)] * 65)
    assert found.codes == ["FORMAT_UNSUPPORTED"]
    assert "over 64 MiB" in found.messages[0]


def test_a_workbook_that_is_given_up_leaves_no_open_file() -> None:
    inspector = Inspector()
    inspector.feed(b"PK\x03\x04" + bytes(5 * 2**20))
    del inspector  # pytest turns the warning about an open file into a failure
