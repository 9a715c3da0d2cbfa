"""Runs and their events, and the models that come of them."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from tunesmith_server.adapters.sql.tables.columns import (
    amount_column,
    document_column,
    labels_column,
    moment_column,
)


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
    rank: int = amount_column()
    held: bool
    wait_reason: str | None
    deadline: datetime | None = moment_column(nullable=True)
    base_model: str
    create_time: datetime = moment_column()
    training_dataset: str
    validation_dataset: str | None
    version: int = amount_column()
    last_event: int = amount_column()
    oldest_event: int = amount_column()
    due: datetime | None = moment_column(nullable=True)
    lease_owner: str | None
    lease_until: datetime | None = moment_column(nullable=True)
    fence: int = amount_column()
    labels: dict[str, str] | None = labels_column()
    document: str = document_column()


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
    document: str = document_column()


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
    create_time: datetime = moment_column()
    base_model: str | None
    training_digest: str | None
    validation_digest: str | None
    labels: dict[str, str] | None = labels_column()
    document: str = document_column()


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
    step: int = amount_column()
    create_time: datetime = moment_column()
    accept_time: datetime | None = moment_column(nullable=True)
    expire_time: datetime | None = moment_column(nullable=True)
    document: str = document_column()
