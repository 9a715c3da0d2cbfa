"""The formats of a file of examples."""

from enum import StrEnum


class Format(StrEnum):
    """How the rows are written in the file; each may be compressed by gzip."""

    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    TSV = "tsv"
    XLSX = "xlsx"
    TXT = "txt"


TITLES = {
    Format.JSONL: "JSON lines",
    Format.JSON: "a JSON list",
    Format.CSV: "comma-separated values",
    Format.TSV: "tab-separated values",
    Format.XLSX: "an Excel workbook",
    Format.TXT: "plain text",
}
"""What to call a file of each."""

_BY_ENDING = {
    "jsonl": Format.JSONL,
    "ndjson": Format.JSONL,
    "json": Format.JSON,
    "csv": Format.CSV,
    "tsv": Format.TSV,
    "tab": Format.TSV,
    "xlsx": Format.XLSX,
    "xlsm": Format.XLSX,
    "txt": Format.TXT,
}


def format_of_name(file_name: str) -> Format | None:
    """The format that the ending of a name stands for; the name is data and never opened."""
    stem = file_name[-64:].lower()
    for packed in (".gz", ".gzip"):
        stem = stem.removesuffix(packed)
    _, dot, ending = stem.rpartition(".")
    return _BY_ENDING.get(ending) if dot else None
