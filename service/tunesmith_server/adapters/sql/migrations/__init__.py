"""The schema's history: `migrate` brings a database up to date, `is_current` looks.

Released migrations never change; each expands first and contracts a release later, so that the
replicas still running the release before are not broken.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from tunesmith_server.adapters.sql.engine import make_engine, translated


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = url
    return config


def migrate(url: str) -> None:
    """Bring the schema up to date; replicas that try at once wait for each other."""
    with translated():
        command.upgrade(_config(url), "head")


def is_current(url: str) -> bool:
    """Whether the schema is the one this version expects."""
    engine = make_engine(url, connections=1)
    try:
        with translated(), engine.connect() as connection:
            there = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return there == ScriptDirectory.from_config(_config(url)).get_current_head()
