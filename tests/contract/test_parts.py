"""What has arrived of an upload: the part of the `Blobs` port, over every kind of store."""

import asyncio
import hashlib
import itertools
import os
import random
import signal
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from tunesmith_server.adapters.blobs import Blobs, PartWriter
from tunesmith_server.domain.errors import RequestInProgress, StorageFull

from tests.contract.blob_stores import AT_ONCE, Local, Memory, Store, key_of

CONTENT = random.Random(7).randbytes(20_000_000)  # more than two objects of a part
PIECE = 700_000


@pytest.fixture
def uid() -> str:
    return str(uuid.uuid4())


async def write(part: PartWriter, start: int, end: int) -> None:
    for offset in range(start, end, PIECE):
        await part.write(CONTENT[offset : min(offset + PIECE, end)])


async def kept(part: PartWriter) -> bytes:
    return b"".join([piece async for piece in part.kept()])


async def test_a_part_goes_on_where_it_was_left_and_becomes_a_blob(store: Store, uid: str):
    stops = (0, 1, 5_000_000, 13_500_000, len(CONTENT))
    for start, end in itertools.pairwise(stops):
        async with store.blobs.part(uid) as part:
            assert part.offset == start
            assert await kept(part) == CONTENT[:start]
            await write(part, start, end)
            assert part.offset == end
        assert await store.blobs.part_size(uid) == end
    async with store.blobs.part(uid) as part:
        assert await kept(part) == CONTENT
        ref = await part.commit()
        assert ref == await part.commit()
        assert part.offset == 0
    assert (ref.digest, ref.size) == (hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    assert store.keys() == {key_of(CONTENT)}
    assert await store.blobs.part_size(uid) == 0


async def test_a_part_in_one_go_is_a_blob_at_once(store: Store, uid: str):
    for content in (b"", b"x", CONTENT):
        async with store.blobs.part(uid) as part:
            await part.write(content)
            ref = await part.commit()
        assert (ref.digest, ref.size) == (hashlib.sha256(content).hexdigest(), len(content))
        assert store.keys() == {key_of(content)}
        await store.blobs.delete(ref.digest)
    assert store.keys() == set()


async def test_a_part_without_a_byte_leaves_nothing(store: Store, uid: str):
    async with store.blobs.part(uid) as part:
        assert part.offset == 0
    assert store.keys() == set()


async def test_a_discarded_part_is_gone(store: Store, uid: str):
    async with store.blobs.part(uid) as part:
        await write(part, 0, 10_000_000)
    async with store.blobs.part(uid) as part:
        assert len(await kept(part)) == 10_000_000
        await write(part, 10_000_000, len(CONTENT))
        await part.discard()
        assert part.offset == 0
    assert store.keys() == set()


async def test_what_was_there_must_be_read_before_more_is_written(store: Store, uid: str):
    async with store.blobs.part(uid) as part:
        await part.write(b"some")
    async with store.blobs.part(uid) as part:
        with pytest.raises(RuntimeError, match="was not read"):
            await part.write(b"more")
    assert await store.blobs.part_size(uid) == 4


async def test_only_one_writes_a_part_at_a_time(store: Store, uid: str):
    async with store.blobs.part(uid) as part:
        await part.write(b"x")
        with pytest.raises(RequestInProgress):
            async with store.blobs.part(uid):
                pass
        await part.commit()
    async with store.blobs.part(uid) as part:
        assert part.offset == 0


async def test_what_was_taken_before_a_cancellation_stays_whenever_it_comes(store: Store):
    async def upload(uid: str, taken: list[int]) -> None:
        async with store.blobs.part(uid) as part:
            for offset in range(0, len(CONTENT), PIECE):
                await part.write(CONTENT[offset : offset + PIECE])
                taken[0] = part.offset
            await asyncio.sleep(3600)

    for delay in (0.0, 0.001, 0.005, 0.02, 0.1, 0.5):
        uid, taken = str(uuid.uuid4()), [0]
        task = asyncio.create_task(upload(uid, taken))
        await asyncio.sleep(delay)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with store.blobs.part(uid) as part:
            there = await kept(part)
            assert len(there) >= taken[0]
            assert there == CONTENT[: len(there)]
            await part.discard()
    assert store.keys() == set()


async def test_the_sweeper_leaves_parts_that_may_go_on(store: Store, uid: str):
    gone = str(uuid.uuid4())
    for each in (uid, gone):
        async with store.blobs.part(each) as part:
            await write(part, 0, 10_000_000)
    assert await store.blobs.sweep(set(), timedelta(hours=1)) == []
    removed = await store.blobs.sweep(set(), AT_ONCE, {uid})
    assert removed
    assert all(gone in key for key in removed)
    assert await store.blobs.part_size(uid) == 10_000_000
    assert await store.blobs.part_size(gone) == 0


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A" * 36, "x" * 36, "0" * 35 + "\n"])
async def test_only_a_uid_becomes_a_path(store: Store, name: str):
    with pytest.raises(ValueError, match="is a UUID"):
        await store.blobs.part_size(name)
    with pytest.raises(ValueError, match="is a UUID"):
        async with store.blobs.part(name):
            pass


# --- what only an object store can show -----------------------------------------------------------


async def test_of_two_processes_at_one_part_the_second_finds_it_taken(objects: Memory, uid: str):
    another = Blobs(objects.store)  # as another replica has it
    async with objects.blobs.part(uid) as part, another.part(uid) as other:
        await write(part, 0, len(CONTENT))
        with pytest.raises(RequestInProgress):
            await write(other, 0, len(CONTENT))
    async with objects.blobs.part(uid) as part:
        assert await kept(part) == CONTENT


async def test_objects_behind_a_gap_are_no_part_of_it(objects: Memory, uid: str):
    async with objects.blobs.part(uid) as part:
        await write(part, 0, len(CONTENT))
    first, second, *_ = sorted(objects.keys())
    obstore.delete(objects.store, second)
    size = obstore.head(objects.store, first)["size"]
    assert await objects.blobs.part_size(uid) == size
    async with objects.blobs.part(uid) as part:
        assert await kept(part) == CONTENT[:size]
        await write(part, size, len(CONTENT))
        assert (await part.commit()).digest == hashlib.sha256(CONTENT).hexdigest()
    assert objects.keys() == {key_of(CONTENT)}


# --- what only a folder can show ------------------------------------------------------------------


_WRITES = """
import asyncio, sys
from tunesmith_server.adapters.blobs import Blobs
async def main(folder, uid):
    async with Blobs.open(folder).part(uid) as part:
        while True:
            await part.write(b"x" * 1_000_000)
            print(part.offset, flush=True)
asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_killed_process_leaves_what_it_wrote_and_lets_go_of_it(local: Local, uid: str):
    child = subprocess.Popen(  # noqa: ASYNC220  # returns at once
        [sys.executable, "-c", _WRITES, str(local.folder), uid],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout
    told = 0
    while told < 20_000_000:
        told = int(await asyncio.to_thread(child.stdout.readline))
    with pytest.raises(RequestInProgress):
        async with local.blobs.part(uid):
            pass
    child.send_signal(signal.SIGKILL)
    await asyncio.to_thread(child.communicate)
    async with local.blobs.part(uid) as part:
        there = await kept(part)
        assert len(there) >= told - 2**21
        assert there == b"x" * len(there)
        await part.discard()


async def test_a_full_disk_is_told_and_what_was_written_can_be_discarded(
    local: Local, uid: str, monkeypatch: pytest.MonkeyPatch
):
    write_, calls = os.write, iter(range(100))

    def full(descriptor: int, data: bytes) -> int:
        if next(calls) >= 3:
            raise OSError(28, "No space left on device")
        return write_(descriptor, data)

    async def upload() -> None:
        async with local.blobs.part(uid) as part:
            try:
                await write(part, 0, len(CONTENT))
            except StorageFull:
                await part.discard()
                raise

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(StorageFull):
            await upload()
    assert local.keys() == set()


async def test_a_part_that_becomes_a_blob_while_another_opens_it_is_not_written_to(
    local: Local, uid: str
):
    async def one(number: int) -> str:
        while True:
            try:
                async with local.blobs.part(uid) as part:
                    assert await kept(part) == b""
                    await part.write(b"%d" % number)
                    return (await part.commit()).digest
            except RequestInProgress:
                pass

    digests = await asyncio.gather(*map(one, range(20)))
    for number, digest in enumerate(digests):
        assert digest == hashlib.sha256(b"%d" % number).hexdigest()
        assert local.path(digest).read_bytes() == b"%d" % number


def test_memory_takes_the_ways_of_s3(tmp_path: Path):
    assert Memory(tmp_path).blobs.local_path("0" * 64) is None
