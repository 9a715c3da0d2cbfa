from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.domain.tokens import Sealer

SEALER = Sealer(b"secret")


@given(st.text("abc/?-", max_size=20), st.text(st.characters(codec="utf-8"), max_size=40))
def test_a_token_opens_where_it_was_sealed_and_nowhere_else(bond: str, content: str):
    token = SEALER.seal("cursor", bond, content)
    assert SEALER.open("cursor", bond, token) == content
    assert SEALER.open("page", bond, token) is None
    assert SEALER.open("cursor", bond + "x", token) is None
    assert Sealer(b"other").open("cursor", bond, token) is None


@given(st.text(max_size=60))
def test_no_text_opens_by_chance_and_none_raises(text: str):
    assert SEALER.open("cursor", "acme/run", text) is None


@given(st.integers(0, 200), st.integers(0, 7))
def test_a_token_with_one_bit_changed_does_not_open(place: int, bit: int):
    token = SEALER.seal("cursor", "acme/run", "17")
    place %= len(token)
    changed = token[:place] + chr(ord(token[place]) ^ (1 << bit)) + token[place + 1 :]
    assert SEALER.open("cursor", "acme/run", changed) in (None, "17")
