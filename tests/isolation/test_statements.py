"""Time tells nothing: what is foreign and what is absent take the same look-ups.

Compared are the statements that a call runs, one by one and in order, and not how long they take:
that holds on every machine, however busy.
"""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event
from tunesmith_server.adapters.sql import prepared
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.app.rates import Rates
from tunesmith_server.edge.grpc import stages

from tests.isolation.requests import changed, valid
from tests.isolation.surface import Field, Names, resources, rpcs
from tests.isolation.wire import invoke
from tests.isolation.world import FOREIGN, MARK, NOBODY, World


class Trace:
    """The statements of each call, by its id: those of work in the background are of no call."""

    def __init__(self) -> None:
        self.of: dict[str, list[str]] = {}
        self._here = threading.local()

    def wrapped(self, kind: str, original: Any) -> Any:
        """`original`, a method of the store, noting for which call it works."""

        async def run(store: SqlStore, work: Callable[[Any], Any]) -> Any:
            incoming = stages._incoming.get(None)
            if incoming is None:
                return await original(store, work)
            lines = self.of.setdefault(incoming[1], [])
            lines.append(kind)
            begin = len(lines)

            def noting(tx: Any) -> Any:
                del lines[begin:]  # PostgreSQL runs a work again that a conflict undid
                before = getattr(self._here, "lines", None)
                self._here.lines = lines
                try:
                    return work(tx)
                finally:
                    self._here.lines = before

            return await original(store, noting)

        return run

    def note(self, statement: str) -> None:
        """Note a statement for the call that this thread works for."""
        if (lines := getattr(self._here, "lines", None)) is not None:
            lines.append(statement)


@pytest.fixture
def trace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trace]:
    """What the database is asked, from now on."""
    found = Trace()
    for kind in ("read", "write", "peek"):
        monkeypatch.setattr(SqlStore, kind, found.wrapped(kind, getattr(SqlStore, kind)))
    # whatever is asked for, a tenant's rates are read anew when they are some seconds old
    monkeypatch.setattr(Rates, "take", _takes_nothing)
    execute, many = prepared.Prepared._execute, prepared.Prepared.many

    def noted(self: Any, connection: Any, compiled: Any, values: Any) -> Any:
        found.note(compiled.text)
        return execute(self, connection, compiled, values)

    def noted_many(self: Any, connection: Any, rows: Any) -> Any:
        found.note("many")
        return many(self, connection, rows)

    monkeypatch.setattr(prepared.Prepared, "_execute", noted)
    monkeypatch.setattr(prepared.Prepared, "many", noted_many)
    with _listening(found):
        yield found


async def _takes_nothing(*_: object) -> None:
    return None


@contextmanager
def _listening(trace: Trace) -> Iterator[None]:
    def before(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        trace.note(statement)

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", before)


async def test_a_name_that_is_foreign_takes_the_same_statements_as_one_that_is_absent(
    world: World, trace: Trace
):
    apart, compared, statements, numbers = [], 0, 0, itertools.count()
    for rpc in rpcs():
        good = await valid(world, rpc, world.own)
        for field in rpc.fields:
            if field.names not in (Names.RESOURCE, Names.ADDRESSEE):
                continue
            for alike in _alike(world, field):
                seen: dict[tuple[str, ...], str] = {}
                for text in alike:
                    id = f"call-{next(numbers)}"
                    requests = changed(good, field.path, text)
                    await invoke(world.own.caller, rpc, requests, ("x-request-id", id))
                    lines = tuple(trace.of[id])
                    statements += len(lines)
                    seen.setdefault(lines, text)
                compared += 1
                if len(seen) > 1:
                    apart.append(f"{rpc.method} {field.path}: {seen}")
    print(f"{compared} names compared by {statements} statements")
    assert not apart, "\n".join(apart)
    assert statements > 3 * compared  # the hook hears: to know the caller alone takes two


def _alike(world: World, field: Field) -> Iterator[list[str]]:
    """A name that there is, one that there is not in the same tenant, one in no tenant."""
    if "{tenant}" in resources()[field.kind]:
        there = world.foreign.names[field.kind]
        absent = there.replace(f"{MARK}-", "absent-") if field.kind != "Tenant" else there
        yield [there, absent.replace("absent-tenant", FOREIGN), there.replace(FOREIGN, NOBODY)]
    for text in world.foreign.other_names.get(field.kind, ()):
        yield [text, text.replace(MARK, "abs")]
