"""Runs migrations on either database; alembic calls this."""

from alembic import context
from sqlalchemy import text
from sqlmodel import SQLModel

from tunesmith_server.adapters.sql import tables  # noqa: F401  # fills the metadata
from tunesmith_server.adapters.sql.engine import make_engine

_LOCK = 7_340_531_001  # any number, the same in every replica


def run() -> None:
    """Upgrade in one transaction, under a lock that replicas share."""
    engine = make_engine(context.config.attributes["url"], connections=1)
    with engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        context.configure(
            connection=connection,
            target_metadata=SQLModel.metadata,
            render_as_batch=connection.dialect.name == "sqlite",
        )
        context.run_migrations()
    engine.dispose()


run()
