"""Gzip, UTF-16, and what is none of the formats."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith.dataset_rules import Format, Inspector

from tests.unit.dataset_rules.sources.reading import cut, no_bytes, read

LINES = b'{"prompt":"a","completion":"\xc3\xa9"}\n{"prompt":"b","completion":"\xf0\x9f\x98\x80"}\n'
ROWS = [json.loads(line) for line in LINES.splitlines()]
FILES = {
    Format.JSONL: LINES,
    Format.JSON: json.dumps(ROWS, indent=1).encode(),
    Format.CSV: "prompt,completion\r\na,é\r\nb,😀\r\n".encode(),
    Format.TSV: "prompt\tcompletion\na\té\nb\t😀".encode(),
}


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("size", [1, 3, 10**6])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("encoding", "mark", "named"),
    [
        ("utf-8", "", "utf-8"),
        ("utf-8", "\ufeff", "utf-8"),
        ("utf-16-le", "\ufeff", "utf-16-le"),
        ("utf-16-be", "\ufeff", "utf-16-be"),
        ("utf-16-le", "", "utf-16-le"),
        ("utf-16-be", "", "utf-16-be"),
    ],
)
def test_every_encoding_of_every_format_gives_the_same_rows(
    format: Format, size: int, packed: bool, encoding: str, mark: str, named: str
) -> None:
    content = (mark + FILES[format].decode()).encode(encoding)
    content = gzip.compress(content) if packed else content
    found = read(*cut(content, size))
    assert (found.format, found.encoding, found.rows) == (format, named, ROWS)
    assert found.codes == (["BOM"] if mark and encoding == "utf-8" else [])


# with a NUL first the mark of UTF-16 is that of UTF-32
@given(
    content=st.text(max_size=200).filter(lambda text: text[:1] != "\0"),
    size=st.integers(1, 9),
)
def test_any_text_in_utf_16_is_read_as_in_utf_8(content: str, size: int) -> None:
    plain = read(content.encode(), format=Format.TXT)
    for encoding, mark in (("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
        found = read(*cut(mark + content.encode(encoding), size), format=Format.TXT)
        assert found.lines == read("\ufeff".encode() + content.encode(), format=Format.TXT).lines
        assert found.lines == plain.lines or content.startswith("\ufeff") or not plain.lines


def test_half_a_character_of_utf_16_is_found_on_its_line() -> None:
    inspector = Inspector(format=Format.TXT)
    inspector.feed(b"\xff\xfe" + "a\nb".encode("utf-16-le") + b"\x3d\xd8" + b"c\0\n\0")
    findings = [f for f in inspector.finish().findings if f.line]
    assert [(f.code, f.line) for f in findings] == [("ENCODING_INVALID", 2)]


def test_utf_16_that_ends_within_a_character_is_told() -> None:
    found = read("ab\ncd\n".encode("utf-16") + b"\0", format=Format.TXT)
    assert found.codes == ["ENCODING_INVALID"]
    assert "ends within a character" in found.messages[0]


@pytest.mark.parametrize("encoding", ["utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_utf_32_is_named(encoding: str, mark: str) -> None:
    found = read((mark + LINES.decode()).encode(encoding))
    assert found.codes == ["ENCODING_INVALID"]
    assert "UTF-32" in found.messages[0]


@given(
    members=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    zeros=st.integers(0, 20),
    size=st.integers(1, 60),
)
def test_gzip_of_several_members_is_unpacked_as_gzip_does(
    members: list[bytes], zeros: int, size: int
) -> None:
    packed = b"".join(gzip.compress(member) for member in members) + bytes(zeros)
    plain = read(gzip.decompress(packed), format=Format.TXT)
    found = read(*cut(packed, size), format=Format.TXT)
    assert found.lines == plain.lines
    assert found.codes == plain.codes or b"".join(members)[:2] == b"\x1f\x8b"


@given(
    content=st.binary(max_size=100),
    place=st.integers(0, 200),
    byte=st.integers(0, 255),
    size=st.integers(1, 60),
)
def test_a_broken_gzip_file_is_told_whatever_is_broken(
    content: bytes, place: int, byte: int, size: int
) -> None:
    packed = bytearray(gzip.compress(content * 9, mtime=0))
    packed[place % len(packed)] = byte
    found = read(bytes(packed), format=Format.TXT)
    assert read(*cut(bytes(packed), size), format=Format.TXT) == found


@pytest.mark.parametrize(
    ("packed", "says"),
    [
        (gzip.compress(LINES)[:-1], "breaks off"),
        (gzip.compress(LINES)[:12], "breaks off"),
        (gzip.compress(LINES) + b"\0\0{}", "followed by something"),
        (gzip.compress(LINES) + b"\x1f", "followed by something"),
        (gzip.compress(LINES) + gzip.compress(LINES)[:9], "breaks off"),
        (gzip.compress(LINES)[:-8] + bytes(8), "incorrect data check"),
        (b"\x1f\x8b\x08\xff" + bytes(50), "broken"),
    ],
    ids=no_bytes,
)
def test_how_a_gzip_file_is_broken_is_told(packed: bytes, says: str) -> None:
    found = read(packed)
    assert found.codes == ["GZIP_BROKEN"]
    assert says in found.messages[0]


def test_gzip_within_gzip_is_refused() -> None:
    found = read(gzip.compress(gzip.compress(LINES)))
    assert found.codes == ["FORMAT_UNSUPPORTED"]
    assert "gzip inside of gzip" in found.messages[0]


@pytest.mark.timeout(30)
def test_a_gzip_bomb_is_defused_before_it_takes_a_gigabyte() -> None:
    bomb = gzip.compress(bytes(2**25)) * 300  # ten gigabytes
    assert len(bomb) < 10 * 2**20
    found = read(*cut(bomb, 2**16), format=Format.TXT)
    assert found.codes[0] == "EXPANDS_TOO_FAR"


def test_repetitive_text_that_packs_well_is_no_bomb() -> None:
    found = read(gzip.compress(LINES * 400_000))
    assert len(found.lines) == 800_000
    assert not found.problems


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PAR1\x15\x04\x15\x10" + bytes(8), "Parquet"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(8), ".xls"),
        (b"\x28\xb5\x2f\xfd" + bytes(12), "zstd"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\x89PNG\r\n\x1a\n" + bytes(8), "PNG"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"  <?xml version='1.0'?>", "XML"),
        (b"\x01\x02\x03\x04\x05\x06\x07\x08" * 4, "binary data of an unknown kind"),
    ],
)
def test_a_foreign_file_is_named(content: bytes, says: str) -> None:
    for file in (content, gzip.compress(content)):
        found = read(file)
        assert (found.codes, found.format, found.lines) == (["FORMAT_UNSUPPORTED"], None, [])
        assert says in found.messages[0]
