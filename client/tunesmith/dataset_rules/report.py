"""What an inspection found, as a value and as plain JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tunesmith.dataset_rules.findings import Finding
from tunesmith.dataset_rules.shapes import Shape
from tunesmith.dataset_rules.sources import Format
from tunesmith.dataset_rules.statistics import Statistics


@dataclass(frozen=True)
class Report:
    """The result of an inspection: a function of the file's bytes and nothing else."""

    shape: Shape | None
    """As told, or as the first sound row has it; None if there is no such row."""
    valid: bool
    """Whether there is an example and no error: the dataset can be trained on."""
    example_count: int
    """Rows without an error."""
    size_bytes: int
    sha256: str
    """Of the bytes as they came, hex."""
    findings: tuple[Finding, ...] = ()
    """By line, those about the whole file (line 0) first. Of one code at most as many as the
    inspector was told; the last of them, on line 0, then carries the total count."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How often each code was found, including what is not listed; in the catalogue's order."""
    text_bytes: int = 0
    """UTF-8 bytes of all text in the examples, prompts included: with a tokenizer that works on
    bytes, no more tokens than this can come of it (a chat template adds its own per message)."""
    analysed: bool = False
    """Whether the look at the whole is in it: the findings of the analysis and the statistics."""
    statistics: Statistics = field(default_factory=Statistics)
    format: Format | None = None
    """As told or detected; None for a file that is none of these."""
    encoding: str = ""
    """Of the text, such as `utf-8` or `utf-16-le`; empty where there is none."""
    sensitive_searched: bool = False
    """Whether secrets and personal data were looked for: their findings are in it, if any."""


def encode_report(report: Report) -> dict[str, Any]:
    """The report as plain JSON-able values, in a stable order."""
    encoded: dict[str, Any] = msgspec.to_builtins(report)
    return encoded


def decode_report(encoded: Mapping[str, Any]) -> Report:
    """The report that `encode_report` wrote; ignores fields that a later version added."""
    return msgspec.convert(encoded, Report)
