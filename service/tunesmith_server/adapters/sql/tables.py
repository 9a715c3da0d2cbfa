"""The tables: SQLModel classes are the schema. Rows stay in this package.

What queries look for has a column; the rest of a value is one JSON document beside it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Dialect,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    text,
)
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


def _moment(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(UtcDateTime(), nullable=nullable))


def _document() -> Any:
    return Field(sa_column=Column(Text(), nullable=False))


def _labels() -> Any:
    """A copy of the document's, to filter by.

    PostgreSQL reads nothing out of JSON that has a NUL anywhere, and documents quote what tenants
    send; this column has none, see `filters.label_column`.
    """
    return Field(sa_column=Column(JSON(none_as_null=True), nullable=True))


def _amount() -> Any:
    return Field(sa_column=Column(BigInteger(), nullable=False))


class SecretRow(SQLModel, table=True):
    """The installation's secret: one row."""

    __tablename__ = "secrets"
    name: str = Field(primary_key=True)
    value: bytes = Field(sa_column=Column(LargeBinary(), nullable=False))


class TenantRow(SQLModel, table=True):
    """One tenant."""

    __tablename__ = "tenants"
    id: str = Field(primary_key=True)
    parent: str | None = Field(index=True)
    create_time: datetime = _moment()
    state: str | None
    labels: dict[str, str] | None = _labels()
    document: str = _document()


class ApiKeyRow(SQLModel, table=True):
    """One key; `tenant` is null for a platform administrator's."""

    __tablename__ = "api_keys"
    id: str = Field(primary_key=True)
    tenant: str | None = Field(index=True, foreign_key="tenants.id")
    hash: str = Field(unique=True)
    create_time: datetime = _moment()
    last_use_time: datetime | None = _moment(nullable=True)
    document: str = _document()


class BaseModelRow(SQLModel, table=True):
    """One entry of the catalogue."""

    __tablename__ = "base_models"
    id: str = Field(primary_key=True)
    document: str = _document()


class DatasetRow(SQLModel, table=True):
    """The current version of a dataset."""

    __tablename__ = "datasets"
    __table_args__ = (
        Index("ix_datasets_page", "tenant", "create_time", "id"),
        Index(
            "ix_datasets_expire",
            "expire_time",
            sqlite_where=text("expire_time IS NOT NULL"),
            postgresql_where=text("expire_time IS NOT NULL"),
        ),
    )
    tenant: str = Field(primary_key=True, foreign_key="tenants.id")
    id: str = Field(primary_key=True)
    create_time: datetime = _moment()
    state: str | None
    labels: dict[str, str] | None = _labels()
    expire_time: datetime | None = _moment(nullable=True)
    document: str = _document()


class VersionRow(SQLModel, table=True):
    """A version of a dataset; rows are only ever added, and go with their dataset."""

    __tablename__ = "versions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant", "id"], ["datasets.tenant", "datasets.id"], ondelete="CASCADE"
        ),
        Index("ix_versions_digest", "digest"),
    )
    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    digest: str
    parent_digest: str
    version_time: datetime = _moment()
    document: str = _document()


class DatasetVersionRow(SQLModel, table=True):
    """Versions as the release before writes them, which knows one of each digest.

    It reads none of them, nor does this one: the table goes with the next release.
    """

    __tablename__ = "dataset_versions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant", "id"], ["datasets.tenant", "datasets.id"], ondelete="CASCADE"
        ),
    )
    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    document: str = _document()


class UploadRow(SQLModel, table=True):
    """An upload that can go on. `tenant` is no reference: what is left is swept after its tenant.

    `uid` names the part in the blob store. `kept_bytes` is what had arrived when it was last left.
    """

    __tablename__ = "uploads"
    __table_args__ = (Index("ix_uploads_expire", "expire_time"),)
    tenant: str = Field(primary_key=True)
    principal: str = Field(primary_key=True)
    request_id: str = Field(primary_key=True)
    uid: str = Field(unique=True)
    header_hash: str
    kept_bytes: int = _amount()
    expire_time: datetime = _moment()


