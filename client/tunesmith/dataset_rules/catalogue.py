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
            "A format that cannot be read",
            "The first bytes are those of something else, so no row can be read.",
            "Save it as JSONL, JSON, CSV, TSV, XLSX or TXT.",
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
        "NEAR_DUPLICATE_ROWS": Rule(
            _WARNING,
            "Rows that nearly repeat an earlier row",
            "They differ from an earlier row in upper and lower case, white space, punctuation or"
            " digits alone, of ASCII; texts of fewer than 20 letters are not compared. They weigh"
            " as much as a repeated row, and teach little more.",
            "Look at some of them; remove them if the difference does not matter.",
        ),
        "LEAKAGE": Rule(
            _WARNING,
            "Validation rows that are also in the training data",
            "The model has seen the answers, so the scores look better than they are.",
            "Remove them from one of the two.",
        ),
        "NEAR_LEAKAGE": Rule(
            _WARNING,
            "Validation rows that are nearly in the training data",
            "They differ from a training row in upper and lower case, white space, punctuation or"
            " digits alone, so the scores look better than they are.",
            "Split anew, so that such rows come into the same part.",
        ),
        "SEPARATORS_MIXED": Rule(
            _WARNING,
            "Different separators at the end of prompts",
            "The end of the prompt tells the model where its completion begins; several of them,"
            " each in a tenth of the rows or more, are learnt less well than one.",
            "End all prompts with the same separator, also in requests.",
        ),
        "CLASS_SMALL": Rule(
            _WARNING,
            "Classes with fewer than 100 examples",
            "Too few to learn what sets the class apart from the others.",
            "Collect more examples of these classes, or join them with others.",
        ),
        "CLASS_IMBALANCE": Rule(
            _WARNING,
            "One class has ten times the examples of another",
            "The model learns to answer with the frequent class when in doubt.",
            "Add examples of the rare class, or leave out some of the frequent one.",
        ),
        "CLASS_VARIANTS": Rule(
            _WARNING,
            "Classes that differ in case or white space alone",
            "They are probably meant as one; the model has to guess which way to write it.",
            "Write the label the same way in all rows.",
        ),
        # --- whole columns of prompts and completions -------------------------------------------
        "LONG_ROWS": Rule(
            _WARNING,
            "Rows of more than 10,000 characters",
            "So long an example is more than the context of most models holds: the beginning of its"
            " prompt is cut off.",
            "Shorten or remove these rows; the statistics count what is over the context.",
            fixable=True,
        ),
        "PROMPT_UPPER_CASE": Rule(
            _WARNING,
            "Prompts mostly in upper case",
            "Models have read little text in capitals, and need more tokens for it.",
            "Write the prompts in lower case, if that makes sense here; also those of requests.",
            fixable=True,
        ),
        "COMPLETION_UPPER_CASE": Rule(
            _WARNING,
            "Completions mostly in upper case",
            "Models have read little text in capitals, and need more tokens for it.",
            "Write the completions in lower case, if that makes sense here.",
            fixable=True,
        ),
        "PROMPTS_IDENTICAL": Rule(
            _WARNING,
            "All prompts are the same",
            "A prompt that never changes tells the model nothing about the completion.",
            "Leave the prompts empty for open-ended generation, or write the prompts that differ.",
        ),
        "COMPLETIONS_IDENTICAL": Rule(
            _WARNING,
            "All completions are the same",
            "The model learns to repeat that one text, whatever the prompt.",
            "Write the completions that differ.",
        ),
        "PROMPT_SUFFIX_LONG": Rule(
            _INFO,
            "A long common end of all prompts",
            "It takes tokens in each row and each request, and a short one tells as much.",
            "Use a shorter one.",
        ),
        "PROMPT_SUFFIX_AMBIGUOUS": Rule(
            _WARNING,
            "The separator also stands inside of prompts",
            "It cannot tell the model where the completion begins.",
            "End the prompts with a text that stands nowhere else in them.",
        ),
        "PROMPT_SUFFIX_MISSING": Rule(
            _WARNING,
            "No separator at the end of prompts",
            "The model may go on with the prompt in place of completing it.",
            "End each prompt with the same short text, also in requests.",
            fixable=True,
        ),
        "PROMPT_PREFIX_COMMON": Rule(
            _INFO,
            "A long common beginning of all prompts",
            "A short one helps. A long instruction is learnt soon and then paid for in each row and"
            " request; with few examples it may still be worth it.",
            "Begin the prompts of requests with it, too; consider to cut a long one off.",
            fixable=True,
        ),
        "COMPLETION_PREFIX_COMMON": Rule(
            _WARNING,
            "A common beginning of all completions",
            "It says nothing of the row, and is written and paid for in each answer.",
            "Cut it off.",
            fixable=True,
        ),
        "COMPLETION_SUFFIX_LONG": Rule(
            _INFO,
            "A long common end of all completions",
            "It is written and paid for in each answer, and a short one does the same.",
            "Use a shorter one.",
        ),
        "COMPLETION_SUFFIX_AMBIGUOUS": Rule(
            _WARNING,
            "The stop text also stands inside of completions",
            "Where a request stops at it, such an answer is cut short.",
            "End the completions with a text that stands nowhere else in them.",
        ),
        "COMPLETION_SUFFIX_MISSING": Rule(
            _WARNING,
            "No common end of completions",
            "Nothing is added to a completion in training, so the model does not learn where to"
            " stop.",
            'End each completion with the same short text, and give it as "stop" in requests.',
            fixable=True,
        ),
        "COMPLETION_SPACE_MISSING": Rule(
            _WARNING,
            "Completions that do not begin with a blank",
            "Most tokenizers have their words with the blank before them; without it a word takes"
            " more tokens, and rarer ones.",
            "Begin each completion with a blank.",
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
        "CHAT_DEVELOPER": Rule(
            _INFO,
            "A developer message",
            "It is what newer interfaces call the system message, and is trained as one.",
            "Nothing to do; write the role as system to be rid of the finding.",
        ),
        "CHAT_TOOLS_UNSUPPORTED": Rule(
            _WARNING,
            "Tools, which cannot be trained yet",
            "The data is kept and checked, but no trainer here writes tools into its text: without"
            " them the conversation would teach something else, so a run on it is refused.",
            "Leave such rows out, or write calls and results as text, to train now.",
        ),
        "CHAT_TOOL_INVALID": Rule(
            _ERROR,
            "A tool that is not defined well",
            "The model cannot be told what it may call.",
            'Write {"type": "function", "function": {"name": "…", "parameters": {…}}}.',
        ),
        "CHAT_TOOL_CALL": Rule(
            _ERROR,
            "A call of a tool that cannot be right",
            "The model would learn to write calls that no program can carry out.",
            'Write {"id": "…", "type": "function", "function": {"name": "…", "arguments": "…"}}'
            " with arguments that are JSON, an id of its own, and the name of a defined tool.",
        ),
        "CHAT_TOOL_RESULT": Rule(
            _ERROR,
            "A call without its result, or a result without its call",
            "A conversation goes on after a call only with its result.",
            'Answer each call with {"role": "tool", "tool_call_id": "…", "content": "…"}.',
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
        # --- preference ------------------------------------------------------------------------
        "PREFERENCE_OUTPUT": Rule(
            _ERROR,
            "An answer that is not one assistant message",
            "Two single answers to the same conversation are compared.",
            'Write [{"role": "assistant", "content": "…"}].',
        ),
        "PREFERENCE_SAME": Rule(
            _WARNING,
            "The same answer twice",
            "There is nothing to prefer.",
            "Remove the row, or write the other answer.",
        ),
        # --- the format ------------------------------------------------------------------------
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
        # --- what nobody should learn -----------------------------------------------------------
        "SECRET_FOUND": Rule(
            _WARNING,
            "A secret in the text",
            "A model repeats what it was trained on: whoever may ask it may get the secret."
            " Where the tenant's policy is to block, it is an error.",
            "Withdraw the secret where it was issued, and remove it here: `prepare --fix"
            " SECRET_FOUND` writes a placeholder in its place. Where the tenant's policy is to"
            " redact, that is done at once.",
        ),
        "PERSONAL_DATA_FOUND": Rule(
            _WARNING,
            "Personal data in the text",
            "A model repeats what it was trained on, and cannot forget it when somebody asks for"
            " that. Where the tenant's policy is to block, it is an error.",
            "Remove it, or write something made up: `prepare --fix PERSONAL_DATA_FOUND` writes a"
            " placeholder in its place. Where the tenant's policy is to redact, that is done at"
            " once.",
        ),
    }
)

NOT_TRAINED = frozenset({"CHAT_TOOLS_UNSUPPORTED"})
"""Rows of sound data that no trainer here can take: a run on a dataset with them is refused."""
