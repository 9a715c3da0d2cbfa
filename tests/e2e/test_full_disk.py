"""A disk that runs full under the real daemon: refused whole, kept whole, and over without restart.

The disk is in a mount namespace of the daemon's own; the test reaches it through the daemon's
`/proc/PID/root`.
"""

import asyncio
import errno
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tunesmith import AsyncClient, NotFoundError, StorageFullError
from tunesmith.v1 import dataset_pb2

from tests.e2e.daemon import Daemon
from tests.integration.calls import ADMIN_KEY, ROWS, jsonl
from tests.surroundings import a_small_disk

MEBIBYTE = 1 << 20
ROOM = 24 * MEBIBYTE


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    data = tmp_path / "data"
    data.mkdir()
    within = await asyncio.to_thread(a_small_disk, data, ROOM)
    daemon = Daemon(tmp_path, within=within, TUNESMITH_LOCAL__SLOTS="0")
    await daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def disk(daemon: Daemon, tmp_path: Path) -> Path:
    """The data directory as the daemon sees it."""
    return Path(f"/proc/{daemon.pid}/root{tmp_path / 'data'}")


@pytest.fixture
async def client(daemon: Daemon) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(daemon.address, ADMIN_KEY) as admin:
        await admin.tenants.create("acme")
        key = await admin.keys.create("acme", "editor")
    async with AsyncClient(daemon.address, key.secret) as acme:
        yield acme


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for piece in (MEBIBYTE, 4096, 1):
            try:
                while file.write(b"x" * piece):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC
    return filler


def blobs(disk: Path) -> list[str]:
    """Every file of the blob store, half-made ones too."""
    return [name for _, _, names in os.walk(disk / "blobs") for name in names]


async def test_an_upload_larger_than_the_room_is_refused_and_leaves_nothing(
    daemon: Daemon, disk: Path, client: AsyncClient
):
    row = jsonl([{"prompt": "x" * 1000, "completion": " y"}])
    with pytest.raises(StorageFullError) as refused:
        await client.datasets.upload(row * (2 * ROOM // len(row)), id="large")
    assert refused.value.reason == "STORAGE_FULL"
    assert blobs(disk) == []
    with pytest.raises(NotFoundError):
        await client.datasets.get("large")
    # the room that it took is free again, and the same daemon goes on
    dataset = await client.datasets.upload(row * (ROOM // 2 // len(row)), id="large")
    assert dataset.state == dataset_pb2.DATASET_STATE_READY
    assert blobs(disk) == [dataset.digest]


async def test_what_was_acknowledged_while_the_disk_ran_full_is_what_there_is(
    daemon: Daemon, disk: Path, client: AsyncClient, tmp_path: Path
):
    await client.datasets.upload(jsonl(ROWS), id="numbers")
    filler = fill(disk)
    acknowledged: list[str] = []

    async def until_refused() -> None:
        while True:  # the database's files may have a little room in them still
            acknowledged.append((await client.fine_tunes.create("numbers", "tiny-random")).name)

    with pytest.raises(StorageFullError) as refused:
        await until_refused()
    assert refused.value.reason == "STORAGE_FULL"
    with pytest.raises(StorageFullError):
        await client.datasets.upload(jsonl(ROWS[:10]), id="other")

    # reading goes on meanwhile, and shows nothing of what was refused
    assert {run.name async for run in client.fine_tunes.list()} == set(acknowledged)
    assert [d.name async for d in client.datasets.list()] == ["tenants/acme/datasets/numbers"]
    assert len(blobs(disk)) == 1

    filler.unlink()
    acknowledged.append((await client.fine_tunes.create("numbers", "tiny-random")).name)
    await client.datasets.upload(jsonl(ROWS[:10]), id="other")
    assert {run.name async for run in client.fine_tunes.list()} == set(acknowledged)
    for name in acknowledged:
        sequences = [event.sequence async for event in client.fine_tunes.events(name)]
        assert sequences == list(range(1, len(sequences) + 1)) != []
        await client.fine_tunes.cancel(name)
    # the places in the queue were given back with what was refused: all hundred can be taken
    for _ in range(100):
        await client.fine_tunes.create("numbers", "tiny-random")

    for file in ("tunesmith.db", "tunesmith.db-wal"):
        shutil.copy(disk / file, tmp_path / file)
    with sqlite3.connect(tmp_path / "tunesmith.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert "Traceback" not in daemon.log.read_text()
