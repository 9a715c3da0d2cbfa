"""Columns for what lists can be filtered by."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KEYS = {
    "tenants": ["id"],
    "datasets": ["tenant", "id"],
    "fine_tunes": ["uid"],
    "models": ["tenant", "id"],
}
_MORE = {"tenants": "state", "datasets": "state", "models": "base_model"}
_BATCH = 500


def upgrade() -> None:
    """Add the columns and fill them from the documents.

    Null is what a replica of the release before writes: no filter matches it.
    """
    for table in _KEYS:
        op.add_column(table, sa.Column("labels", sa.JSON(), nullable=True))
    for table, column in _MORE.items():
        op.add_column(table, sa.Column(column, sa.String(), nullable=True))
    for table, keys in _KEYS.items():
        _fill(table, keys, _MORE.get(table))


def _fill(name: str, keys: list[str], more: str | None) -> None:
    columns = [sa.column(key, sa.String()) for key in keys]
    place = sa.tuple_(*columns) if len(columns) > 1 else columns[0]
    table = sa.table(
        name,
        *columns,
        sa.column("document", sa.Text()),
        sa.column("labels", sa.JSON()),
        *([sa.column(more, sa.String())] if more else []),
    )
    connection = op.get_bind()
    last: Any = None
    while True:
        statement = sa.select(*columns, table.c.document).order_by(*columns).limit(_BATCH)
        if last is not None:
            statement = statement.where(place > (sa.tuple_(*last) if len(columns) > 1 else last[0]))
        rows = connection.execute(statement).all()
        if not rows:
            return
        for row in rows:
            document = json.loads(row.document)
            labels = document.get("labels") or {}
            values: dict[str, Any] = {
                "labels": {key: value.replace("\0", "\ufffd") for key, value in labels.items()}
            }
            if name == "tenants":
                values["state"] = "suspended" if document.get("suspension") else "active"
            elif more:
                values[more] = document.get(more)
            mine = [column == getattr(row, column.name) for column in columns]
            connection.execute(sa.update(table).where(*mine).values(values))
        last = tuple(getattr(rows[-1], key) for key in keys)
