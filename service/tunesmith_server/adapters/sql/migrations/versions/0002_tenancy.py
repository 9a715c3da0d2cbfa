"""Tenancy: parents, last use of keys, fair queue, sums in the ledger, audit."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add what the first schema lacks. Runs that wait are ranked by their age, as before."""
    # plain ADD COLUMNs where other tables refer to this one: SQLite would have to drop and rebuild
    # it, which deletes what refers to it
    op.add_column("tenants", sa.Column("parent", sa.String(), nullable=True))
    op.create_index(op.f("ix_tenants_parent"), "tenants", ["parent"])
    op.add_column("api_keys", sa.Column("last_use_time", _MOMENT, nullable=True))
    for column in (
        sa.Column("rank", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("wait_reason", sa.String(), nullable=True),
        sa.Column("deadline", _MOMENT, nullable=True),
        sa.Column("base_model", sa.String(), nullable=False, server_default=""),
    ):
        op.add_column("fine_tunes", column)
    _waiting_index("ix_fine_tunes_waiting", ["tenant", "rank"], "state = 'queued'")
    _waiting_index(
        "ix_fine_tunes_deadline", ["deadline"], "state = 'queued' AND deadline IS NOT NULL"
    )
    op.add_column("ledger", sa.Column("tenant", sa.String(), nullable=False, server_default=""))
    for change in ("used_change", "reserved_change"):
        op.add_column(
            "ledger", sa.Column(change, sa.BigInteger(), nullable=False, server_default="0")
        )
    # what every call writes is kept in one tree on SQLite, not in a table and an index
    sqlite = op.get_bind().dialect.name == "sqlite"
    clustered: dict[str, Any] = {
        "recreate": "always" if sqlite else "auto",
        "table_kwargs": {"sqlite_with_rowid": False},
    }
    for table in ("counters", "holds"):
        with op.batch_alter_table(table, **clustered):
            pass
    with op.batch_alter_table("requests", **clustered) as requests:
        requests.drop_constraint(op.f("fk_requests_tenant"), type_="foreignkey")
    op.create_table(
        "shares",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("start", sa.Float(), nullable=False),
        sa.Column("finish", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_shares_tenant")),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_shares")),
    )
    op.create_table(
        "presence",
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("watches", sa.Integer(), nullable=False),
        sa.Column("until", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_presence_tenant")),
        sa.PrimaryKeyConstraint("tenant", "owner", name=op.f("pk_presence")),
    )
    op.create_table(
        "audit",
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("time", _MOMENT, nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("peer", sa.String(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_tenant", "audit", ["tenant", "place"])


def _waiting_index(name: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, "fine_tunes", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )
