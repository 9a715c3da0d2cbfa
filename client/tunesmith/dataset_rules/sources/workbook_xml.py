"""XML of a workbook as events, refusing what a workbook has no use for."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final
from xml.parsers import expat

from tunesmith.dataset_rules.findings import Problem
from tunesmith.dataset_rules.sources.problems import Unreadable

_LONGEST_TOKEN: Final = 2**20
"""A tag or comment over this size (bytes) is refused: old expat versions take quadratic time."""

Start = Callable[[str, Mapping[str, str]], None]
End = Callable[[str], None]
Text = Callable[[str], None]


class WorkbookXml:
    """Reads XML; the handlers get names without their prefix, and text in parts.

    No document type is accepted, hence no entities, internal or external. Raises Unreadable.
    """

    def __init__(self, start: Start, end: End, text: Text) -> None:
        self._parser = parser = expat.ParserCreate()
        self._names = _LocalNames()
        self._start, self._end, self._said = start, end, text
        self._silent = 0
        parser.buffer_text = True
        parser.StartElementHandler = self._started
        parser.EndElementHandler = self._ended
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse_doctype

    def read(self, pieces: Iterable[bytes]) -> None:
        """Read a whole part."""
        for piece in pieces:
            self.feed(piece)
        self.finish()

    def feed(self, piece: bytes) -> None:
        """Read on; a piece should be short beside `_LONGEST_TOKEN`."""
        self._silent += len(piece)
        self._parse(piece, False)
        if self._silent > _LONGEST_TOKEN:
            raise Unreadable(_broken("the XML of the workbook has a tag over a mebibyte"))

    def finish(self) -> None:
        """No more will come."""
        self._parse(b"", True)

    def _parse(self, piece: bytes, last: bool) -> None:
        try:
            self._parser.Parse(piece, last)
        except expat.ExpatError as error:
            words = f"the XML of the workbook is broken ({expat.ErrorString(error.code)})"
            raise Unreadable(_broken(words)) from error
        except (ValueError, LookupError) as error:  # an encoding that expat asks Python for
            words = "the XML of the workbook has an unusual encoding"
            raise Unreadable(_broken(words)) from error

    def _started(self, name: str, attributes: dict[str, str]) -> None:
        self._silent = 0
        self._start(self._names[name], attributes)

    def _ended(self, name: str) -> None:
        self._silent = 0
        self._end(self._names[name])

    def _text(self, characters: str) -> None:
        self._silent = 0
        self._said(characters)


class _LocalNames(dict[str, str]):
    """Names without their prefix, each worked out once; a hostile file may have many."""

    def __missing__(self, name: str) -> str:
        local = name.rpartition(":")[2]
        if len(self) < 1000:
            self[name] = local
        return local


def _refuse_doctype(*declaration: object) -> None:
    words = "the XML of the workbook declares a document type, as only attacks do"
    raise Unreadable(_broken(words))


def _broken(what: str) -> Problem:
    return Problem("WORKBOOK_BROKEN", what)
