"""The rules of a training dataset, shared word for word by the client and the server.

Pure: the standard library and msgspec, no clock, no network, no randomness. The same bytes give the
same report on either side, whatever the sizes of the pieces they arrive in.

The way of a row: `sources` cuts a file into rows, `shapes` decodes a line into a typed example (the
fast way), `examine` says precisely what is wrong with a line that would not decode, and
`prompt_completion` and `chat` hold the rules of each shape. `analysis` looks at what belongs to the
whole, such as repeated rows, in the same pass or in a later one. `Inspector` drives them and writes
the `Report`. Another format brings a source of its own and hands its rows to the same rules.
"""

from tunesmith.dataset_rules.catalogue import NOT_TRAINED, RULES, Rule
from tunesmith.dataset_rules.examples import UnsoundRow, examples, normalise
from tunesmith.dataset_rules.findings import Finding, Severity
from tunesmith.dataset_rules.inspector import Inspector, inspect_file
from tunesmith.dataset_rules.leakage import Part, leakage, leakage_between
from tunesmith.dataset_rules.report import Report, decode_report, encode_report
from tunesmith.dataset_rules.shapes import Shape
from tunesmith.dataset_rules.sources import Format
from tunesmith.dataset_rules.statistics import Statistics

__all__ = [
    "NOT_TRAINED",
    "RULES",
    "Finding",
    "Format",
    "Inspector",
    "Part",
    "Report",
    "Rule",
    "Severity",
    "Shape",
    "Statistics",
    "UnsoundRow",
    "decode_report",
    "encode_report",
    "examples",
    "inspect_file",
    "leakage",
    "leakage_between",
    "normalise",
]
