"""What columns are made of, the same for every table."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Dialect, MetaData, Text
from sqlalchemy.types import DateTime, TypeDecorator
from sqlmodel import Field, SQLModel

# names for every constraint, so that SQLite's batch migrations can say which they mean
SQLModel.metadata.naming_convention = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
).naming_convention


_LENGTH = len("2026-11-25 07:30:00.000000")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment. SQLite forgets time zones, so everything is stored, and comes back, as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        """Makes of a moment what the driver takes; a moment must say where it is.

        Of a TypeDecorator the simpler way is `process_bind_param`, which is slower: on SQLite it
        goes on to SQLAlchemy's own spelling of dates, in Python. It is the same spelling.
        """
        as_text = dialect.name == "sqlite"

        def process(value: datetime | None) -> Any:
            if value is None:
                return None
            if value.tzinfo is None:
                raise ValueError("a datetime without a time zone")
            moment = value if value.tzinfo is UTC else value.astimezone(UTC)
            return moment.isoformat(" ", "microseconds")[:_LENGTH] if as_text else moment

        return process

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Say that it is UTC."""
        moment: datetime | None = value
        if moment is None:
            return None
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def moment_column(*, nullable: bool = False) -> Any:
    """A moment, see `UtcDateTime`."""
    return Field(sa_column=Column(UtcDateTime(), nullable=nullable))


def document_column() -> Any:
    """A domain value as JSON text."""
    return Field(sa_column=Column(Text(), nullable=False))


def labels_column() -> Any:
    """A copy of the document's, to filter by.

    PostgreSQL reads nothing out of JSON that has a NUL anywhere, and documents quote what tenants
    send; this column has none, see `filters.label_column`.
    """
    return Field(sa_column=Column(JSON(none_as_null=True), nullable=True))


def amount_column() -> Any:
    """A number of up to 64 bits."""
    return Field(sa_column=Column(BigInteger(), nullable=False))
