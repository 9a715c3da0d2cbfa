"""What tenants use and hold, and whose turn it is."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from tunesmith_server.adapters.sql.tables.columns import amount_column, moment_column


class CounterRow(SQLModel, table=True):
    """How much of a dimension is taken in a scope and period. Limits are the callers' business."""

    __tablename__ = "counters"
    __table_args__ = {"sqlite_with_rowid": False}  # one tree to write, not two
    scope: str = Field(primary_key=True)
    dimension: str = Field(primary_key=True)
    period: str = Field(primary_key=True)
    used: int = amount_column()
    reserved: int = amount_column()


class HoldRow(SQLModel, table=True):
    """What a run holds of a counter."""

    __tablename__ = "holds"
    __table_args__ = {"sqlite_with_rowid": False}
    subject: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    dimension: str = Field(primary_key=True)
    period: str
    amount: int = amount_column()


class LedgerRow(SQLModel, table=True):
    """What was reserved, settled and released; rows are only ever added.

    The sums of the two changes over a scope, dimension and period are its counter.
    """

    __tablename__ = "ledger"
    __table_args__ = (Index("ix_ledger_scope", "scope", "place"),)
    place: int | None = Field(default=None, primary_key=True)
    time: datetime = moment_column()
    scope: str
    tenant: str
    subject: str
    dimension: str
    period: str
    kind: str
    amount: int = amount_column()
    used_change: int = amount_column()
    reserved_change: int = amount_column()


class ShareRow(SQLModel, table=True):
    """How far a tenant is in the fair queue, see `domain/fair_share.py`."""

    __tablename__ = "shares"
    tenant: str = Field(primary_key=True, foreign_key="tenants.id")
    start: float
    finish: float


class PresenceRow(SQLModel, table=True):
    """How many watches of a tenant one process serves. A row that is past its time is void."""

    __tablename__ = "presence"
    tenant: str = Field(primary_key=True, foreign_key="tenants.id")
    owner: str = Field(primary_key=True)
    watches: int
    until: datetime = moment_column()
