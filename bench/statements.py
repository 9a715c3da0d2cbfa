"""What the statements of a create cost by themselves: the floor under everything that Python adds.

One group of creates runs as in the service and its statements are taken down; then the driver alone
runs them again, on a copy of the database from before, committed in the same groups.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quota import CALLERS, bench_store, create_all
from tunesmith_server.adapters.sql import prepared

GROUPS, ROUNDS = 16, 5


async def measure(folder: Path) -> tuple[float, float]:
    """CPU microseconds of one create's statements, and how many statements those are."""
    async with bench_store(folder / "statements.db") as (store, submission):
        await create_all(submission)  # caches, and the counters' rows
        before = folder / "before.db"
        await store.write(lambda tx: None)
        with sqlite3.connect(folder / "statements.db") as source:
            source.execute(f"VACUUM INTO '{before}'")
        groups = []
        for _ in range(GROUPS):
            with _taken_down() as group:
                await create_all(submission)
            groups.append(group)
    spent = []
    for number in range(ROUNDS):
        copy = folder / f"copy-{number}.db"
        shutil.copy(before, copy)
        spent.append(await asyncio.to_thread(_run, copy, groups) / (GROUPS * CALLERS) * 1e6)
    count = sum(map(len, groups)) / (GROUPS * CALLERS)
    return statistics.median(spent), count


@contextmanager
def _taken_down() -> Iterator[list[tuple[str, Any]]]:
    """What `Prepared` runs meanwhile, all of which is one connection's."""
    group: list[tuple[str, Any]] = []
    execute, many = prepared.Prepared._execute, prepared.Prepared.many

    def noted(self: Any, connection: Any, compiled: Any, values: Any) -> Any:
        group.append((compiled.text, [prepared._parameters(compiled, values)]))
        return execute(self, connection, compiled, values)

    def noted_many(self: Any, connection: Any, rows: Any) -> None:
        compiled = self._for(connection)
        group.append((compiled.text, [prepared._parameters(compiled, row) for row in rows]))
        many(self, connection, rows)

    prepared.Prepared._execute, prepared.Prepared.many = noted, noted_many  # type: ignore[method-assign]
    try:
        yield group
    finally:
        prepared.Prepared._execute, prepared.Prepared.many = execute, many  # type: ignore[method-assign]


def _run(database: Path, groups: list[list[tuple[str, Any]]]) -> float:
    """CPU seconds of the driver for all of it."""
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    began = time.process_time()
    for group in groups:
        connection.execute("BEGIN IMMEDIATE")
        for text, values in group:
            if len(values) > 1:
                connection.cursor().executemany(text, values)
            else:
                connection.execute(text, values[0]).fetchall()
        connection.execute("COMMIT")
    spent = time.process_time() - began
    connection.close()
    return spent
