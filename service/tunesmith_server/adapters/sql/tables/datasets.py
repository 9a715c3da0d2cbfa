"""Datasets, their versions, uploads, and what is known of whole ones."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, text
from sqlmodel import Field, SQLModel

from tunesmith_server.adapters.sql.tables.columns import (
    amount_column,
    document_column,
    labels_column,
    moment_column,
)


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
    create_time: datetime = moment_column()
    state: str | None
    labels: dict[str, str] | None = labels_column()
    expire_time: datetime | None = moment_column(nullable=True)
    document: str = document_column()


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
    version_time: datetime = moment_column()
    document: str = document_column()


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
    document: str = document_column()


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
    kept_bytes: int = amount_column()
    expire_time: datetime = moment_column()


class AssembledUploadRow(SQLModel, table=True):
    """An upload in parts. `tenant` is no reference, as above."""

    __tablename__ = "assembled_uploads"
    __table_args__ = (Index("ix_assembled_uploads_expire", "expire_time"),)
    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    state: str
    expire_time: datetime = moment_column()
    document: str = document_column()


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
    size_bytes: int = amount_column()
    create_time: datetime = moment_column()


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
    bytes_done: int = amount_column()
    rank: datetime = moment_column()
    due: datetime | None = moment_column(nullable=True)
    attempts: int
    lease_owner: str | None
    lease_until: datetime | None = moment_column(nullable=True)
    document: str = document_column()
