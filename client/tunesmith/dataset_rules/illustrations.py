"""A tiny file for each rule that shows it; the documentation and a test are made of them.

They are read with the limits of `MAX_LINE_BYTES` here, so that a long line can be a short one.
"""

import gzip
import io
import zipfile
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MAX_LINE_BYTES: Final = 12_000

_GOOD = '{"prompt": "Is it on?", "completion": " yes"}\n'
_USER = '{"role": "user", "content": "Hi"}'
_ANSWER = '{"role": "assistant", "content": "Hello."}'
_ROW = "Tell me what the weather will be like tomorrow"
_CALL = (
    '{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function":'
    ' {"name": "clock", "arguments": "%s"}}]}'
)
_PREFERENCE = (
    '{"input": {"messages": [%s]}, "preferred_output": [%s], "non_preferred_output": [%s]}\n'
)


def _chat(*messages: str, more: str = "") -> str:
    return '{"messages": [' + ", ".join(messages) + "]" + more + "}\n"


def _pairs(*rows: tuple[str, str]) -> str:
    return "".join(f'{{"prompt": "{p}", "completion": "{c}"}}\n' for p, c in rows)


def _rows(*completions: tuple[str, int]) -> str:
    """So many rows of each completion."""
    return "".join(
        f'{{"prompt": "{number}", "completion": "{completion}"}}\n'
        for completion, count in completions
        for number in range(count)
    )


def _workbook(*sheets: str) -> bytes:
    """A workbook of sheets with these rows, in Excel's XML."""
    count = range(len(sheets))
    link = '<Relationship Id="r%s" Type="t/%s" Target="%s"/>'
    parts = {
        "_rels/.rels": f"<r>{link % ('', 'officeDocument', 'xl/book.xml')}</r>",
        "xl/_rels/book.xml.rels": "<r>"
        + "".join(link % (i, "worksheet", f"{i}.xml") for i in count)
        + "</r>",
        "xl/book.xml": "<b xmlns:r='r'>"
        + "".join(f'<sheet name="Sheet{i + 1}" r:id="r{i}"/>' for i in count)
        + "</b>",
        **{f"xl/{i}.xml": f"<s>{sheets[i]}</s>" for i in count},
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part)
    return file.getvalue()


def _cells(*texts: str) -> str:
    cells = "".join(f'<c t="str"><v>{text}</v></c>' for text in texts)
    return f"<row>{cells}</row>"


_HEADER = _cells("prompt", "completion")
_QUESTION = '<row><c t="str"><v>Is it on?</v></c>%s</row>'

