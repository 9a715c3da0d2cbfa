"""The suite of the `Blobs` port, over every kind of store."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from tunesmith_server.adapters.blobs import BlobCorrupt, BlobMissing, Blobs

from tests.contract.blob_stores import AT_ONCE, Store, key_of, put, whole

CONTENT = b"the quick brown fox\n" * 200_000  # 4 MB: several pieces, one part of an upload
ABSENT = "0" * 64


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("content", [b"", b"x", CONTENT], ids=["empty", "one byte", "4 MB"])
async def test_what_is_committed_can_be_read_under_its_digest(store: Store, content: bytes) -> None:
    async with store.blobs.writer() as writer:
        for start in range(0, len(content), 100_001):
            await writer.write(content[start : start + 100_001])
        ref = await writer.commit()
        assert ref == await writer.commit()
    assert (ref.digest, ref.size) == (writer.digest, len(content))
    assert ref.digest == digest_of(content)
    assert await whole(store.blobs, ref.digest) == content
    assert await store.blobs.size(ref.digest) == len(content)
    assert await store.blobs.exists(ref.digest)
    assert store.keys() == {key_of(content)}


async def test_nothing_remains_of_what_was_not_committed(store: Store) -> None:
    async with store.blobs.writer() as writer:
        await writer.write(CONTENT)
    assert store.keys() == set()


async def test_nothing_remains_when_the_upload_fails(store: Store) -> None:
    async def upload() -> None:
        async with store.blobs.writer() as writer:
            await writer.write(CONTENT)
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await upload()
    assert store.keys() == set()


async def test_nothing_remains_when_the_upload_is_cancelled_at_any_moment(store: Store) -> None:
    async def upload() -> None:
        async with store.blobs.writer() as writer:
            for _ in range(20):
                await writer.write(CONTENT)
            await asyncio.sleep(10)

    for delay in (0.0, 0.001, 0.003, 0.01, 0.03):
        task = asyncio.create_task(upload())
        await asyncio.sleep(delay)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert store.keys() == set()


async def test_the_same_content_from_many_writers_at_once_is_kept_once(store: Store) -> None:
    digests = await asyncio.gather(*(put(store.blobs, CONTENT, 1 + 2**20) for _ in range(8)))
    assert set(digests) == {digest_of(CONTENT)}
    assert store.keys() == {key_of(CONTENT)}


async def test_a_committed_writer_takes_no_more(store: Store) -> None:
    async with store.blobs.writer() as writer:
        with pytest.raises(RuntimeError):
            _ = writer.digest
        await writer.commit()
        with pytest.raises(RuntimeError):
            await writer.write(b"late")


@pytest.mark.parametrize("offset", [0, 1, 2**20, len(CONTENT) - 1, len(CONTENT), len(CONTENT) + 9])
async def test_reading_starts_where_it_is_told(store: Store, offset: int) -> None:
    digest = await put(store.blobs, CONTENT)
    assert await whole(store.blobs, digest, offset=offset, chunk_size=65_536) == CONTENT[offset:]


async def test_reading_comes_in_pieces_of_bounded_size(store: Store) -> None:
    digest = await put(store.blobs, CONTENT)
    sizes = [len(chunk) async for chunk in store.blobs.read(digest, chunk_size=2**20)]
    assert max(sizes) <= 4 * 2**20


async def test_what_is_not_there_is_missing(store: Store, tmp_path: Path) -> None:
    assert not await store.blobs.exists(ABSENT)
    with pytest.raises(BlobMissing):
        await store.blobs.size(ABSENT)
    with pytest.raises(BlobMissing):
        await whole(store.blobs, ABSENT)
    with pytest.raises(BlobMissing):
        await store.blobs.fetch(ABSENT, tmp_path / "copy")
    await store.blobs.delete(ABSENT)
    assert names(tmp_path) <= {"blobs"}


async def test_a_deleted_blob_is_gone(store: Store) -> None:
    digest = await put(store.blobs, CONTENT)
    await store.blobs.delete(digest)
    assert store.keys() == set()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../../etc/passwd",
        "/etc/passwd",
        "a" * 63,
        "A" * 64,
        "a" * 64 + "\n",
        "..\0",
        "C:\\x",
        "a" * 4096,
        "\u2025/" * 32,
        "a" * 62 + "/.",
        "CON",
    ],
)
async def test_only_a_digest_becomes_a_path(store: Store, name: str, tmp_path: Path) -> None:
    for attempt in (
        store.blobs.size(name),
        store.blobs.delete(name),
        store.blobs.fetch(name, tmp_path / "copy"),
        whole(store.blobs, name),
    ):
        with pytest.raises(ValueError, match="64 lower-case hex"):
            await attempt


async def test_a_file_goes_in_and_comes_out(store: Store, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(CONTENT)
    ref = await store.blobs.put_file(source)
    for _ in range(2):  # the second time over the first one
        await store.blobs.fetch(ref.digest, target)
        assert target.read_bytes() == CONTENT
    assert names(tmp_path) - {"blobs"} == {"in.jsonl", "out.jsonl"}


async def test_a_spoilt_blob_is_not_handed_out(store: Store, tmp_path: Path) -> None:
    digest = await put(store.blobs, CONTENT)
    store.spoil(key_of(CONTENT))
    with pytest.raises(BlobCorrupt):
        await store.blobs.fetch(digest, tmp_path / "copy")
    assert names(tmp_path) <= {"blobs"}


async def test_the_sweeper_takes_what_nothing_refers_to(store: Store) -> None:
    kept, orphan = await put(store.blobs, b"kept"), await put(store.blobs, b"orphan")
    assert await store.blobs.sweep({kept}, timedelta(hours=1)) == []
    assert await store.blobs.sweep({kept}, AT_ONCE) == [key_of(b"orphan")]
    assert await store.blobs.exists(kept)
    assert not await store.blobs.exists(orphan)


async def test_the_sweeper_asks_about_each_digest(store: Store) -> None:
    kept = await put(store.blobs, b"kept")
    await put(store.blobs, b"orphan")
    asked: list[str] = []

    async def keep(digests: Sequence[str]) -> set[str]:
        asked.extend(digests)
        return {kept}

    assert await store.blobs.sweep(keep, AT_ONCE) == [key_of(b"orphan")]
    assert set(asked) == {kept, digest_of(b"orphan")}


async def test_an_empty_store_stays_empty(store: Store) -> None:
    assert await store.blobs.sweep(set(), AT_ONCE) == []
    assert store.keys() == set()


def test_the_url_says_which_store(tmp_path: Path) -> None:
    assert Blobs.open(f"file://{tmp_path}/with%20blank").local_path(ABSENT) == (
        tmp_path / "with blank" / "sha256" / "00" / ABSENT
    )
    bucket = Blobs.open(
        "s3://bucket/prefix",
        {"region": "us-east-1", "access_key_id": "a", "secret_access_key": "b"},
    )
    assert bucket.local_path(ABSENT) is None
    with pytest.raises(ValueError, match="no blob store"):
        Blobs.open("ftp://host/blobs")
