"""docs/reference/openai.md says what the tests show, and no endpoint is missing from it."""

import importlib
import inspect
from pathlib import Path
from unittest.mock import MagicMock

from tunesmith_server.edge.http.app import endpoints

from tests.openai.conformance import Row, files, page, rows_of

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "reference" / "openai.md"


def rows() -> list[Row]:
    """Every row that a test carries."""
    found: list[Row] = []
    for path in files():
        name = ".".join(path.relative_to(_ROOT).with_suffix("").parts)
        module = importlib.import_module(name)
        for name, value in vars(module).items():
            if name.startswith("test_"):
                found += rows_of(getattr(value, "pytestmark", []))
    return found


def test_the_page_has_the_rows_that_the_tests_show():
    assert _PAGE.read_text() == page(rows()), "run `python scripts/openai_conformance.py`"


def test_no_row_is_shown_with_two_statuses():
    by_what: dict[tuple[str, str], set[str]] = {}
    for row in rows():
        by_what.setdefault((row.endpoint, row.what), set()).add(row.status)
    assert not {what: found for what, found in by_what.items() if len(found) > 1}


def test_every_endpoint_has_a_row():
    table = endpoints(*(MagicMock() for _ in inspect.signature(endpoints).parameters))
    answered = {f"{verb} {path.replace(':path', '')}" for verb, path, *_ in table}
    assert answered <= {row.endpoint for row in rows()}