_FILES: Mapping[str, str | bytes] = {
    # --- the file ----------------------------------------------------------------------
    "FILE_EMPTY": "\n\n",
    "FORMAT_UNSUPPORTED": b"%PDF-1.7\n",
    "TOO_FEW_EXAMPLES": _GOOD,
    "DUPLICATE_ROWS": _GOOD + _GOOD,
    "NEAR_DUPLICATE_ROWS": f'{{"prompt": "{_ROW}.", "completion": " Fine"}}\n'
    f'{{"prompt": "{_ROW.upper()}!", "completion": " fine"}}\n',
    "SEPARATORS_MIXED": '{"prompt": "good ->", "completion": " 1"}\n'
    '{"prompt": "bad ->", "completion": " 2"}\n'
    '{"prompt": "fine ###", "completion": " 3"}\n'
    '{"prompt": "odd ###", "completion": " 4"}\n',
    "CLASS_SMALL": _rows((" yes", 4), (" no", 2)),
    "CLASS_IMBALANCE": _rows((" yes", 10), (" no", 1)),
    "CLASS_VARIANTS": _rows((" yes", 4), (" Yes", 2)),
    # --- whole columns of prompts and completions ---------------------------------------
    "LONG_ROWS": _pairs(("so long a text " * 700, " yes")),
    "PROMPT_UPPER_CASE": _pairs(("IS IT ON?", " yes")),
    "COMPLETION_UPPER_CASE": _pairs(("Is it on?", " YES")),
    "PROMPTS_IDENTICAL": _pairs(("Say something ->", " well"), ("Say something ->", " no")),
    "COMPLETIONS_IDENTICAL": _pairs(("Is it on? ->", " yes"), ("Is it off? ->", " yes")),
    "PROMPT_SUFFIX_LONG": _pairs(("red = = = = = =>", " rot"), ("blue = = = = = =>", " blau")),
    "PROMPT_SUFFIX_AMBIGUOUS": _pairs(("red -> dark ->", " rot"), ("blue ->", " blau")),
    "PROMPT_SUFFIX_MISSING": _pairs(("red", " rot"), ("blue", " blau")),
    "PROMPT_PREFIX_COMMON": _pairs(
        ("Translate to German: red ->", " rot"), ("Translate to German: blue ->", " blau")
    ),
    "COMPLETION_PREFIX_COMMON": _pairs(
        ("red ->", " In German: rot"), ("blue ->", " In German: blau")
    ),
    "COMPLETION_SUFFIX_LONG": _pairs(
        ("red ->", " rot - - - - - -"), ("blue ->", " blau - - - - - -")
    ),
    "COMPLETION_SUFFIX_AMBIGUOUS": _pairs(("red ->", " rot. Dark red."), ("blue ->", " blau.")),
    "COMPLETION_SUFFIX_MISSING": _pairs(("red ->", " rot"), ("blue ->", " blau")),
    "COMPLETION_SPACE_MISSING": _pairs(("red ->", "rot"), ("blue ->", "blau")),
    "SECRET_FOUND": '{"prompt": "Where is it?", "completion": " there, password: Tr0ub4dor&3x"}\n',
    "PERSONAL_DATA_FOUND": '{"prompt": "Who is it?", "completion": " jane.doe@gmail.com"}\n',
    # --- the encoding ------------------------------------------------------------------
    "BOM": "\ufeff" + _GOOD,
    "CRLF": _GOOD.replace("\n", "\r\n"),
    "BLANK_LINE": _GOOD + "\n" + _GOOD,
    "LINE_TOO_LONG": '{"prompt": "' + "far too long " * 1000 + '", "completion": " no"}\n',
    "ENCODING_INVALID": '{"prompt": "café", "completion": " yes"}\n'.encode("latin-1"),
    # --- JSON --------------------------------------------------------------------------
    "JSON_INVALID": '{"prompt": "Is it on?", "completion": " yes",}\n',
    "TOO_DEEP": '{"prompt": "a", "completion": " b", "x": ' + "[" * 65 + "]" * 65 + "}\n",
    "NOT_AN_OBJECT": '["Is it on?", " yes"]\n',
    "KEY_DUPLICATE": '{"prompt": "a", "prompt": "b", "completion": " c"}\n',
    "NUMBER_NOT_FINITE": '{"prompt": "a", "completion": " b", "score": NaN}\n',
    # --- rows of any shape -------------------------------------------------------------
    "MIXED_SHAPES": _GOOD + _chat(_USER, _ANSWER),
    "FIELD_MISSING": '{"completion": " yes"}\n',
    "FIELD_CASE": '{"Prompt": "Is it on?", "completion": " yes"}\n',
    "FIELD_TYPE": '{"prompt": 1, "completion": " yes"}\n',
    "FIELD_UNKNOWN": '{"prompt": "Is it on?", "completion": " yes", "id": 7}\n',
    "LONE_SURROGATE": '{"prompt": "\\ud83d", "completion": " yes"}\n',
    "TEXT_NUL": '{"prompt": "Is it on?\\u0000", "completion": " yes"}\n',
    # --- prompt and completion ---------------------------------------------------------
    "COMPLETION_EMPTY": '{"prompt": "Is it on?", "completion": ""}\n',
    "COMPLETION_BLANK": '{"prompt": "Is it on?", "completion": " \\n"}\n',
    "PROMPT_EMPTY": _GOOD + '{"prompt": "", "completion": " no"}\n',
    # --- chat --------------------------------------------------------------------------
    "CHAT_NO_MESSAGES": _chat(),
    "CHAT_ROLE_UNKNOWN": _chat('{"role": "bot", "content": "Hi"}', _ANSWER),
    "CHAT_DEVELOPER": _chat('{"role": "developer", "content": "Help."}', _USER, _ANSWER),
    "CHAT_TOOLS_UNSUPPORTED": _chat(_USER, _CALL % "{}"),
    "CHAT_TOOL_INVALID": _chat(_USER, _ANSWER, more=', "tools": [{"name": "clock"}]'),
    "CHAT_TOOL_CALL": _chat(_USER, _CALL % "{"),
    "CHAT_TOOL_RESULT": _chat(_USER, _CALL % "{}", _USER, _ANSWER),
    "CHAT_CONTENT_EMPTY": _chat(_USER, '{"role": "assistant", "content": ""}'),
    "CHAT_TURN_EMPTY": _chat('{"role": "user", "content": ""}', _ANSWER),
    "CHAT_NO_ASSISTANT": _chat(_USER),
    "CHAT_ROLE_ORDER": _chat(_USER, _USER, _ANSWER),
    # --- preference --------------------------------------------------------------------
    "PREFERENCE_OUTPUT": _PREFERENCE % (_USER, _USER, _ANSWER),
    "PREFERENCE_SAME": _PREFERENCE % (_USER, _ANSWER, _ANSWER),
    # --- the format --------------------------------------------------------------------
    "FORMAT_MISMATCH": _GOOD,
    "GZIP_BROKEN": gzip.compress(_GOOD.encode(), mtime=0)[:-4],
    "EXPANDS_TOO_FAR": gzip.compress(b" " * (48 * 2**20), mtime=0),
    "HEADER_INVALID": "prompt,completion,completion\nIs it on?, yes, no\n",
    "RECORD_INVALID": 'prompt,completion\n"Is "it" on?", yes\n',
    "CELLS_TOO_MANY": "prompt,completion\nIs it on?, yes, of course\n",
    "CELLS_MISSING": "prompt,completion\nIs it on?\n",
    "CELL_FAILED": _workbook(_HEADER + _QUESTION % '<c t="e"><v>#REF!</v></c>'),
    "CELL_FORMULA": _workbook(_HEADER + _QUESTION % '<c t="str"><f>A1</f><v> yes</v></c>'),
    "SHEETS_IGNORED": _workbook(_HEADER + _cells("Is it on?", " yes"), _HEADER),
    "WORKBOOK_BROKEN": _workbook(_HEADER)[:-20],
}

