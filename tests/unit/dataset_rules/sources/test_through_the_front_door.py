"""Every format through the inspector, and on to what the trainer reads."""

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from tunesmith.dataset_rules import (
    Format,
    Inspector,
    Shape,
    UnsoundRow,
    decode_report,
    encode_report,
    examples,
    inspect_file,
    normalise,
)

from tests.unit.dataset_rules.sources.reading import cut, no_bytes

ROWS = [{"prompt": f"{i} é", "completion": f' "{i}"\n,'} for i in range(120)]


def workbook() -> bytes:
    file = io.BytesIO()
    made = xlsxwriter.Workbook(file, {"in_memory": True})
    page = made.add_worksheet()
    for number, row in enumerate([{"prompt": "prompt", "completion": "completion"}, *ROWS]):
        page.write_row(number, 0, row.values())
    made.close()
    return file.getvalue()


def delimited(delimiter: str) -> bytes:
    lines = [f"prompt{delimiter}completion\r\n"]
    for row in ROWS:
        cells = ('"' + text.replace('"', '""') + '"' for text in row.values())
        lines.append(delimiter.join(cells) + "\r\n")
    return "".join(lines).encode()


FILES = {
    "a.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "a.json": json.dumps(ROWS, indent=2).encode(),
    "a.csv": delimited(","),
    "a.tsv": delimited("\t"),
    "a.xlsx": workbook(),
}
FILES |= {f"{name}.gz": gzip.compress(content) for name, content in FILES.items()}
FILES["utf-16.csv"] = FILES["a.csv"].decode().encode("utf-16")


@pytest.mark.parametrize("name", FILES)
def test_every_format_is_inspected_and_trained_on_alike(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    report = inspect_file(path)
    assert report.valid
    assert report.findings == ()
    assert report.format is not None
    assert report.format.value in name
    assert report.encoding == {"a.xlsx": "", "utf-1": "utf-16-le"}.get(
        name.removesuffix(".gz")[: 6 if "xlsx" in name else 5], "utf-8"
    )
    assert decode_report(json.loads(json.dumps(encode_report(report)))) == report
    plain = tmp_path / "plain"
    assert normalise(path, plain, Shape.PROMPT_COMPLETION, format=report.format) == len(ROWS)
    assert [json.loads(line) for line in plain.read_bytes().splitlines()] == ROWS
    # as the service does: the blob has no name, but the format is known
    path.rename(tmp_path / "0123")
    assert list(examples(tmp_path / "0123", Shape.PROMPT_COMPLETION, format=report.format)) == ROWS


def test_plain_text_is_open_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"once\n\nupon a time\n"))
    assert list(examples(path, Shape.PROMPT_COMPLETION)) == [
        {"prompt": "", "completion": "once"},
        {"prompt": "", "completion": "upon a time"},
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (gzip.compress(FILES["a.csv"])[:-4], "breaks off"),
        (b'prompt,completion\na,b\n"c', "line 3"),
        (b"PAR1" + bytes(20), "Parquet"),
    ],
    ids=no_bytes,
)
def test_the_trainer_refuses_what_the_inspector_refused(
    content: bytes, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert not inspect_file(path).valid
    with pytest.raises(UnsoundRow, match=says):
        normalise(path, tmp_path / "plain", Shape.PROMPT_COMPLETION)
    assert not (tmp_path / "plain").exists()


def test_many_problems_of_a_source_are_listed_in_part_and_counted_in_full() -> None:
    inspector = Inspector(findings_per_code=10)
    inspector.feed(b"prompt,completion\n" + b"a,b,c\n" * 1000 + b"a,b\n")
    report = inspector.finish()
    assert report.counts["CELLS_TOO_MANY"] == 1000
    listed = [f for f in report.findings if f.code == "CELLS_TOO_MANY"]
    assert [f.line for f in listed][:3] == [0, 2, 3]
    assert listed[0].count == 1000
    assert len(listed) == 11


@settings(deadline=None, max_examples=1500)
@given(
    content=st.binary(max_size=80)
    | st.sampled_from([content[:400] for content in FILES.values()]).flatmap(
        lambda head: st.tuples(
            st.just(head), st.integers(0, 399), st.binary(max_size=3), st.integers(0, 3)
        ).map(
            lambda change: change[0][: change[1]] + change[2] + change[0][change[1] + change[3] :]
        )
    ),
    format=st.sampled_from([None, *Format]),
    name=st.sampled_from(["", *FILES]),
    size=st.integers(1, 90),
)
def test_no_bytes_raise_anything_in_any_format_or_depend_on_their_pieces(
    content: bytes, format: Format | None, name: str, size: int
) -> None:
    reports = []
    for pieces in ([content], cut(content, size)):
        inspector = Inspector(format=format, file_name=name, analyse=True, max_line_bytes=64)
        for piece in pieces:
            inspector.feed(piece)
        reports.append(inspector.finish())
    assert reports[0] == reports[1]


HUGE = """
import resource, sys
from tunesmith.dataset_rules import Format, Inspector
begin, piece, end, format = (eval(word) for word in sys.argv[1:])
inspector = Inspector(format=format and Format(format))
inspector.feed(begin)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(2**30 // len(piece)):
    inspector.feed(piece)
inspector.feed(end)
report = inspector.finish()
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(report.size_bytes, grown // 1024, *report.counts)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begin", "piece", "end", "format", "code"),
    [
        (b'{"prompt":"', b"x" * 2**20, b'"}', None, "LINE_TOO_LONG"),
        (b'[{"prompt":"', b"x" * 2**20, b'"}]', None, "LINE_TOO_LONG"),
        (b"[", b"[" * 2**20, b"", None, "LINE_TOO_LONG"),
        (b'prompt,completion\n"', b"x" * 2**20, b'",b\n', None, "LINE_TOO_LONG"),
        (b'prompt,completion\n"', b"x\n" * 2**19, b'",b\n', None, "LINE_TOO_LONG"),
        (b"", b"x" * 2**20, b"", "txt", "LINE_TOO_LONG"),
        (b"\xff\xfe", b"x\0" * 2**19, b"", "txt", "LINE_TOO_LONG"),
        (b"PK\x03\x04", bytes(2**20), b"", None, "FORMAT_UNSUPPORTED"),
    ],
    ids=["jsonl", "json", "json brackets", "csv", "csv lines", "txt", "utf-16", "xlsx"],
)
def test_a_line_of_a_gigabyte_is_measured_in_bounded_memory(
    begin: bytes, piece: bytes, end: bytes, format: str | None, code: str
) -> None:
    command = [sys.executable, "-c", HUGE, *map(repr, (begin, piece, end, format))]
    # a piece as long as that does not fit on a command line
    command[4] = f"{piece[:2]!r} * {len(piece) // 2}"
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    size, grown, *codes = done.stdout.split()
    assert int(size) >= 2**30
    assert code in codes
    assert int(grown) < 64
