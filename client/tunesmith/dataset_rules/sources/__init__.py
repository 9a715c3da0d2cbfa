"""Files of any format as numbered lines of JSON: the rules know nothing else.

A source takes the bytes of a file, piece by piece, and gives its rows, each as one line of JSON in
UTF-8 and with the number of the line (of a workbook: the row) on which it begins in the file. JSON
lines are handed on as they are; another format is read by a library of its own and written as JSON,
so that one path of rules, fixes and training serves all of them.

The way of a byte: `gunzip` unpacks, `magic` tells workbooks and foreign files from text, `encoding`
makes UTF-8 of it, `detection` tells the format where nobody did, and one of the readers cuts it
into rows: `json_lines`, `json_values`, `delimited`, `text_lines`, `workbook`.
"""

from tunesmith.dataset_rules.sources.file_source import FileSource
from tunesmith.dataset_rules.sources.formats import Format
from tunesmith.dataset_rules.sources.rows import Rows, Source

__all__ = ["Format", "Rows", "Source", "open_source"]


def open_source(
    *, max_line_bytes: int, format: Format | None = None, file_name: str = ""
) -> Source:
    """The source for a file; without a `format` the first bytes and the name decide."""
    return FileSource(max_line_bytes, format, file_name)
