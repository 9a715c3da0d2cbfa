"""Engines that behave alike on SQLite and PostgreSQL, and their errors as the domain's."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError,
)
from sqlalchemy.pool import QueuePool

from tunesmith_server.domain.errors import OutcomeUnknown, StorageFull, Unavailable

BUSY_TIMEOUT_MS = 10_000
"""How long one waits for SQLite's locks."""

_CACHE_KIB = 16 << 10
"""What each connection keeps of the database: the pages that every write changes, and more."""

_PRAGMAS = (
    "journal_mode=WAL",
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "foreign_keys=ON",
    "synchronous=FULL",
    f"cache_size=-{_CACHE_KIB}",
)
_RETRY_STATES = frozenset({"40001", "40P01"})  # serialization failure, deadlock
_DISK_FULL = "53100"
_NO_ROOM = "the database has no room left on its disk"
_UNKNOWN = (
    "the database went away while it confirmed the change: it is not known whether it was made; "
    "look before you ask again, or repeat the call with the same request_id"
)


def is_sqlite(url: str) -> bool:
    """Whether the URL is one of SQLite."""
    return make_url(url).get_backend_name() == "sqlite"


def libpq_conninfo(url: str) -> str:
    """A PostgreSQL URL as psycopg itself reads it."""
    plain = make_url(url).set(drivername="postgresql")
    return plain.render_as_string(hide_password=False)


def make_engine(url: str, *, connections: int) -> Engine:
    """An engine for `sqlite:///…` or `postgresql://…`."""
    if is_sqlite(url):
        engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=connections,
            max_overflow=0,
            connect_args={"check_same_thread": False},
            hide_parameters=True,
        )
        _tame_sqlite(engine)
        return engine
    driven = make_url(url).set(drivername="postgresql+psycopg")
    return create_engine(
        driven,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        # what fails is logged with its statement; the values may be a caller's text
        hide_parameters=True,
    )


def _tame_sqlite(engine: Engine) -> None:
    # The driver's own transactions start at the first write, as readers that then try to become
    # writers: SQLite refuses that at once, busy_timeout or not, and a check made before the write
    # is made outside the transaction. So transactions are started here, and writers say so.
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def may_rerun(error: BaseException) -> bool:
    """Whether nothing of the transaction took effect and running it again is the answer."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", "") in _RETRY_STATES


@contextlib.contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that is committed when the block ends, with the domain's errors.

    Before the commit a lost connection means that nothing was done: Unavailable. At the commit it
    may mean either: OutcomeUnknown.
    """
    with translated(), engine.connect() as connection, connection.begin() as begun:
        yield connection
        with _committing():
            begun.commit()


@contextlib.contextmanager
def _committing() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise  # a definite no
    except DBAPIError as error:
        if may_rerun(error) or isinstance(translate(error), StorageFull):
            raise  # so are these
        raise OutcomeUnknown(_UNKNOWN, retry_after=1) from error


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise what the database raises as StorageFull or Unavailable, where it is one of those."""
    try:
        yield
    except (OperationalError, TimeoutError, sqlite3.OperationalError) as error:
        raise translate(error) from error  # SQLite's own where the driver is called directly
    except DBAPIError as error:
        if error.connection_invalidated:
            raise translate(error) from error
        raise


def translate(error: SQLAlchemyError | sqlite3.Error) -> Exception:
    """The domain's error for one of the database."""
    original = getattr(error, "orig", error)
    if getattr(original, "sqlstate", None) == _DISK_FULL or "disk is full" in str(original):
        return StorageFull(_NO_ROOM)
    if isinstance(error, OperationalError | TimeoutError | sqlite3.OperationalError):
        return Unavailable("the database is away or busy; try again", retry_after=1)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return Unavailable("the database went away; try again", retry_after=1)
    return error
