"""Tenants and their keys, the catalogue, what is on record, and what was answered before."""

from datetime import datetime

from sqlalchemy import Column, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from tunesmith_server.adapters.sql.tables.columns import (
    document_column,
    labels_column,
    moment_column,
)


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
    create_time: datetime = moment_column()
    state: str | None
    labels: dict[str, str] | None = labels_column()
    document: str = document_column()


class ApiKeyRow(SQLModel, table=True):
    """One key; `tenant` is null for a platform administrator's."""

    __tablename__ = "api_keys"
    id: str = Field(primary_key=True)
    tenant: str | None = Field(index=True, foreign_key="tenants.id")
    hash: str = Field(unique=True)
    create_time: datetime = moment_column()
    last_use_time: datetime | None = moment_column(nullable=True)
    document: str = document_column()


class BaseModelRow(SQLModel, table=True):
    """One entry of the catalogue."""

    __tablename__ = "base_models"
    id: str = Field(primary_key=True)
    document: str = document_column()


class AuditRow(SQLModel, table=True):
    """Who did or tried what; rows are only ever added. `tenant` is empty for the platform's own."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_tenant", "tenant", "place"),)
    place: int | None = Field(default=None, primary_key=True)
    time: datetime = moment_column()
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
    create_time: datetime = moment_column()
