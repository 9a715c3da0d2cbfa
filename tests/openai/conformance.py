"""What the tests show of OpenAI's surface, as rows of docs/reference/openai.md.

A test carries the rows that it proves. `scripts/openai_conformance.py` runs the tests and renders
the rows of those that passed; a test compares the page with the rows that there are.
"""

from dataclasses import dataclass
from typing import Any

import pytest

WORKS, DIFFERS, NOT_OFFERED = "works", "differs", "not offered"


@dataclass(frozen=True, order=True)
class Row:
    """One endpoint's field, flag or behaviour, and what became of it."""

    endpoint: str
    what: str
    status: str
    note: str = ""


def works(endpoint: str, *what: str) -> Any:
    """These work as OpenAI's clients and documents expect."""
    return pytest.mark.conformance(*(Row(endpoint, each, WORKS) for each in what or ("",)))


def differs(endpoint: str, what: str, how: str) -> Any:
    """This works, but not as it did at OpenAI."""
    return pytest.mark.conformance(Row(endpoint, what, DIFFERS, how))


def not_offered(endpoint: str, what: str, why: str) -> Any:
    """This is refused clearly."""
    return pytest.mark.conformance(Row(endpoint, what, NOT_OFFERED, why))
