"""The smallest workbook there is, with parts of the caller's choice."""

import io
import zipfile
from collections.abc import Mapping

_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def sheet(rows: str) -> bytes:
    """A sheet with these rows."""
    return f'<worksheet xmlns="{_SHEETS}"><sheetData>{rows}</sheetData></worksheet>'.encode()


def texts(*items: str) -> bytes:
    """The shared texts."""
    inner = "".join(f"<si><t>{item}</t></si>" for item in items)
    return f'<sst xmlns="{_SHEETS}">{inner}</sst>'.encode()


def cell(text: str, reference: str = "") -> str:
    """A cell with a text of its own."""
    place = f' r="{reference}"' if reference else ""
    return f'<c{place} t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def row(*cells: str) -> str:
    """A row of cells."""
    return f"<row>{''.join(cells)}</row>"


HEADER = row(cell("prompt"), cell("completion"))


def links(*kinds: tuple[str, str]) -> bytes:
    """What a part refers to: kind and target."""
    inner = "".join(
        f'<Relationship Id="r{i}" Type="{_LINKS}/{kind}" Target="{target}"/>'
        for i, (kind, target) in enumerate(kinds)
    )
    return f'<Relationships xmlns="{_PACKAGE}">{inner}</Relationships>'.encode()


def book(sheets: int = 1, properties: str = "") -> bytes:
    """The workbook proper."""
    inner = "".join(f'<sheet name="s{i}" sheetId="{i + 1}" r:id="r{i}"/>' for i in range(sheets))
    return (
        f'<workbook xmlns="{_SHEETS}" xmlns:r="{_LINKS}">{properties}<sheets>{inner}</sheets>'
        "</workbook>"
    ).encode()


def workbook(
    *sheets: bytes, parts: Mapping[str, bytes] | None = None, properties: str = ""
) -> bytes:
    """A workbook of these sheets; `parts` come on top or take the place of what is usual."""
    count = max(1, len(sheets))
    kinds = [("worksheet", f"worksheets/s{i}.xml") for i in range(count)]
    kinds += [("sharedStrings", "sharedStrings.xml"), ("styles", "styles.xml")]
    content = {
        "_rels/.rels": links(("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": book(count, properties),
        "xl/_rels/workbook.xml.rels": links(*kinds),
        **{f"xl/worksheets/s{i}.xml": part for i, part in enumerate(sheets)},
        **(parts or {}),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in content.items():
            archive.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return file.getvalue()
