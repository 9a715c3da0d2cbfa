"""What a round of the sweeper owes, also when something is in its way."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tunesmith_server.adapters.blobs import Blobs
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.adapters.training_data import TrainingData
from tunesmith_server.app.sweeping import Sweeper
from tunesmith_server.domain.errors import StorageFull
from tunesmith_server.domain.fine_tune import DatasetVersion
from tunesmith_server.domain.tenant import Tenant

from tests.contract.blob_stores import AT_ONCE, put
from tests.contract.test_versions import a_version
from tests.unit.domain.builders import NOW


class Uploads:
    """Uploads in parts: none, or some that cannot be forgotten for want of room to write it."""

    def __init__(self, *, full: bool = False) -> None:
        self._full = full

    async def sweep(self, limit: int) -> bool:
        if self._full:
            raise StorageFull("the database has no room left")
        return False


class AClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class House:
    """What a sweeper goes through."""

    def __init__(self, folder: Path, database: str) -> None:
        self.store = SqlStore(database)
        self.blobs = Blobs.open(str(folder / "blobs"))
        self.training = TrainingData(self.blobs, folder / "training-data")

    def sweeper(self, uploads: Any) -> Sweeper:
        unused: Any = None
        return Sweeper(
            *(self.store, self.blobs, self.training, unused, uploads, unused, AClock()),
            interval=3600,
            age=AT_ONCE,
        )


@pytest.fixture
async def house(tmp_path: Path, sqlite_database: str) -> AsyncIterator[House]:
    house = House(tmp_path, sqlite_database)
    yield house
    await house.store.close()


async def test_bytes_go_also_while_the_disk_is_too_full_to_write_a_row(house: House):
    digest = await put(house.blobs, b"nobody's")
    with pytest.raises(StorageFull):
        await house.sweeper(Uploads(full=True)).sweep()
    assert not await house.blobs.exists(digest)


async def test_what_trainers_are_given_of_a_dataset_goes_with_its_last_version(house: House):
    digests = [
        await put(house.blobs, b'{"prompt": "%d", "completion": "b"}\n' % n) for n in range(2)
    ]
    files = [
        await house.training.file(DatasetVersion("d", digest, "prompt_completion", 1, 1, format))
        for digest in digests
        for format in ("jsonl", "txt")
    ]
    await house.store.write(lambda tx: tx.system.add_tenant(Tenant("acme", NOW)))
    version = replace(a_version(1, "a"), digest=digests[0])
    await house.store.write(lambda tx: tx.of("acme").put_dataset(version))
    await house.sweeper(Uploads()).sweep()
    assert [file.exists() for file in files] == [True, True, False, False]
