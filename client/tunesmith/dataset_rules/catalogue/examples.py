"""Rules about the examples of each shape."""

from collections.abc import Mapping
from typing import Final

from tunesmith.dataset_rules.catalogue.rule import Rule
from tunesmith.dataset_rules.findings import Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

EXAMPLES: Final[Mapping[str, Rule]] = {
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
}
