"""Models that tenants share."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "model_shares",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("receiver", sa.String(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("create_time", _MOMENT, nullable=False),
        sa.Column("accept_time", _MOMENT, nullable=True),
        sa.Column("expire_time", _MOMENT, nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "model"],
            ["models.tenant", "models.id"],
            name=op.f("fk_model_shares_tenant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_shares")),
        sa.UniqueConstraint(
            "tenant", "model", "receiver", "step", name=op.f("uq_model_shares_tenant")
        ),
    )
    op.create_index("ix_model_shares_given", "model_shares", ["tenant", "create_time", "id"])
    op.create_index("ix_model_shares_received", "model_shares", ["receiver", "create_time", "id"])
