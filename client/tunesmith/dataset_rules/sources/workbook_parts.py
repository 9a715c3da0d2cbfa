"""Which parts of an archive make up a workbook, and what they say of its cells."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.sources.archive import SMALL_PART, Archive
from tunesmith.dataset_rules.sources.cell_text import Kind, kind_of_format
from tunesmith.dataset_rules.sources.problems import Unreadable
from tunesmith.dataset_rules.sources.shared_texts import MAX_BYTES as MAX_TEXT_BYTES
from tunesmith.dataset_rules.sources.shared_texts import SharedTexts
from tunesmith.dataset_rules.sources.workbook_xml import WorkbookXml


@dataclass(frozen=True)
class SheetPart:
    """A sheet and where it is in the archive."""

    name: str
    part: str
    hidden: bool


class Parts:
    """The parts of the archive that make up the workbook."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.since_1904 = False
        self.sheets: list[SheetPart] = []
        self._book = self._book_part()
        folder, _, name = self._book.rpartition("/")
        self._relations = self._relations_of(f"{folder}/_rels/{name}.rels", folder)
        WorkbookXml(self._book_element, _nothing, _nothing).read([archive.read(self._book)])

    def texts(self) -> SharedTexts | None:
        """The shared texts, if there are any."""
        for kind, part in self._relations.values():
            if kind == "sharedStrings" and part in self.archive:
                return SharedTexts(self.archive.pieces(part, MAX_TEXT_BYTES))
        return None

    def kinds(self) -> Sequence[Kind]:
        """What numbers mean, by style."""
        for kind, part in self._relations.values():
            if kind == "styles" and part in self.archive:
                return _Styles(self.archive.pieces(part, SMALL_PART)).kinds()
        return ()

    def _book_part(self) -> str:
        """Where the workbook proper is. Raises Unreadable if the archive is something else."""
        if "mimetype" in self.archive and "content.xml" in self.archive:
            raise _unsupported("an OpenDocument file")
        if "_rels/.rels" not in self.archive:
            raise _unsupported("a ZIP archive and no Excel workbook")
        relations = self._relations_of("_rels/.rels", "")
        part = next((part for kind, part in relations.values() if kind == "officeDocument"), "")
        if part.startswith("word/"):
            raise _unsupported("a Word document")
        if part.startswith("ppt/"):
            raise _unsupported("a PowerPoint presentation")
        if part.endswith(".bin"):
            raise _unsupported("a binary Excel workbook (.xlsb)")
        if part not in self.archive:
            raise _unsupported("a ZIP archive and no Excel workbook")
        return part

    def _relations_of(self, part: str, folder: str) -> Mapping[str, tuple[str, str]]:
        """What a part refers to within the archive: kind and part, by id."""
        relations: dict[str, tuple[str, str]] = {}

        def element(name: str, attributes: Mapping[str, str]) -> None:
            if name == "Relationship" and attributes.get("TargetMode") != "External":
                kind = attributes.get("Type", "").rpartition("/")[2]
                target = _joined(folder, attributes.get("Target", ""))
                relations[attributes.get("Id", "")] = (kind, target)

        WorkbookXml(element, _nothing, _nothing).read([self.archive.read(part)])
        return relations

    def _book_element(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "workbookPr":
            self.since_1904 = attributes.get("date1904", "0") in ("1", "true", "on")
        elif name == "sheet":
            id = next((v for key, v in attributes.items() if key.endswith(":id")), "")
            kind, part = self._relations.get(id, ("", ""))
            if kind == "worksheet" and len(self.sheets) < 1000:
                hidden = attributes.get("state", "visible") != "visible"
                self.sheets.append(SheetPart(attributes.get("name", ""), part, hidden))


class _Styles:
    """What the styles of cells make of numbers."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._codes: dict[int, str] = {}
        self._ids: list[int] = []
        self._in_cells = False
        WorkbookXml(self._start, self._end, _nothing).read(pieces)

    def kinds(self) -> Sequence[Kind]:
        """By the number of the style."""
        known = {id: kind_of_format(id, self._codes.get(id)) for id in set(self._ids)}
        return [known[id] for id in self._ids]

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "numFmt":
            self._codes[_id(attributes)] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells:
            self._ids.append(_id(attributes))

    def _end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_cells = False


def _id(attributes: Mapping[str, str]) -> int:
    digits = attributes.get("numFmtId", "0")
    return int(digits) if re.fullmatch("[0-9]{1,9}", digits) else 0


def _joined(folder: str, target: str) -> str:
    """A target relative to a folder, as the archive names it; only ever looked up there."""
    if target.startswith("/"):
        return target[1:]
    parts = folder.split("/") if folder else []
    for step in target[:1000].split("/"):
        if step == "..":
            parts = parts[:-1]
        elif step not in ("", "."):
            parts.append(step)
    return "/".join(parts)


def _unsupported(name: str) -> Unreadable:
    return Unreadable(Problem("FORMAT_UNSUPPORTED", f"the file is {name}"))


def _nothing(*event: object) -> None:
    """For events that do not matter."""
