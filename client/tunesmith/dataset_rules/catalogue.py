"""Every rule, once: what it finds, why that matters, what to do.

Sources: the `prepare_data` tool of the legacy fine-tuning API (OPENAI_SURFACE.md 12), the checks of
the modern fine-tuning API, and the hostile inputs of FAULTS.md F16. The order of the table is the
order of findings about the same line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tunesmith.dataset_rules.findings import Severity


@dataclass(frozen=True)
class Rule:
    """A rule of the catalogue; its code is its key in `RULES`."""

    severity: Severity
    title: str
    why: str
    suggestion: str
    fixable: bool = False


_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        # --- the file --------------------------------------------------------------------------
        "FILE_EMPTY": Rule(
            _ERROR,
            "No example in the file",
            "There is nothing to learn from.",
            "Write one JSON object per line, one line per example.",
        ),
        "FORMAT_UNSUPPORTED": Rule(
            _ERROR,
            "Not a text file of JSON lines",
            "The first bytes are those of another format, so no row can be read.",
            "Convert the file to JSONL: UTF-8 text, one JSON object per line.",
        ),
        "TOO_FEW_EXAMPLES": Rule(
            _WARNING,
            "Fewer than 100 examples",
            "A model fine-tuned on so few examples mostly repeats them; quality grows with each"
            " doubling of the dataset.",
            "Collect at least a few hundred examples, for classification 100 per class.",
        ),
        "DUPLICATE_ROWS": Rule(
            _WARNING,
            "Rows that repeat an earlier row",
            "A repeated example weighs more than the others, and one that is also in the validation"
            " data makes the scores look better than they are.",
            "Remove the repeated rows.",
            fixable=True,
        ),
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
            "Keep prompt/completion rows and chat rows in files of their own.",
        ),
        "FIELD_MISSING": Rule(
            _ERROR,
            "A field is missing",
            "Without it the row is no example.",
            "Add the field.",
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
        # --- prompt and completion -------------------------------------------------------------
        "COMPLETION_EMPTY": Rule(
            _ERROR,
            "Empty completion",
            "The completion is what the model learns to write; there is nothing to learn here.",
            "Write the completion or remove the row.",
            fixable=True,
        ),
        "COMPLETION_BLANK": Rule(
            _WARNING,
            "Completion of nothing but white space",
            "The model learns to answer with blanks.",
            "Write the completion or remove the row.",
        ),
        "PROMPT_EMPTY": Rule(
            _WARNING,
            "Some prompts are empty",
            "Open-ended generation has no prompts at all; a mixture is mostly a lost column.",
            "Write the missing prompts, or leave all of them empty for open-ended generation.",
        ),
        # --- chat ------------------------------------------------------------------------------
        "CHAT_NO_MESSAGES": Rule(
            _ERROR,
            "A conversation without messages",
            "There is nothing to learn from.",
            "Write the messages or remove the row.",
            fixable=True,
        ),
        "CHAT_ROLE_UNKNOWN": Rule(
            _ERROR,
            "Unknown role",
            "The chat template has no place for it.",
            'Use "system", "user" or "assistant".',
        ),
        "CHAT_TOOLS_UNSUPPORTED": Rule(
            _ERROR,
            "Tool calls are not supported yet",
            "Left out, the conversation would teach something else than what is written.",
            "Remove the rows with tools, or write calls and results as text.",
        ),
        "CHAT_CONTENT_EMPTY": Rule(
            _ERROR,
            "An assistant message without content",
            "It is what the model learns to write; there is nothing to learn here.",
            'Write the content, or exclude the message with "weight": 0.',
        ),
        "CHAT_TURN_EMPTY": Rule(
            _WARNING,
            "A system or user message without content",
            "The model sees an empty turn, which it will hardly meet later.",
            "Write the content or remove the message.",
        ),
        "CHAT_NO_ASSISTANT": Rule(
            _ERROR,
            "No assistant message to learn from",
            "Only assistant messages are learnt; without one the row trains nothing.",
            'Add the answer as {"role": "assistant", "content": "…"}, not all with "weight": 0.',
        ),
        "CHAT_ROLE_ORDER": Rule(
            _WARNING,
            "Unusual order of roles",
            "Many chat templates take one system message first, then user and assistant in turn,"
            " and refuse or mangle anything else; what follows the last answer trains nothing.",
            "Put the system message first, join neighbours of one role, end with the assistant.",
        ),
    }
)
