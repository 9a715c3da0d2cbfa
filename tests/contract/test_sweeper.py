"""What a round of the sweeper owes when something is in its way."""

from pathlib import Path
from typing import Any

import pytest
from tunesmith_server.adapters.blobs import Blobs
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.app.sweeping import Sweeper
from tunesmith_server.domain.errors import StorageFull

from tests.contract.blob_stores import AT_ONCE, put


class NoRoom:
    """Uploads of which not one can be forgotten, for want of room to write that down."""

    async def sweep(self, limit: int) -> bool:
        raise StorageFull("the database has no room left")


async def test_bytes_go_also_while_the_disk_is_too_full_to_write_a_row(
    tmp_path: Path, sqlite_database: str
):
    store, blobs = SqlStore(sqlite_database), Blobs.open(str(tmp_path / "blobs"))
    digest = await put(blobs, b"nobody's")
    unused: Any = None
    uploads: Any = NoRoom()
    sweeper = Sweeper(store, blobs, unused, uploads, unused, unused, interval=3600, age=AT_ONCE)
    with pytest.raises(StorageFull):
        await sweeper.sweep()
    assert not await blobs.exists(digest)
    await store.close()