class AssembledUploadRow(SQLModel, table=True):
    """An upload in parts. `tenant` is no reference, as above."""

    __tablename__ = "assembled_uploads"
    __table_args__ = (Index("ix_assembled_uploads_expire", "expire_time"),)
    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    state: str
    expire_time: datetime = _moment()
    document: str = _document()


class UploadPartRow(SQLModel, table=True):
    """A part that has arrived whole. `uid` names it in the blob store."""

    __tablename__ = "upload_parts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant", "upload"],
            ["assembled_uploads.tenant", "assembled_uploads.id"],
            ondelete="CASCADE",
        ),
    )
    tenant: str = Field(primary_key=True)
    upload: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    uid: str = Field(unique=True)
    size_bytes: int = _amount()
    create_time: datetime = _moment()


class AnalysisRow(SQLModel, table=True):
    """One look at one content: what is open has a `due`, and goes by `rank`.

    By content and not by dataset, so that equal bytes of one tenant are looked at once.
    """

    __tablename__ = "analyses"
    __table_args__ = (
        Index(
            "ix_analyses_due",
            "rank",
            sqlite_where=text("due IS NOT NULL"),
            postgresql_where=text("due IS NOT NULL"),
        ),
    )
    tenant: str = Field(primary_key=True, foreign_key="tenants.id")
    digest: str = Field(primary_key=True)
    reading: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    state: str
    bytes_done: int = _amount()
    rank: datetime = _moment()
    due: datetime | None = _moment(nullable=True)
    attempts: int
    lease_owner: str | None
    lease_until: datetime | None = _moment(nullable=True)
    document: str = _document()


class FineTuneRow(SQLModel, table=True):
    """One run. Lease, fence and due are the dispatcher's; `due` is null when nothing is to do.

    Rank, held and deadline are the scheduler's: of a tenant's waiting runs that nobody holds, the
    one with the lowest rank is next.
    """

    __tablename__ = "fine_tunes"
    __table_args__ = (
        UniqueConstraint("tenant", "id"),
        Index("ix_fine_tunes_page", "tenant", "create_time", "id"),
        Index(
            "ix_fine_tunes_due",
            "due",
            sqlite_where=text("due IS NOT NULL"),
            postgresql_where=text("due IS NOT NULL"),
        ),
        Index(
            "ix_fine_tunes_waiting",
            "tenant",
            "rank",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "ix_fine_tunes_deadline",
            "deadline",
            sqlite_where=text("state = 'queued' AND deadline IS NOT NULL"),
            postgresql_where=text("state = 'queued' AND deadline IS NOT NULL"),
        ),
    )
    uid: str = Field(primary_key=True)
    tenant: str = Field(foreign_key="tenants.id")
    id: str
    state: str
    node: str | None
    priority: int
    rank: int = _amount()
    held: bool
    wait_reason: str | None
    deadline: datetime | None = _moment(nullable=True)
    base_model: str
    create_time: datetime = _moment()
    training_dataset: str
    validation_dataset: str | None
    version: int = _amount()
    last_event: int = _amount()
    oldest_event: int = _amount()
    due: datetime | None = _moment(nullable=True)
    lease_owner: str | None
    lease_until: datetime | None = _moment(nullable=True)
    fence: int = _amount()
    labels: dict[str, str] | None = _labels()
    document: str = _document()


