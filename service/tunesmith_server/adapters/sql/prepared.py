"""Statements of the hot paths: built and compiled once, run on the driver's own cursor.

Core builds, compiles and wraps a statement anew on each execution, which costs several times what
SQLite or psycopg take to run it (measured: 150 µs against 10 to 30). What is called for every
request is therefore prepared. Everything else stays ordinary Core.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]


@dataclass(frozen=True)
class _Compiled:
    text: str
    in_order: Callable[[Mapping[str, Any]], Sequence[Any]] | None
    """Takes the parameters in the order of their place in the text; None where they go by name."""
    convert: Sequence[tuple[Any, Callable[[Any], Any]]]
    """What has to become of the value of a place, or of a name, before the driver gets it."""
    constants: Mapping[str, Any]


class Prepared:
    """One statement. `build` makes it from the dialect's own `insert`, which can upsert."""

    def __init__(self, build: Callable[[Any], Any], columns: Sequence[str] | None = None) -> None:
        self._build = build
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def all(self, connection: Connection, **values: Any) -> list[Row]:
        """Run with these values; the rows that come back, as plain tuples without types' wishes."""
        compiled = self._for(connection)
        cursor = self._execute(connection, compiled, values)
        return list(cursor.fetchall()) if cursor.description else []

    def first(self, connection: Connection, **values: Any) -> Row | None:
        """As `all`, the first row or None."""
        rows = self.all(connection, **values)
        return rows[0] if rows else None

    def many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run once for each; nothing comes back."""
        compiled = self._for(connection)
        parameters = [_parameters(compiled, row) for row in rows]
        driver: Any = connection.connection.driver_connection
        try:
            driver.cursor().executemany(compiled.text, parameters)
        except connection.dialect.dbapi.Error as error:  # type: ignore[union-attr]
            raise _wrapped(error, connection, compiled.text) from error

    def _execute(
        self, connection: Connection, compiled: _Compiled, values: Mapping[str, Any]
    ) -> Any:
        driver: Any = connection.connection.driver_connection
        try:
            return driver.execute(compiled.text, _parameters(compiled, values))
        except connection.dialect.dbapi.Error as error:  # type: ignore[union-attr]
            raise _wrapped(error, connection, compiled.text) from error

    def _for(self, connection: Connection) -> _Compiled:
        if not connection.in_transaction():
            connection.begin()  # the driver's cursor does not begin one by itself
        name = connection.dialect.name
        compiled = self._compiled.get(name)
        if compiled is None:
            compiled = self._compiled[name] = self._compile(connection.dialect)
        return compiled

    def _compile(self, dialect: Dialect) -> _Compiled:
        statement = self._build(postgresql if dialect.name == "postgresql" else sqlite)
        compiled: Any = statement.compile(dialect=dialect, column_keys=self._columns)
        convert = {}
        for name, parameter in compiled.binds.items():
            if process := parameter.type.dialect_impl(dialect).bind_processor(dialect):
                convert[name] = process
        constants = {
            name: parameter.value
            for name, parameter in compiled.binds.items()
            if not parameter.required and parameter.value is not None
        }
        if not compiled.positional:
            return _Compiled(str(compiled), None, tuple(convert.items()), constants)
        names = tuple(compiled.positiontup or ())
        return _Compiled(
            text=str(compiled),
            in_order=_taker(names),
            convert=[(at, convert[name]) for at, name in enumerate(names) if name in convert],
            constants=constants,
        )


class PreparedRows:
    """One statement for several rows of values at once; for each number of rows it is built once.

    `build` gets the dialect's module and the rows, each the parameters of `columns` by name.
    """

    def __init__(
        self,
        columns: Mapping[str, Any],
        build: Callable[[Any, Sequence[Mapping[str, Any]]], Any],
    ) -> None:
        self._columns = columns
        self._build = build
        self._sizes: dict[int, tuple[Prepared, Sequence[str]]] = {}

    def all(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> list[Row]:
        """Run with these values, each row in the order of the columns; the rows that come back."""
        if not rows:
            return []
        statement, names = self._sizes.get(len(rows)) or self._sized(len(rows))
        values = zip(names, chain.from_iterable(rows), strict=True)
        return statement.all(connection, **dict(values))

    def _sized(self, count: int) -> tuple[Prepared, Sequence[str]]:
        rows = [
            {
                name: bindparam(f"{name}_{place}", type_=type_)
                for name, type_ in self._columns.items()
            }
            for place in range(count)
        ]
        names = [parameter.key for row in rows for parameter in row.values()]
        made = Prepared(lambda dialect: self._build(dialect, rows)), names
        self._sizes[count] = made
        return made


def _taker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    """Takes the values of these names, however few they are, in their order."""
    if len(names) > 1:
        return itemgetter(*names)  # without a step of Python's for each
    return lambda values: [values[name] for name in names]


def _parameters(compiled: _Compiled, values: Mapping[str, Any]) -> Any:
    if compiled.constants:
        values = {**compiled.constants, **values}
    if compiled.in_order is None:
        return {**values, **{name: process(values[name]) for name, process in compiled.convert}}
    parameters: Any = compiled.in_order(values)
    if compiled.convert:
        parameters = list(parameters)
        for place, process in compiled.convert:
            parameters[place] = process(parameters[place])
    return parameters


def _wrapped(error: Any, connection: Connection, text: str) -> BaseException:
    """What the driver raised, as SQLAlchemy would raise it: so one place translates both."""
    dialect: Any = connection.dialect
    wrapped: BaseException = DBAPIError.instance(
        text, None, error, dialect.dbapi.Error, dialect=dialect
    )
    return wrapped
