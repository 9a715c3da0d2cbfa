import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.domain.errors import InvalidArgument, NotFound
from tunesmith_server.domain.names import DatasetName, FineTuneName, owned


def test_a_name_reads_back_as_it_is_spelled_and_of_no_other_collection():
    name = FineTuneName("acme", "bot")
    assert FineTuneName.parse(str(name)) == name
    with pytest.raises(InvalidArgument, match="datasets"):
        DatasetName.parse(str(name))


@given(st.text(max_size=100))
def test_no_text_makes_parsing_a_name_fail_in_another_way(text: str):
    try:
        assert str(FineTuneName.parse(text)) == text
    except InvalidArgument as error:
        assert error.violations[0].field == "name"


def test_a_foreign_tenant_is_not_there():
    assert owned("acme", "acme", "shown") == "acme"
    assert owned("-", "acme", "shown") == "acme"
    assert owned("acme", None, "shown") == "acme"
    with pytest.raises(NotFound, match="shown does not exist"):
        owned("evil", "acme", "shown")
