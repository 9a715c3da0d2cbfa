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
