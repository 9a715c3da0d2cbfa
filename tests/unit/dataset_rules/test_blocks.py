"""A block that is taken whole has nothing in it that a look at each line would have found."""

import json
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tunesmith.dataset_rules import Shape, inspector
from tunesmith.dataset_rules.blocks import read_block
from tunesmith.dataset_rules.examine import examine
from tunesmith.dataset_rules.inspector import Inspector
from tunesmith.dataset_rules.scan import Odd, Sound, scan_lines
from tunesmith.dataset_rules.shapes import text_bytes
from tunesmith.dataset_rules.sources import Rows

from tests.unit.dataset_rules.corpus import CHATS, ROWS, chat, turn

_TEXT = st.text(max_size=12) | st.sampled_from(
    ['"', "\\", "\0", " ", "\u2003", "", '","prompt":"', '", "completion": "', '"}\n{"prompt": "']
)
_ROW = st.fixed_dictionaries({"prompt": _TEXT, "completion": _TEXT})
_MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant"]), "content": _TEXT}
    ),
    max_size=5,
)
_CHAT = st.fixed_dictionaries({"messages": _MESSAGES})
_LAYOUTS = [(", ", ": "), (",", ":"), (" , ", ": ")]
_HOSTILE = [c.line for c in (*ROWS.values(), *CHATS.values()) if len(c.line) < 500]


@st.composite
def _blocks(draw: st.DrawFn, shape: Shape) -> bytes:
    """Lines as programs write them, and some that were tampered with."""
    kinds = _CHAT if shape is Shape.CHAT else _ROW
    separators = draw(st.sampled_from(_LAYOUTS))
    ascii_only = draw(st.booleans())
    lines = []
    for value in draw(st.lists(kinds, min_size=1, max_size=6)):
        line = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode()
        match draw(st.integers(0, 9)):
            case 0:
                line = draw(st.sampled_from(_HOSTILE))
            case 1:
                at = draw(st.integers(0, len(line)))
                line = line[:at] + draw(st.binary(max_size=3)) + line[at:]
            case 2:
                at = draw(st.integers(0, len(line)))
                line = line[:at] + draw(st.sampled_from([b"\n", b" ", b"}{", b', "prompt": "x"']))
                line += line[at:]
            case _:
                pass
        lines.append(line)
    return b"\n".join(lines) + b"\n"


def _agree(shape: Shape, content: bytes) -> None:
    block = read_block(shape, content)
    if block is None:
        return
    verdicts = [examine(line, shape) for line in BytesIO(content).readlines()]
    assert [verdict.problems for verdict in verdicts] == [()] * len(verdicts)
    assert [verdict.example for verdict in verdicts] == list(block.examples)
    assert block.text_bytes == sum(map(text_bytes, block.examples))


@settings(deadline=None, max_examples=600)
@given(content=_blocks(Shape.PROMPT_COMPLETION))
def test_rows_that_are_taken_whole_are_sound_one_by_one(content: bytes) -> None:
    _agree(Shape.PROMPT_COMPLETION, content)


@settings(deadline=None, max_examples=600)
@given(content=_blocks(Shape.CHAT))
def test_conversations_that_are_taken_whole_are_sound_one_by_one(content: bytes) -> None:
    _agree(Shape.CHAT, content)


@settings(deadline=None, max_examples=300)
@given(content=st.sampled_from(list(Shape)).flatmap(_blocks), shape=st.sampled_from(list(Shape)))
def test_blocks_and_lines_give_the_same_report(content: bytes, shape: Shape) -> None:
    fast, slow = Inspector(shape=shape, analyse=True), Inspector(shape=shape, analyse=True)
    told = fast.feed(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspector, "scan", _line_by_line)
        assert slow.feed(content) == told
    assert fast.finish() == slow.finish()


def _line_by_line(shape: Shape, rows: Rows, odd: Odd) -> Sound:
    return scan_lines(shape, rows.lines, rows.numbers, odd)


@pytest.mark.parametrize("separators", _LAYOUTS[:2])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("text", ["plain", 'a "b"\n\\ c', "天気", "😀 \n", "/"])
def test_what_programs_write_is_taken_whole(
    separators: tuple[str, str], ascii_only: bool, text: str
) -> None:
    rows = [{"prompt": text, "completion": " x"}, {"prompt": "", "completion": text}]
    chats = [
        {"messages": [turn("user", text), turn("assistant", "b")]},
        {"messages": [turn("system", "s"), turn("user", "a"), turn("assistant", text)]},
    ]
    for shape, values in ((Shape.PROMPT_COMPLETION, rows), (Shape.CHAT, chats)):
        lines = [json.dumps(v, ensure_ascii=ascii_only, separators=separators) for v in values]
        block = read_block(shape, "".join(f"{line}\n" for line in lines).encode())
        assert block is not None
        assert len(block.examples) == 2
        _agree(shape, "".join(f"{line}\n" for line in lines).encode())


def test_conversations_of_any_length_are_read() -> None:
    long = chat(*[turn("user", "a"), turn("assistant", "b")] * 200) + b"\n"
    assert read_block(Shape.CHAT, long * 3) is None
    report = Inspector()
    report.feed(long * 3)
    assert report.finish().example_count == 3