EXAMPLES: Mapping[str, bytes] = MappingProxyType(
    {code: text if isinstance(text, bytes) else text.encode() for code, text in _FILES.items()}
)
"""By code. `PAIRS` has those of two files."""

NAMES: Mapping[str, str] = MappingProxyType({"FORMAT_MISMATCH": "rows.csv"})
"""Of the files where that matters."""

SHOWN: Mapping[str, str] = MappingProxyType(
    {
        "FORMAT_MISMATCH": f"rows.csv:\n{_GOOD}",
        "GZIP_BROKEN": "rows.jsonl.gz without its last four bytes",
        "EXPANDS_TOO_FAR": "48 MiB of blanks, packed by gzip",
        "CELL_FAILED": "A1: prompt\nB1: completion\nA2: Is it on?\nB2: #REF!",
        "CELL_FORMULA": "A1: prompt\nB1: completion\nA2: Is it on?\nB2: =A1",
        "SHEETS_IGNORED": "Sheet1:\nA1: prompt\nB1: completion\nA2: Is it on?\nB2:  yes\nSheet2:\n"
        "A1: prompt",
        "WORKBOOK_BROKEN": "rows.xlsx without its last 20 bytes",
    }
)
"""What to show of files that are not text."""

PAIRS: Mapping[str, tuple[bytes, bytes]] = MappingProxyType(
    {
        "LEAKAGE": (_GOOD.encode(), _GOOD.encode()),
        "NEAR_LEAKAGE": (
            f'{{"prompt": "{_ROW}.", "completion": " fine"}}\n'.encode(),
            f'{{"prompt": "{_ROW}?", "completion": " fine"}}\n'.encode(),
        ),
    }
)
"""A training file and a validation file."""
