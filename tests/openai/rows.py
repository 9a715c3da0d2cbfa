"""Training data of the tests."""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PROMPT = "is 7 odd? ->"


def answers(count: int = 20, start: int = 0) -> list[dict[str, str]]:
    """Prompts with one of two answers, in the guide's form."""
    return [
        {"prompt": f"is {n} odd? ->", "completion": " yes" if n % 2 else " no"}
        for n in range(start, start + count)
    ]


def chats(count: int = 12) -> list[dict[str, Any]]:
    """The same as conversations."""
    return [
        {
            "messages": [
                {"role": "system", "content": "be short"},
                {"role": "user", "content": f"is {n} odd?"},
                {"role": "assistant", "content": "yes" if n % 2 else "no"},
            ]
        }
        for n in range(count)
    ]


def preferences(count: int = 12) -> list[dict[str, Any]]:
    """Questions with a short answer that is preferred to a long one."""
    return [
        {
            "input": {"messages": [{"role": "user", "content": f"is {n} odd?"}]},
            "preferred_output": [{"role": "assistant", "content": "yes" if n % 2 else "no"}],
            "non_preferred_output": [{"role": "assistant", "content": "well, that depends"}],
        }
        for n in range(count)
    ]


def lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def written(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Rows as a file."""
    path.write_text(lines(rows))
    return path


def raw_table(path: Path, count: int = 60) -> Path:
    """A table as people have it: no separators, no leading blanks, more cases than lower ones."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["Prompt", "completion"])
        table.writerows([f"is {n} odd", "yes" if n % 3 else "no"] for n in range(count))
    return path
