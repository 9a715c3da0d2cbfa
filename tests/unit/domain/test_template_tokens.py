"""What is reserved for conversations whose tokens nobody has counted yet."""

import json

from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.domain.fine_tune import DatasetVersion, most_template_tokens

TURNS = st.lists(st.text("ab", min_size=1, max_size=3), min_size=2, max_size=9)


@given(st.lists(TURNS, min_size=1, max_size=20))
def test_a_file_has_no_more_messages_than_are_reckoned_with(conversations: list[list[str]]):
    rows = [
        {"messages": [{"role": "user", "content": text} for text in row]} for row in conversations
    ]
    size = sum(len(json.dumps(row, separators=(",", ":"))) + 1 for row in rows)
    messages = sum(map(len, conversations))
    text = sum(len(each) for row in conversations for each in row)
    found = most_template_tokens(
        size_bytes=size, text_bytes=text, conversations=len(rows), messages=0
    )
    assert found >= most_template_tokens(
        size_bytes=size, text_bytes=text, conversations=len(rows), messages=messages
    )


def test_of_a_packed_file_each_byte_of_text_may_be_a_message():
    packed = most_template_tokens(size_bytes=90, text_bytes=1000, conversations=10, messages=0)
    assert packed == 16 * 1000 + 64 * 10


def test_both_conversations_of_a_pair_are_rendered():
    version = DatasetVersion("pairs", "0" * 64, "preference", 1, 20, template_tokens=100)
    assert version.most_tokens == 240
