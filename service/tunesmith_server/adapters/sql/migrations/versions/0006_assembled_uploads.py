"""Uploads in parts, and datasets that expire."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, and the column that datasets are found by which have expired."""
    op.create_table(
        "assembled_uploads",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("expire_time", _MOMENT, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_assembled_uploads")),
    )
    op.create_index("ix_assembled_uploads_expire", "assembled_uploads", ["expire_time"])
    op.create_table(
        "upload_parts",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("upload", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("create_time", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "upload"],
            ["assembled_uploads.tenant", "assembled_uploads.id"],
            name=op.f("fk_upload_parts_tenant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "upload", "id", name=op.f("pk_upload_parts")),
        sa.UniqueConstraint("uid", name=op.f("uq_upload_parts_uid")),
    )
    op.add_column("datasets", sa.Column("expire_time", _MOMENT, nullable=True))
    op.create_index(
        "ix_datasets_expire",
        "datasets",
        ["expire_time"],
        sqlite_where=sa.text("expire_time IS NOT NULL"),
        postgresql_where=sa.text("expire_time IS NOT NULL"),
    )
