"""The suite of the `Blobs` port, over every kind of store; of S3 a real server."""

import asyncio
import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore, ObjectStore, S3Store
from tunesmith_server.adapters.blobs import BlobCorrupt, BlobMissing, Blobs
from tunesmith_server.domain.errors import StorageFull, Unavailable

from tests.fakes.s3 import S3Server

CONTENT = b"the quick brown fox\n" * 200_000  # 4 MB: several pieces, one part of an upload
ABSENT = "0" * 64
AT_ONCE = timedelta(seconds=-1)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class Local:
    """A store in a folder, and a view of what lies in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = Blobs.open(str(folder))

    def keys(self) -> set[str]:
        return {str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file()}

    def path(self, digest: str) -> Path:
        path = self.blobs.local_path(digest)
        assert path is not None
        return path

    def spoil(self, key: str) -> None:
        path = self.folder / key
        path.chmod(0o600)
        path.write_bytes(b"spoilt")


class Memory:
    """A store in memory: takes the same way as S3."""

    def __init__(self, _: Path) -> None:
        self.store: ObjectStore = MemoryStore()
        self.blobs = Blobs(self.store)

    def keys(self) -> set[str]:
        return {item["path"] for page in obstore.list(self.store) for item in page}

    def spoil(self, key: str) -> None:
        obstore.put(self.store, key, b"spoilt")


class Bucket(Memory):
    """A store in a bucket of a real S3 server."""

    def __init__(self, server: S3Server) -> None:
        place = f"s3://{server.bucket()}/some/prefix"
        self.store = S3Store.from_url(place, **server.settings)
        self.blobs = Blobs.open(place, server.settings)


Store = Local | Memory


@pytest.fixture(params=["local", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        return Bucket(request.getfixturevalue("s3"))
    return Local(tmp_path / "blobs") if request.param == "local" else Memory(tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path / "blobs")


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def key_of(content: bytes) -> str:
    digest = digest_of(content)
    return f"sha256/{digest[:2]}/{digest}"


async def put(blobs: Blobs, content: bytes, piece: int = 300_000) -> str:
    async with blobs.writer() as writer:
        for start in range(0, len(content), piece):
            await writer.write(content[start : start + piece])
        return (await writer.commit()).digest


async def whole(blobs: Blobs, digest: str, **options: int) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(digest, **options)])


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


async def test_an_empty_store_is_sound_and_stays_empty(store: Store) -> None:
    await store.blobs.check()
    assert await store.blobs.sweep(set(), AT_ONCE) == []
    assert store.keys() == set()


# --- what only a folder can show ------------------------------------------------------------------


async def test_the_sweeper_takes_the_remains_of_a_killed_upload_and_nothing_foreign(
    local: Local,
) -> None:
    await put(local.blobs, b"orphan")
    (local.folder / "tmp" / "0123456789abcdef").write_bytes(b"half")
    for foreign in ("README", "sha256/notes.txt", "sha256/aa/" + "b" * 64):
        (local.folder / foreign).parent.mkdir(parents=True, exist_ok=True)
        (local.folder / foreign).write_bytes(b"ours")
    removed = await local.blobs.sweep(set(), AT_ONCE)
    assert sorted(removed) == [key_of(b"orphan"), "tmp/0123456789abcdef"]
    assert local.keys() == {"README", "sha256/notes.txt", "sha256/aa/" + "b" * 64}


async def test_committing_again_makes_an_old_blob_young(local: Local) -> None:
    digest = await put(local.blobs, CONTENT)
    os.utime(local.path(digest), (0, 0))
    await put(local.blobs, CONTENT)
    assert await local.blobs.sweep(set(), timedelta(minutes=5)) == []


async def test_a_blob_that_is_committed_while_it_is_swept_comes_back(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await put(local.blobs, CONTENT)
    path = local.path(digest)
    os.utime(path, (0, 0))
    rename = Path.rename

    def committed_just_before(self: Path, target: Path) -> Path:
        os.utime(path)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", committed_just_before)
    assert await local.blobs.sweep(set(), timedelta(minutes=5)) == []
    assert await whole(local.blobs, digest) == CONTENT
    assert local.keys() == {key_of(CONTENT)}


async def test_a_blob_is_read_only_and_shared_with_who_fetches_it(
    local: Local, tmp_path: Path
) -> None:
    digest = await put(local.blobs, CONTENT)
    path = local.path(digest)
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    await local.blobs.fetch(digest, tmp_path / "train.jsonl")
    assert (tmp_path / "train.jsonl").samefile(path)
    await local.blobs.delete(digest)
    assert (tmp_path / "train.jsonl").read_bytes() == CONTENT


async def test_fetching_to_another_file_system_copies(
    local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await put(local.blobs, CONTENT)

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    await local.blobs.fetch(digest, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert not (tmp_path / "copy").samefile(local.path(digest))


@pytest.mark.parametrize("nth", [0, 1, 3])
async def test_a_full_disk_is_told_and_leaves_nothing(
    local: Local, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    write, calls = os.write, iter(range(100))

    def full(descriptor: int, data: bytes) -> int:
        if next(calls) == nth:
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageFull):
        await put(local.blobs, CONTENT)
    assert local.keys() == set()
    assert await put(local.blobs, CONTENT) == digest_of(CONTENT)  # room again, no restart


@pytest.mark.parametrize("call", ["fsync", "fchmod", "open"])
async def test_a_failing_disk_is_told_and_leaves_nothing(
    local: Local, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(Unavailable):
            await put(local.blobs, CONTENT)
    assert local.keys() == set()


async def test_a_short_write_is_carried_on(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:70_001]))
    assert await whole(local.blobs, await put(local.blobs, CONTENT)) == CONTENT


async def test_a_folder_that_is_gone_or_no_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        Blobs.open(str(tmp_path / "file" / "blobs"))
    local = Local(tmp_path / "blobs")
    (tmp_path / "blobs").rmdir()
    (tmp_path / "blobs").write_bytes(b"")
    with pytest.raises(Unavailable) as caught:
        await local.blobs.check()
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(Unavailable):
        await put(local.blobs, CONTENT)


async def test_a_real_full_disk(tmp_path: Path) -> None:
    """A tmpfs of 1 MiB in a mount namespace of a child; skipped where that is not allowed."""
    program = """
import asyncio, os, sys
from tunesmith_server.adapters.blobs import Blobs
from tunesmith_server.domain.errors import StorageFull
async def main(folder):
    blobs = Blobs.open(folder)
    try:
        async with blobs.writer() as writer:
            await writer.write(b"x" * 3_000_000)
            await writer.commit()
    except StorageFull:
        async with blobs.writer() as writer:
            await writer.write(b"y" * 500_000)
            await writer.commit()
        print("full", [n for _, _, names in os.walk(folder) for n in names] == [writer.digest])
asyncio.run(main(sys.argv[1]))
"""
    script = 'mount -t tmpfs -o size=1m none "$1" || exit 77; exec "$2" -c "$3" "$1"'
    try:
        child = await asyncio.to_thread(
            subprocess.run,
            ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), sys.executable, program],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=60,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if child.returncode and "True" not in child.stdout and "Traceback" not in child.stderr:
        pytest.skip(f"no mount namespace here: {child.stderr.strip()}")
    assert child.stdout.strip() == "full True", child.stderr


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