class EventRow(SQLModel, table=True):
    """One event of one run, written in the transaction of the change it tells of."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_kind", "run_uid", "kind", "sequence"),
        {"sqlite_with_rowid": False},
    )
    run_uid: str = Field(primary_key=True, foreign_key="fine_tunes.uid", ondelete="CASCADE")
    sequence: int = Field(sa_column=Column(BigInteger(), primary_key=True, autoincrement=False))
    kind: str
    document: str = _document()


class ModelRow(SQLModel, table=True):
    """One tuned model."""

    __tablename__ = "models"
    __table_args__ = (
        Index("ix_models_page", "tenant", "create_time", "id"),
        Index("ix_models_public", "tenant", "public_name", unique=True),
        Index("ix_models_legacy", "tenant", "legacy_name"),
        Index("ix_models_training", "tenant", "training_digest"),
        Index("ix_models_validation", "tenant", "validation_digest"),
    )
    tenant: str = Field(primary_key=True, foreign_key="tenants.id")
    id: str = Field(primary_key=True)
    public_name: str
    legacy_name: str
    create_time: datetime = _moment()
    base_model: str | None
    training_digest: str | None
    validation_digest: str | None
    labels: dict[str, str] | None = _labels()
    document: str = _document()


class ModelShareRow(SQLModel, table=True):
    """A model, or its checkpoint of a step, that may be asked by another tenant, the receiver.

    `step` is -1 for the model with all of its checkpoints. `receiver` is no reference: whether
    there is such a tenant is not told to who offers. Rows go with their model.
    """

    __tablename__ = "model_shares"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant", "model"], ["models.tenant", "models.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("tenant", "model", "receiver", "step"),
        Index("ix_model_shares_given", "tenant", "create_time", "id"),
        Index("ix_model_shares_received", "receiver", "create_time", "id"),
    )
    id: str = Field(primary_key=True)
    tenant: str
    model: str
    receiver: str
    step: int = _amount()
    create_time: datetime = _moment()
    accept_time: datetime | None = _moment(nullable=True)
    expire_time: datetime | None = _moment(nullable=True)
    document: str = _document()


class CounterRow(SQLModel, table=True):
    """How much of a dimension is taken in a scope and period. Limits are the callers' business."""

    __tablename__ = "counters"
    __table_args__ = {"sqlite_with_rowid": False}  # one tree to write, not two
    scope: str = Field(primary_key=True)
    dimension: str = Field(primary_key=True)
    period: str = Field(primary_key=True)
    used: int = _amount()
    reserved: int = _amount()


class HoldRow(SQLModel, table=True):
    """What a run holds of a counter."""

    __tablename__ = "holds"
    __table_args__ = {"sqlite_with_rowid": False}
    subject: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    dimension: str = Field(primary_key=True)
    period: str
    amount: int = _amount()


class LedgerRow(SQLModel, table=True):
    """What was reserved, settled and released; rows are only ever added.

    The sums of the two changes over a scope, dimension and period are its counter.
    """

    __tablename__ = "ledger"
    __table_args__ = (Index("ix_ledger_scope", "scope", "place"),)
    place: int | None = Field(default=None, primary_key=True)
    time: datetime = _moment()
    scope: str
    tenant: str
    subject: str
    dimension: str
    period: str
    kind: str
    amount: int = _amount()
    used_change: int = _amount()
    reserved_change: int = _amount()


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
    until: datetime = _moment()


class AuditRow(SQLModel, table=True):
    """Who did or tried what; rows are only ever added. `tenant` is empty for the platform's own."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_tenant", "tenant", "place"),)
    place: int | None = Field(default=None, primary_key=True)
    time: datetime = _moment()
    tenant: str
    principal: str
    method: str
    resource: str
    result: str
    peer: str
    call_id: str
    detail: str = Field(sa_column=Column(Text(), nullable=False))


class RequestRow(SQLModel, table=True):
    """The first answer to a request_id. `tenant` is empty for the platform's own."""

    __tablename__ = "requests"
    __table_args__ = {"sqlite_with_rowid": False}
    tenant: str = Field(primary_key=True)
    request_id: str = Field(primary_key=True)
    method: str
    body_hash: str
    answer: bytes = Field(sa_column=Column(LargeBinary(), nullable=False))
    create_time: datetime = _moment()
