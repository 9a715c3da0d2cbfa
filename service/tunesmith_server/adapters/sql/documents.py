"""Values as JSON documents, keys of pages, and the insert that both dialects share."""

import base64
import binascii
import functools
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from tunesmith_server.domain.errors import FieldViolation, PageTokenInvalid
from tunesmith_server.ports import PageOf

T = TypeVar("T")


def encoded(value: object) -> str:
    """A domain value as JSON text."""
    return msgspec.json.encode(value).decode()


def decoded(text: str, kind: type[T]) -> T:
    """A domain value from JSON text."""
    return msgspec.json.decode(text, type=kind)


def kept(text: str, kind: type[T]) -> T:
    """As `decoded`, for what is read at nearly every call and seldom changes: tenants, bases.

    The text itself is the key, so that a change is seen at once; the values cannot be changed.
    """
    found: T = _decoded_once(text, kind)
    return found


_decoded_once: Any = functools.lru_cache(512)(decoded)


def page_key(create_time: datetime, id: str) -> str:
    """The key of a row of a list, for `PageOf.after`."""
    return base64.urlsafe_b64encode(f"{create_time.isoformat()} {id}".encode()).decode()


def paged(statement: Select[Any], table: Any, page: PageOf) -> Select[Any]:
    """`statement` for one page, newest first: by key, never by offset."""
    order = (table.c.create_time, table.c.id)
    if page.after:
        try:
            moment, _, id = base64.urlsafe_b64decode(page.after).decode().partition(" ")
            after = (datetime.fromisoformat(moment), id)
        except (ValueError, binascii.Error):
            raise PageTokenInvalid([FieldViolation("page_token", "is malformed")]) from None
        statement = statement.where(tuple_(*order) < tuple_(*after))
    return statement.order_by(*(column.desc() for column in order)).limit(page.limit)


def by_place(statement: Select[Any], table: Any, page: PageOf) -> Select[Any]:
    """`statement` for one page of a table that is only ever added to, newest first."""
    if page.after:
        if not page.after.isdecimal():
            raise PageTokenInvalid([FieldViolation("page_token", "is malformed")])
        statement = statement.where(table.c.place < int(page.after))
    return statement.order_by(table.c.place.desc()).limit(page.limit)


def upsert(connection: Connection, table: Any) -> Any:
    """An insert that can say what to do on a conflict; both dialects spell it alike."""
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
