"""A catalogue in which OpenAI's names lead to tiny models, so that training takes seconds."""

from dataclasses import replace
from pathlib import Path

from tunesmith_server.adapters.sql.migrations import migrate
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.domain.catalogue import BUILT_IN
from tunesmith_server.ports import Transaction

ALIASES = ("babbage", "davinci", "text-ada-001", "davinci-002", "gpt-3.5-turbo", "gpt-4o-mini")
_TINY = next(base for base in BUILT_IN if base.id == "tiny-random")


async def prepare(database: str) -> None:
    """The schema, `ada` and `curie` as tiny models of their own, and aliases of the tiny one.

    Entries of the catalogue that are there already stay as they are when the service starts.
    """
    migrate(database)
    store = SqlStore(database)

    def work(tx: Transaction) -> None:
        for id in ("ada", "curie"):
            tx.system.put_base_model(replace(_TINY, id=id, hidden=False))
        tx.system.put_base_model(replace(_TINY, hidden=False, aliases=ALIASES))

    try:
        await store.write(work)
    finally:
        await store.close()


def database_in(folder: Path) -> str:
    """The URL of the database of a service with this data directory."""
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder.absolute() / 'tunesmith.db'}"
