"""The texts that cells of a workbook refer to by number."""

from array import array
from collections.abc import Iterable, Mapping
from typing import Final

from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.sources.cell_text import unescaped
from tunesmith.dataset_rules.sources.problems import Unreadable
from tunesmith.dataset_rules.sources.workbook_xml import WorkbookXml

MAX_BYTES: Final = 128 * 2**20
"""The most that the part may unpack to."""
MAX_TEXTS: Final = 4 * 2**20


class SharedTexts:
    """All of them in one block of UTF-8: as objects they would take several times as much."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        """Reads the part `sharedStrings`. Raises Unreadable."""
        self._block = bytearray()
        self._ends = array("Q")
        self._parts: list[str] = []
        self._reads = False
        self._phonetic = 0
        WorkbookXml(self._start, self._end, self._text).read(pieces)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        start = self._ends[index - 1] if index else 0
        return self._block[start : self._ends[index]].decode("utf-8", "surrogatepass")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "t":
            self._reads = not self._phonetic
        elif name == "rPh":
            self._phonetic += 1
        elif name == "si":
            self._parts = []

    def _end(self, name: str) -> None:
        if name == "t":
            self._reads = False
        elif name == "rPh":
            self._phonetic -= 1
        elif name == "si":
            if len(self._ends) >= MAX_TEXTS:
                words = f"the workbook has more than {MAX_TEXTS:,} shared texts"
                raise Unreadable(Problem("EXPANDS_TOO_FAR", words))
            self._block += unescaped("".join(self._parts)).encode("utf-8", "surrogatepass")
            self._ends.append(len(self._block))
            self._parts = []

    def _text(self, characters: str) -> None:
        if self._reads:
            self._parts.append(characters)
