"""What goes wrong is logged with where, and without the values that were at hand."""

import io
import sys
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from tunesmith_server.adapters.sql.engine import make_engine
from tunesmith_server.observability import configure_logs


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("terminal", [False, True], ids=["for machines", "on a terminal"])
def test_a_traceback_shows_no_values_of_variables(monkeypatch: pytest.MonkeyPatch, terminal: bool):
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", out)
    configure_logs("info")

    def fail(key: str) -> None:
        raise ValueError("no luck")

    try:
        fail("-".join(["sk", "ts", "canary"]))
    except ValueError:
        structlog.get_logger().exception("call_failed")
    assert "no luck" in out.getvalue()
    assert "sk-ts-canary" not in out.getvalue()


def test_an_error_of_the_database_does_not_quote_what_it_was_asked_for(database_url: str):
    engine = make_engine(database_url, connections=1)
    with engine.connect() as connection, pytest.raises(SQLAlchemyError) as caught:
        connection.execute(text("SELECT :canary FROM absent"), {"canary": "sk-ts-canary"})
    engine.dispose()
    assert "absent" in str(caught.value)
    assert "sk-ts-canary" not in str(caught.value)
