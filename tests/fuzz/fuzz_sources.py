"""Throws bytes at the readers of every format, guided by the branches that they take.

`make fuzz` runs it. Any exception is a defect, and so is a row or a problem that depends on the
sizes of the pieces in which the same bytes arrive. libFuzzer prints how many cases it ran.
"""

import gzip
import sys
from functools import partial
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tunesmith.dataset_rules"]):
    from tunesmith.dataset_rules import Format, Inspector
    from tunesmith.dataset_rules.sources import open_source
    from tunesmith.dataset_rules.sources.lines import CutLine

from tests.unit.dataset_rules.sources import workbooks

LIMIT = 4096
NAMES = ["", "a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt", "a.xlsx", "../\0a.csv.gz"]
FORMATS = [None, *Format]
PARTS = [
    "xl/worksheets/s0.xml",
    "xl/sharedStrings.xml",
    "xl/styles.xml",
    "xl/workbook.xml",
    "xl/_rels/workbook.xml.rels",
    "_rels/.rels",
]
SHEET = workbooks.sheet(
    workbooks.HEADER + '<row><c t="s"><v>0</v></c><c s="1"><f>1+1</f><v>45000.5</v></c></row>'
)
TEXTS = workbooks.texts("a_x000D_b")


def packed(kind: int, content: bytes) -> bytes:
    """The content as a file: as it is, packed, or as a part of a workbook."""
    if kind < 3:
        return content
    if kind == 3:
        return gzip.compress(content, 1, mtime=0)
    if kind == 4:
        return gzip.compress(content, 1, mtime=0)[:-5] + content[:9]
    part = PARTS[kind % len(PARTS)]
    return workbooks.workbook(SHEET, parts={"xl/sharedStrings.xml": TEXTS, part: content})


def rows(pieces: list[bytes], format: Format | None, name: str) -> tuple[object, ...]:
    """Everything that a source says."""
    source = open_source(max_line_bytes=LIMIT, format=format, file_name=name)
    found: list[tuple[int, bytes, int]] = []
    batches = (
        batch
        for take in (*(partial(source.feed, piece) for piece in pieces), source.finish)
        for batch in take()
    )
    for batch in batches:
        for number, line in zip(batch.numbers, batch.lines, strict=True):
            length = line.length if isinstance(line, CutLine) else -1
            assert length == -1 or length > LIMIT, "a line was cut that is not too long"
            assert len(line) <= 6 * LIMIT + 64, "a line is too long and was not cut"
            found.append((number, line, length))
    numbers = [number for number, _, _ in found]
    assert numbers == sorted(numbers), "rows out of order"
    return found, source.format, source.encoding, source.problems()


def one(data: bytes) -> None:
    """One case: three bytes of choices, then the content."""
    if len(data) < 3:
        return
    choice, size, kind = data[0], data[1] % 32 + 1, data[2] % 11
    format, name = FORMATS[choice % len(FORMATS)], NAMES[choice // 8 % len(NAMES)]
    file = packed(kind, data[3:])
    whole = rows([file], format, name)
    cut = rows([file[i : i + size] for i in range(0, len(file), size)], format, name)
    assert whole == cut, "the sizes of the pieces matter"
    inspector = Inspector(format=format, file_name=name, max_line_bytes=LIMIT)
    inspector.feed(file)
    inspector.finish()


def seeds(folder: Path) -> None:
    """Sound files to begin with."""
    contents = [
        b'{"prompt":"a","completion":" b"}\n{"messages":[{"role":"user","content":"a"}]}\n',
        b'[\n {"prompt": "a\\"",\n  "completion": [1, {"x": "]"}]},\n 1, "s"]\n',
        b'prompt,completion\r\n"a ""b""\nc",d\r\n,e\r\n',
        b"prompt\tcompletion\na\tb\n",
        "\ufeffprompt,completion\né,ü\n".encode("utf-16"),
        b"\xef\xbb\xbfhello\n\nworld",
        b"PAR1",
    ]
    for i, content in enumerate(contents):
        for kind in (0, 3):
            (folder / f"seed-{i}-{kind}").write_bytes(bytes((0, 7, kind)) + content)
    parts = [
        SHEET,
        TEXTS,
        b'<styleSheet><numFmts><numFmt numFmtId="164" formatCode="yyyy\\-mm"/></numFmts>'
        b'<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs></styleSheet>',
        workbooks.book(),
        workbooks.links(("worksheet", "worksheets/s0.xml"), ("sharedStrings", "sharedStrings.xml")),
        workbooks.links(("officeDocument", "xl/workbook.xml")),
    ]
    for kind in range(5, 11):
        content = bytes((0, 31, kind)) + parts[kind % len(PARTS)]
        (folder / f"seed-part-{kind}").write_bytes(content)
    (folder / "seed-workbook").write_bytes(bytes((0, 31, 0)) + packed(6, SHEET))


def main() -> None:
    """Run libFuzzer; its first folder is the corpus."""
    corpus = Path(next((word for word in sys.argv[1:] if not word.startswith("-")), ""))
    if corpus.is_dir():
        seeds(corpus)
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
