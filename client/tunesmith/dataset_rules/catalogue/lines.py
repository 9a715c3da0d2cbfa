"""Rules about lines: how they are written, and what every row must be."""

from collections.abc import Mapping
from typing import Final

from tunesmith.dataset_rules.catalogue.rule import Rule
from tunesmith.dataset_rules.findings import Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

LINES: Final[Mapping[str, Rule]] = {
    # --- the encoding ----------------------------------------------------------------------
    "BOM": Rule(
        _INFO,
        "Byte order mark",
        "UTF-8 needs none; it is skipped.",
        "Nothing to do; save as UTF-8 without BOM to be rid of it.",
        fixable=True,
    ),
    "CRLF": Rule(
        _INFO,
        "Windows line ends",
        "The carriage return is skipped.",
        "Nothing to do; save with Unix line ends to be rid of it.",
        fixable=True,
    ),
    "BLANK_LINE": Rule(
        _INFO,
        "Blank line",
        "It holds no example and is skipped.",
        "Nothing to do; remove the line to be rid of it.",
        fixable=True,
    ),
    "LINE_TOO_LONG": Rule(
        _ERROR,
        "Line over the size limit",
        "No model's context holds so long an example; mostly the line breaks were lost.",
        "Write one example per line and split or shorten this one.",
    ),
    "ENCODING_INVALID": Rule(
        _ERROR,
        "Not UTF-8",
        "The bytes have no meaning as UTF-8, so the text cannot be known.",
        "Save the file as UTF-8.",
    ),
    # --- JSON ------------------------------------------------------------------------------
    "JSON_INVALID": Rule(
        _ERROR,
        "Not valid JSON",
        "The line cannot be read.",
        "Write each line with a JSON library rather than by hand.",
    ),
    "TOO_DEEP": Rule(
        _ERROR,
        "Nested too deeply",
        "No example needs more than a few levels; so many are an accident or an attack.",
        "Write the fields of the example directly into the line's object.",
    ),
    "NOT_AN_OBJECT": Rule(
        _ERROR,
        "Not a JSON object",
        "An example is an object with named fields.",
        'Write {"prompt": "…", "completion": "…"} or {"messages": […]}.',
    ),
    "KEY_DUPLICATE": Rule(
        _ERROR,
        "The same field twice",
        "Readers disagree on which of the two counts, so the example is ambiguous.",
        "Keep one of the two.",
    ),
    "NUMBER_NOT_FINITE": Rule(
        _ERROR,
        "Not a finite number",
        "NaN, Infinity and numbers like 1e400 are not JSON or do not fit any number type.",
        "Remove the value or write null.",
    ),
    # --- rows of any shape -----------------------------------------------------------------
    "MIXED_SHAPES": Rule(
        _ERROR,
        "A row of another shape",
        "One run trains on rows of one shape.",
        "Keep rows of different shapes in files of their own.",
    ),
    "FIELD_MISSING": Rule(
        _ERROR,
        "A field is missing",
        "Without it the row is no example.",
        "Add the field.",
    ),
    "FIELD_CASE": Rule(
        _ERROR,
        "A field's name in upper case or with blanks",
        "Names of fields are compared as they are written, so the field is missing.",
        "Write the name in lower case.",
        fixable=True,
    ),
    "FIELD_TYPE": Rule(
        _ERROR,
        "A field of the wrong type",
        "Nothing is converted silently: the model would train on a guess.",
        "Write the value as the type that the message names.",
    ),
    "FIELD_UNKNOWN": Rule(
        _WARNING,
        "A field that training does not use",
        "It is ignored; if it was meant to be learnt, it is not.",
        "Remove the field, or write its text into one of the fields that count.",
        fixable=True,
    ),
    "LONE_SURROGATE": Rule(
        _ERROR,
        "Half a character",
        "A \\ud800–\\udfff escape without its partner is no character and cannot be encoded.",
        "Write the character itself as UTF-8, or both halves of the pair.",
    ),
    "TEXT_NUL": Rule(
        _WARNING,
        "A NUL character in the text",
        "Almost always the trace of a broken export; the model would learn it.",
        "Remove \\u0000 from the text.",
        fixable=True,
    ),
}
