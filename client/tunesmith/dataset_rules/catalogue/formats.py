"""Rules about the formats that are no JSON lines."""

from collections.abc import Mapping
from typing import Final

from tunesmith.dataset_rules.catalogue.rule import Rule
from tunesmith.dataset_rules.findings import Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

FORMATS: Final[Mapping[str, Rule]] = {
    "FORMAT_MISMATCH": Rule(
        _INFO,
        "The content is of another format than the name says",
        "It is read as what it is; other programs may go by the name.",
        "Nothing to do; rename the file, or say which format it is.",
    ),
    "GZIP_BROKEN": Rule(
        _ERROR,
        "Broken gzip data",
        "What comes after the fault cannot be read, so examples would be missing.",
        "Compress the file again, and compare the sizes after copying it.",
    ),
    "EXPANDS_TOO_FAR": Rule(
        _ERROR,
        "A small file that unpacks to a huge one",
        "No text shrinks so far; it is an accident or an attack.",
        "Send the data uncompressed.",
    ),
    "HEADER_INVALID": Rule(
        _ERROR,
        "The header does not name the columns",
        "The first row says which column is the prompt and which the completion.",
        "Write a header with one name for each column, such as prompt and completion.",
    ),
    "RECORD_INVALID": Rule(
        _ERROR,
        "A record with broken quotes or line ends",
        "Where its cells begin and end cannot be known.",
        "Write the file with a CSV library: quotes around cells, quotes within them doubled.",
    ),
    "CELLS_TOO_MANY": Rule(
        _ERROR,
        "More cells than columns",
        "Mostly an unquoted delimiter in a text, which cuts it in two.",
        "Put the text in double quotes, or name the column.",
    ),
    "CELLS_MISSING": Rule(
        _WARNING,
        "Fewer cells than columns",
        "The missing cells are taken as empty.",
        "Write every cell, also an empty one.",
    ),
    "CELL_FAILED": Rule(
        _ERROR,
        "A formula without a value",
        "What the text should be cannot be known.",
        "Mend the formula and save the workbook in Excel, or write the text itself.",
    ),
    "CELL_FORMULA": Rule(
        _INFO,
        "A formula",
        "It is not worked out again: the value it had when the workbook was saved is used.",
        "Nothing to do; paste the values over the formulas to be rid of them.",
    ),
    "SHEETS_IGNORED": Rule(
        _WARNING,
        "More than one sheet with content",
        "Only the first is read.",
        "Put all examples on one sheet, or save each sheet as a file of its own.",
    ),
    "WORKBOOK_BROKEN": Rule(
        _ERROR,
        "A broken Excel workbook",
        "It cannot be read to its end, so examples would be missing.",
        "Open it in Excel and save it again, or save the sheet as CSV.",
    ),
}
