"""What the tests show of OpenAI's surface, as rows of docs/reference/openai.md.

A test carries the rows that it proves. `scripts/openai_conformance.py` runs the tests and renders
the rows of those that passed; a test compares the page with the rows that there are.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
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


def files() -> list[Path]:
    """The test files whose tests carry rows."""
    tests = Path(__file__).parents[1]
    return [
        path
        for path in sorted(tests.rglob("test_*.py"))
        if "openai.conformance" in path.read_text()
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Note the rows of a test that passes: for `pytest -p tests.openai.conformance`."""
    yield
    with Path(os.environ["OPENAI_CONFORMANCE"]).open("a") as file:
        for row in rows_of(item.iter_markers("conformance")):
            file.write(json.dumps(asdict(row)) + "\n")


def rows_of(marks: Iterable[pytest.Mark]) -> list[Row]:
    """The rows that a test carries."""
    return [row for mark in marks if mark.name == "conformance" for row in mark.args]


def page(rows: Iterable[Row]) -> str:
    """docs/reference/openai.md."""
    by_endpoint: dict[str, set[Row]] = {}
    for row in rows:
        by_endpoint.setdefault(row.endpoint, set()).add(row)
    parts = [
        _INTRODUCTION.format(**_counted({row for each in by_endpoint.values() for row in each}))
    ]
    for title, begins in _SECTIONS:
        shown = [name for name in by_endpoint if begins(name)]
        if not shown:
            continue
        parts.append(f"## {title}\n")
        parts.append("| | what | | |\n| --- | --- | --- | --- |")
        for name in sorted(shown, key=_place):
            rows_here = sorted(by_endpoint.pop(name), key=lambda row: (row.what != "", row))
            for number, row in enumerate(rows_here):
                cells = (f"`{name}`" if number == 0 else "", row.what, row.status, row.note)
                parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("")
    assert not by_endpoint, f"no section is for {sorted(by_endpoint)}"
    return "\n".join(parts)


_INTRODUCTION = """# OpenAI's clients

What OpenAI's own programs and libraries find here. Each row was shown by a test: in \
`tests/openai` by the clients themselves, with real training behind them where there is training, \
the rest by plain HTTP. This page is written by `python scripts/openai_conformance.py`, which runs \
them, and a test compares its rows with theirs. {works} rows work, {differs} differ and say how, \
{not_offered} are not offered and say why.

How to point a client here: [use OpenAI's clients](../how-to/use-openai-clients.md).
"""


def _counted(rows: set[Row]) -> dict[str, int]:
    return {
        status.replace(" ", "_"): sum(row.status == status for row in rows)
        for status in (WORKS, DIFFERS, NOT_OFFERED)
    }


def _place(name: str) -> tuple[str, str]:
    """Endpoints by path."""
    verb, _, path = name.partition(" ")
    return (path, verb) if path.startswith("/") else ("", name)


_SECTIONS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("The old command line, 0.28.1", lambda name: name.startswith("openai ")),
    ("Libraries", lambda name: name.startswith(("openai@", "openai-")) or name == "curl"),
    ("Files and uploads", lambda name: "/v1/files" in name or "/v1/uploads" in name),
    ("Fine-tunes, the old API", lambda name: "/v1/fine-tunes" in name),
    ("Fine-tuning jobs", lambda name: "/v1/fine_tuning" in name),
    ("Models", lambda name: "/v1/models" in name or name.startswith("GET /v1/engines")),
    ("Completions", lambda name: name.endswith("completions")),
    ("Everywhere", lambda name: True),
)
