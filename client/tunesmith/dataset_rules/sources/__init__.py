"""Files of any format as numbered lines of JSON: the rules know nothing else.

A source takes the bytes of a file, piece by piece, and gives its rows, each as one line of JSON in
UTF-8 and with the number of the line (of a workbook: the row) on which it begins in the file. JSON
lines are handed on as they are; another format is read by a library of its own and written as JSON,
so that one path of rules, fixes and training serves all of them.
"""

from tunesmith.dataset_rules.sources.formats import Format
from tunesmith.dataset_rules.sources.json_lines import JsonLines
from tunesmith.dataset_rules.sources.rows import Rows, Source

__all__ = ["Format", "JsonLines", "Rows", "Source", "open_source"]


def open_source(
    *, max_line_bytes: int, format: Format | None = None, file_name: str = ""
) -> Source:
    """The source for a file; without a `format` the name and the first bytes decide."""
    return JsonLines(max_line_bytes)
