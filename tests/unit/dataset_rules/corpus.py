"""Lines that a careless or hostile hand may write, and what is to be said about each."""

import json
from typing import NamedTuple

GOOD = b'{"prompt":"a","completion":" b"}'
GOOD_CHAT = b'{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}'


class Case(NamedTuple):
    """A line and the codes found in it; it is an example if none of them is an error."""

    line: bytes
    codes: list[str]
    says: str = ""
    """What the first message must contain."""


def row(**fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def chat(*messages: object, **fields: object) -> bytes:
    return row(messages=list(messages), **fields)


def turn(role: object, content: object, **fields: object) -> dict[str, object]:
    return {"role": role, "content": content, **fields}


def call(id: str, *, name: str = "f", arguments: object = "{}") -> dict[str, object]:
    function = {"name": name, "arguments": arguments}
    return {
        "role": "assistant",
        "tool_calls": [{"id": id, "type": "function", "function": function}],
    }


def preference(input: object, preferred: object, other: object, **fields: object) -> bytes:
    return row(input=input, preferred_output=preferred, non_preferred_output=other, **fields)


USER, ANSWER = turn("user", "a"), turn("assistant", "b")
OTHER = turn("assistant", "c")
CALL, RESULT = call("1"), turn("tool", "1", tool_call_id="1")
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
_TOOLS = "CHAT_TOOLS_UNSUPPORTED"
ASKED = {"messages": [USER]}
GOOD_PREFERENCE = preference(ASKED, [ANSWER], [OTHER])
TOO_DEEP = b'{"prompt":"a","completion":"b","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

ROWS: dict[str, Case] = {
    "plain": Case(GOOD, []),
    "white space around": Case(b' \t{ "prompt" : "a" , "completion" : " b" } \r', []),
    "escaped key": Case(b'{"\\u0070rompt":"a","completion":"b"}', []),
    "open-ended": Case(b'{"prompt":"","completion":"b"}', []),
    "pair of surrogates": Case(b'{"prompt":"\\ud83d\\ude00","completion":"b"}', []),
    "many escaped quotes": Case(row(prompt='"' * 99 + "\\" * 7, completion='"b"\\'), []),
    # JSON
    "trailing comma": Case(b'{"prompt":"a","completion":"b",}', ["JSON_INVALID"], 'after "b"'),
    "single quotes": Case(b"{'prompt':'a'}", ["JSON_INVALID"], "single quotes"),
    "missing comma": Case(b'{"prompt":"a" "completion":"b"}', ["JSON_INVALID"], "comma is missing"),
    "missing colon": Case(b'{"prompt" "a"}', ["JSON_INVALID"], 'no ":" after the key "prompt"'),
    "missing value": Case(b'{"prompt":}', ["JSON_INVALID"], "where a value is expected"),
    "cut in a string": Case(b'{"prompt":"a","completion":"bcd', ["JSON_INVALID"], "not closed"),
    "cut in an object": Case(b'{"prompt":"a"', ["JSON_INVALID"], 'the line ends where "," or "}"'),
    "cut after a colon": Case(b'{"prompt":', ["JSON_INVALID"], "the line ends where a value"),
    "wrong bracket": Case(b'{"prompt":"a"]', ["JSON_INVALID"], '"]" where "}" is expected'),
    "bare key": Case(b'{prompt:"a"}', ["JSON_INVALID"], "the key prompt has no double quotes"),
    "bare text": Case(b'{"prompt":hello}', ["JSON_INVALID"], "the text hello has no double quotes"),
    "python None": Case(b'{"prompt":None}', ["JSON_INVALID"], "None is not JSON; write null"),
    "leading zero": Case(b'{"prompt":012}', ["JSON_INVALID"], "012 is not a number"),
    "raw tab": Case(b'{"prompt":"a\tb"}', ["JSON_INVALID"], "write `\\t`"),
    "raw NUL": Case(b'{"prompt":"a\0b"}', ["JSON_INVALID"], "write `\\u0000`"),
    "bad escape": Case(b'{"prompt":"C:\\dir"}', ["JSON_INVALID"], "`\\d` is no escape"),
    "comment": Case(b'{"prompt":"a", // b\r', ["JSON_INVALID"], "`/` where a key"),
    "two objects": Case(GOOD + GOOD, ["JSON_INVALID"], "a second object on the line"),
    "text after": Case(GOOD + b" x", ["JSON_INVALID"], "more text after the end"),
    "vertical tab after": Case(GOOD + b"\x0b", ["JSON_INVALID"], "more text after the end"),
    "csv": Case(b"prompt,completion", ["JSON_INVALID"], "not valid JSON"),
    "only a bracket": Case(b"{", ["JSON_INVALID"], "the line ends where a key"),
    "list": Case(b'["a","b"]', ["NOT_AN_OBJECT"], "a list"),
    "string": Case(b'"a"', ["NOT_AN_OBJECT"], "a string"),
    "number": Case(b"17", ["NOT_AN_OBJECT"], "a number"),
    "null": Case(b"null", ["NOT_AN_OBJECT"], "null"),
    "huge integer": Case(b"9" * 5000, ["NOT_AN_OBJECT"], "a number"),
    "key twice": Case(b'{"prompt":"a","prompt":"","completion":"b"}', ["KEY_DUPLICATE"], "prompt"),
    "key twice by escape": Case(
        b'{"prompt":"a","completion":"b","\\u0070rompt":""}', ["KEY_DUPLICATE"], "prompt"
    ),
    "key twice, long": Case(
        row(prompt='"x' * 50, completion="b")[:-1] + b',"completion":"c"}', ["KEY_DUPLICATE"]
    ),
    "NaN": Case(GOOD[:-1] + b',"x":NaN}', ["NUMBER_NOT_FINITE", "FIELD_UNKNOWN"], "NaN"),
    "1e400": Case(GOOD[:-1] + b',"x":1e400}', ["NUMBER_NOT_FINITE", "FIELD_UNKNOWN"], "1e400"),
    "-Infinity": Case(
        b'{"prompt":-Infinity,"completion":"b"}', ["NUMBER_NOT_FINITE", "FIELD_TYPE"]
    ),
    "depth 100,000": Case(TOO_DEEP, ["TOO_DEEP"], "64 levels"),
    "depth 100,000, unclosed": Case(b"[" * 100_000, ["TOO_DEEP"], "64 levels"),
    "brackets in a text": Case(row(prompt="[{" * 500 + '\\"', completion="b"), []),
    # encoding
    "latin-1": Case(b'{"prompt":"caf\xe9 x","completion":"b"}', ["ENCODING_INVALID"], "byte 15"),
    "encoded surrogate": Case(b'{"prompt":"\xed\xa0\x80"}', ["ENCODING_INVALID"], "byte 12"),
    "overlong": Case(b'{"prompt":"\xc0\x80"}', ["ENCODING_INVALID"], "0xc0"),
    "beyond unicode": Case(b'{"prompt":"\xf4\x90\x80\x80"}', ["ENCODING_INVALID"], "0xf4"),
    "half a surrogate": Case(
        b'{"prompt":"\\ud800","completion":"b"}', ["LONE_SURROGATE"], "\\ud800"
    ),
    "escaped NUL": Case(b'{"prompt":"a\\u0000","completion":"b"}', ["TEXT_NUL"], "character 2"),
    "escaped text of NUL": Case(b'{"prompt":"\\\\u0000","completion":"b"}', []),
    "BOM": Case(b"\xef\xbb\xbf" + GOOD, ["BOM"], "byte order mark"),
    "blank": Case(b" \t", ["BLANK_LINE"], "blank"),
    # fields
    "no prompt": Case(b'{"completion":"b"}', ["FIELD_MISSING"], 'no field "prompt"'),
    "capital": Case(b'{"Prompt":"a","completion":"b"}', ["FIELD_CASE", "FIELD_UNKNOWN"], "Prompt"),
    "typo": Case(b'{"prompt":"a","completoin":"b"}', ["FIELD_MISSING", "FIELD_UNKNOWN"], "toin"),
    "no field": Case(b"{}", ["FIELD_MISSING", "FIELD_MISSING"], 'no field "prompt"'),
    "number for text": Case(
        b'{"prompt":1,"completion":"b"}', ["FIELD_TYPE"], "a number, not a str"
    ),
    "null prompt": Case(b'{"prompt":null,"completion":"b"}', ["FIELD_TYPE"], "null, not a string"),
    "null completion": Case(b'{"prompt":"a","completion":null}', ["COMPLETION_EMPTY"], "null"),
    "empty completion": Case(b'{"prompt":"a","completion":""}', ["COMPLETION_EMPTY"], "empty"),
    "blank completion": Case(b'{"prompt":"a","completion":" \\n"}', ["COMPLETION_BLANK"], "white"),
    "field too many": Case(GOOD[:-1] + b',"id":7}', ["FIELD_UNKNOWN"], '"id" is not used'),
    "chat": Case(GOOD_CHAT, ["MIXED_SHAPES"], "a chat row in a dataset of prompt/completion rows"),
}

CHATS: dict[str, Case] = {
    "plain": Case(GOOD_CHAT, []),
    "with system, weight and name": Case(
        chat(turn("system", "s"), turn("user", "a", name="n"), turn("assistant", "b", weight=1)), []
    ),
    "several turns": Case(chat(USER, turn("assistant", "x", weight=0), USER, ANSWER), []),
    "weight as float": Case(chat(USER, turn("assistant", "b", weight=1.0)), []),
    "weight null": Case(chat(USER, turn("assistant", "b", weight=None, name=None)), []),
    "quotes": Case(chat(turn("user", '"' * 40), turn("assistant", '\\"')), []),
    "empty answer that is not learnt": Case(
        chat(USER, turn("assistant", "", weight=0), USER, ANSWER), []
    ),
    "no messages": Case(b'{"messages":[]}', ["CHAT_NO_MESSAGES"], "empty"),
    "messages a string": Case(b'{"messages":"a"}', ["FIELD_TYPE"], "a string, not a list"),
    "message a string": Case(b'{"messages":["a"]}', ["FIELD_TYPE"], "not an object"),
    "messages missing": Case(b'{"mesages":[]}', ["FIELD_MISSING", "FIELD_UNKNOWN"], "mesages"),
    "role missing": Case(chat({"content": "a"}, ANSWER), ["FIELD_MISSING"], 'no field "role"'),
    "role a number": Case(chat(turn(1, "a"), ANSWER), ["FIELD_TYPE"], '"role" is a number'),
    "role unknown": Case(chat(turn("bot", "a"), ANSWER), ["CHAT_ROLE_UNKNOWN"], '"bot"'),
    "role in capitals": Case(chat(turn("User", "a"), ANSWER), ["CHAT_ROLE_UNKNOWN"], '"User"'),
    "role huge": Case(chat(turn("x" * 10_000, "a"), ANSWER), ["CHAT_ROLE_UNKNOWN"], "xxx…"),
    "content missing": Case(chat({"role": "user"}, ANSWER), ["FIELD_MISSING"], '"content"'),
    "content parts": Case(chat(turn("user", [{"type": "text"}]), ANSWER), ["FIELD_TYPE"], "a list"),
    "weight two": Case(chat(USER, turn("assistant", "b", weight=2)), ["FIELD_TYPE"], "weight"),
    "weight true": Case(chat(USER, turn("assistant", "b", weight=True)), ["FIELD_TYPE"], "weight"),
    "weight a list": Case(chat(USER, turn("assistant", "b", weight=[])), ["FIELD_TYPE"], "weight"),
    "user says nothing": Case(chat(turn("user", ""), ANSWER), ["CHAT_TURN_EMPTY"]),
    "assistant says nothing": Case(chat(USER, turn("assistant", None)), ["CHAT_CONTENT_EMPTY"]),
    "no assistant": Case(chat(USER), ["CHAT_NO_ASSISTANT"]),
    "nothing learnt": Case(chat(USER, turn("assistant", "b", weight=0)), ["CHAT_NO_ASSISTANT"]),
    "two users": Case(chat(USER, USER, ANSWER), ["CHAT_ROLE_ORDER"], "two user messages"),
    "late system": Case(chat(USER, turn("system", "s"), ANSWER), ["CHAT_ROLE_ORDER"], "a system"),
    "assistant first": Case(chat(ANSWER), ["CHAT_ROLE_ORDER"], "without a user message"),
    "user last": Case(chat(USER, ANSWER, USER), ["CHAT_ROLE_ORDER"], "ends with a user message"),
    "developer": Case(chat(turn("developer", "s"), USER, ANSWER), ["CHAT_DEVELOPER"], "developer"),
    "tools": Case(chat(USER, ANSWER, tools=[TOOL]), [_TOOLS], '"tools"'),
    "no tools": Case(chat(USER, ANSWER, tools=None, parallel_tool_calls=None), []),
    "tools a string": Case(chat(USER, ANSWER, tools="f"), [_TOOLS, "FIELD_TYPE"], "not a list"),
    "tool without a name": Case(
        chat(USER, ANSWER, tools=[{"type": "function", "function": {}}]),
        [_TOOLS, "CHAT_TOOL_INVALID"],
        "no name",
    ),
    "parallel a string": Case(
        chat(USER, ANSWER, parallel_tool_calls="yes"), [_TOOLS, "FIELD_TYPE"], "not a boolean"
    ),
    "a call": Case(chat(USER, CALL, RESULT, ANSWER, tools=[TOOL]), [_TOOLS], "tools"),
    "a call at the end": Case(chat(USER, CALL, tools=[TOOL]), [_TOOLS]),
    "a call of an old kind": Case(
        chat(USER, turn("assistant", None, function_call={}), turn("function", "1"), ANSWER),
        [_TOOLS],
    ),
    "no call": Case(
        chat(USER, turn("assistant", None, tool_calls=[])),
        [_TOOLS, "CHAT_TOOL_CALL"],
        "is empty",
    ),
    "arguments that are no JSON": Case(
        chat(USER, call("1", arguments="{"), RESULT, ANSWER),
        [_TOOLS, "CHAT_TOOL_CALL", "CHAT_TOOL_RESULT"],
        "not valid JSON",
    ),
    "arguments that are an object": Case(
        chat(USER, call("1", arguments={})), [_TOOLS, "CHAT_TOOL_CALL"], "an object"
    ),
    "arguments that are deep": Case(
        chat(USER, call("1", arguments="[" * 50_000)), [_TOOLS, "CHAT_TOOL_CALL"], "valid JSON"
    ),
    "a call without an id": Case(chat(USER, call("")), [_TOOLS, "CHAT_TOOL_CALL"], "no id"),
    "a call of an unknown tool": Case(
        chat(USER, call("1", name="g"), RESULT, ANSWER, tools=[TOOL]),
        [_TOOLS, "CHAT_TOOL_CALL"],
        'the tool "g" is not among',
    ),
    "a call by the user": Case(
        chat(turn("user", "a", tool_calls=CALL["tool_calls"]), RESULT, ANSWER),
        [_TOOLS, "CHAT_TOOL_CALL"],
        "only an assistant",
    ),
    "two calls of one id": Case(
        chat(USER, CALL, RESULT, CALL, RESULT, ANSWER),
        [_TOOLS, "CHAT_TOOL_CALL"],
        "stands for two calls",
    ),
    "a result of no call": Case(
        chat(USER, ANSWER, RESULT, ANSWER), [_TOOLS, "CHAT_TOOL_RESULT"], '"1" is not known'
    ),
    "a second result": Case(
        chat(USER, CALL, RESULT, RESULT, ANSWER), [_TOOLS, "CHAT_TOOL_RESULT"], "answered before"
    ),
    "a call without a result": Case(
        chat(USER, CALL, USER, ANSWER), [_TOOLS, "CHAT_TOOL_RESULT"], "has no result"
    ),
    "a result without an id": Case(
        chat(USER, CALL, turn("tool", "1"), ANSWER),
        [_TOOLS, "CHAT_TOOL_RESULT"],
        'no "tool_call_id"',
    ),
    "field too many": Case(chat(USER, turn("assistant", "b", id=1)), ["FIELD_UNKNOWN"], '"id"'),
    "role twice": Case(
        b'{"messages":[{"role":"user","content":"a"},'
        b'{"role":"user","role":"assistant","content":"b"}]}',
        ["KEY_DUPLICATE"],
        '"role"',
    ),
    "messages twice": Case(
        b'{"messages":[],' + GOOD_CHAT[1:], ["KEY_DUPLICATE"], '"messages" stands twice'
    ),
    "escaped NUL": Case(chat(turn("user", "a\0"), ANSWER), ["TEXT_NUL"]),
    "half a surrogate": Case(
        GOOD_CHAT.replace(b'"b"', b'"\\udfff"'), ["LONE_SURROGATE"], "\\udfff"
    ),
    "half a surrogate in a name": Case(
        b'{"messages":[{"role":"user","content":"a","name":"\\ud800"},'
        b'{"role":"assistant","content":"b"}]}',
        ["LONE_SURROGATE"],
    ),
    "another shape": Case(GOOD, ["MIXED_SHAPES"], "a prompt/completion row"),
}

PREFERENCES: dict[str, Case] = {
    "plain": Case(GOOD_PREFERENCE, []),
    "several turns": Case(preference({"messages": [USER, ANSWER, USER]}, [ANSWER], [OTHER]), []),
    "with tools": Case(
        preference(
            {"messages": [USER], "tools": [TOOL], "parallel_tool_calls": True}, [CALL], [OTHER]
        ),
        [_TOOLS],
    ),
    "input missing": Case(
        row(preferred_output=[ANSWER], non_preferred_output=[OTHER]), ["FIELD_MISSING"], '"input"'
    ),
    "input a string": Case(preference("a", [ANSWER], [OTHER]), ["FIELD_TYPE"], "not an object"),
    "input without messages": Case(preference({}, [ANSWER], [OTHER]), ["FIELD_MISSING"]),
    "input empty": Case(
        preference({"messages": []}, [ANSWER], [OTHER]), ["CHAT_NO_MESSAGES"], "empty"
    ),
    "answered before": Case(
        preference({"messages": [USER, ANSWER]}, [ANSWER], [OTHER]),
        ["CHAT_ROLE_ORDER"],
        "ends with an assistant",
    ),
    "one answer missing": Case(
        row(input=ASKED, preferred_output=[ANSWER]), ["FIELD_MISSING"], "non_preferred_output"
    ),
    "an answer a string": Case(preference(ASKED, "b", [OTHER]), ["FIELD_TYPE"], "not a list"),
    "no answer": Case(preference(ASKED, [], [OTHER]), ["PREFERENCE_OUTPUT"], "not one assistant"),
    "two answers": Case(preference(ASKED, [ANSWER, OTHER], [OTHER]), ["PREFERENCE_OUTPUT"]),
    "an answer by the user": Case(preference(ASKED, [USER], [OTHER]), ["PREFERENCE_OUTPUT"]),
    "an empty answer": Case(
        preference(ASKED, [turn("assistant", "")], [OTHER]), ["CHAT_CONTENT_EMPTY"]
    ),
    "the same answer": Case(preference(ASKED, [ANSWER], [ANSWER]), ["PREFERENCE_SAME"], "the same"),
    "field too many": Case(preference(ASKED, [ANSWER], [OTHER], id=1), ["FIELD_UNKNOWN"], '"id"'),
    "chat": Case(GOOD_CHAT, ["MIXED_SHAPES"], "a chat row in a dataset of preference rows"),
}
