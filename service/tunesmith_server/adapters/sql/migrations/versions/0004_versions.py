"""Every version of a dataset, which models were made from which, and uploads that can go on."""

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_BATCH = 500


def upgrade() -> None:
    """Make the tables and fill them.

    `versions` stands beside `dataset_versions`, which replicas of the release before still write.
    """
    op.create_table(
        "versions",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("parent_digest", sa.String(), nullable=False),
        sa.Column("version_time", _MOMENT, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "id"],
            ["datasets.tenant", "datasets.id"],
            name=op.f("fk_versions_tenant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", "number", name=op.f("pk_versions")),
    )
    op.create_index("ix_versions_digest", "versions", ["digest"])
    op.create_table(
        "uploads",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("header_hash", sa.String(), nullable=False),
        sa.Column("kept_bytes", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "principal", "request_id", name=op.f("pk_uploads")),
        sa.UniqueConstraint("uid", name=op.f("uq_uploads_uid")),
    )
    op.create_index("ix_uploads_expire", "uploads", ["expire_time"])
    for column in ("training_digest", "validation_digest"):
        op.add_column("models", sa.Column(column, sa.String(), nullable=True))
    op.create_index("ix_models_training", "models", ["tenant", "training_digest"])
    op.create_index("ix_models_validation", "models", ["tenant", "validation_digest"])
    # the current version is in `datasets` alone if its bytes had been there before
    _fill_versions("dataset_versions", "digest")
    _fill_versions("datasets", None)
    _fill_models()


def _rows(name: str, keys: list[str]) -> Any:
    """Every row of a table, in batches: keys and document."""
    columns = [sa.column(key, sa.String()) for key in keys]
    table = sa.table(name, *columns, sa.column("document", sa.Text()))
    last: Any = None
    while True:
        statement = sa.select(*columns, table.c.document).order_by(*columns).limit(_BATCH)
        if last is not None:
            statement = statement.where(sa.tuple_(*columns) > sa.tuple_(*last))
        rows = op.get_bind().execute(statement).all()
        yield from rows
        if len(rows) < _BATCH:
            return
        last = tuple(getattr(rows[-1], key) for key in keys)


def _fill_versions(name: str, more: str | None) -> None:
    text, keys = sa.String(), ["tenant", "id", *([more] if more else [])]
    versions = sa.table(
        "versions",
        *(sa.column(name, text) for name in ("tenant", "id", "digest", "parent_digest")),
        sa.column("number", sa.Integer()),
        sa.column("version_time", _MOMENT),
        sa.column("document", text),
    )
    for row in _rows(name, keys):
        document = json.loads(row.document)
        number = document.get("version", 1)
        there = sa.select(versions.c.number).where(
            versions.c.tenant == row.tenant, versions.c.id == row.id, versions.c.number == number
        )
        if op.get_bind().execute(there).first():
            continue
        op.get_bind().execute(
            sa.insert(versions).values(
                tenant=row.tenant,
                id=row.id,
                number=number,
                digest=document["digest"],
                parent_digest=document.get("parent_digest", ""),
                version_time=datetime.fromisoformat(document["version_time"]),
                document=row.document,
            )
        )


def _fill_models() -> None:
    models = sa.table(
        "models",
        *(
            sa.column(name, sa.String())
            for name in ("tenant", "id", "training_digest", "validation_digest")
        ),
    )
    for row in _rows("models", ["tenant", "id"]):
        document = json.loads(row.document)
        op.get_bind().execute(
            sa.update(models)
            .where(models.c.tenant == row.tenant, models.c.id == row.id)
            .values(
                training_digest=document.get("training_digest", ""),
                validation_digest=document.get("validation_digest", ""),
            )
        )
