"""The columns of a table, and its rows as JSON."""

from collections.abc import Sequence
from typing import Final

import msgspec

from tunesmith.dataset_rules.excerpts import excerpt
from tunesmith.dataset_rules.findings import Problem

MAX_COLUMNS: Final = 1000

_encode = msgspec.json.Encoder().encode

_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars", ",": "commas"}


def header_problem(cells: Sequence[str], delimiter: str = "") -> Problem | None:
    """Why these cells cannot name columns, if they cannot."""
    if len(cells) > MAX_COLUMNS:
        return Problem("HEADER_INVALID", f"the header has {len(cells):,} columns")
    if not any(cell.strip() for cell in cells):
        return Problem("HEADER_INVALID", "the header is blank")
    names = Columns(cells).names
    if len(set(names)) < len(names):
        twice = excerpt(next(name for name in names if names.count(name) > 1), 30)
        words = f'two columns are named "{twice}"'
        return Problem("HEADER_INVALID", words, suggestion="Rename or remove one of them.")
    if len(cells) == 1:
        for other, plural_name in _OTHER_DELIMITERS.items():
            if other != delimiter and other in cells[0]:
                words = f"the header `{excerpt(cells[0], 40)}` is one column"
                advice = f"Separate the columns by {_name(delimiter)} rather than {plural_name}."
                return Problem("HEADER_INVALID", words, suggestion=advice)
    return None


def _name(delimiter: str) -> str:
    return _OTHER_DELIMITERS.get(delimiter, "columns")


class Columns:
    """The columns that a header names, as written; one without a name is named by its place."""

    def __init__(self, header: Sequence[str]) -> None:
        self.names = [
            cell if cell.strip() else f"column {place}" for place, cell in enumerate(header, 1)
        ]
        self._unnamed = {i for i, cell in enumerate(header) if not cell.strip()}

    def __len__(self) -> int:
        return len(self.names)

    def row(self, cells: Sequence[str]) -> bytes:
        """A row as JSON: a cell that is missing is empty, and an empty one without a name is none.

        There are no more cells than columns, but for empty ones.
        """
        if len(cells) < len(self.names):
            cells = [*cells, *[""] * (len(self.names) - len(cells))]
        row = dict(zip(self.names, cells, strict=False))
        for i in self._unnamed:
            if not cells[i]:
                del row[self.names[i]]
        return _encode(row)
