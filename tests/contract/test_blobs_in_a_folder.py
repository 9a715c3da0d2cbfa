"""What only a store in a folder can show of the `Blobs` port: files, links, and disks that fail."""

import asyncio
import hashlib
import os
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tunesmith_server.adapters.blobs import Blobs
from tunesmith_server.domain.errors import StorageFull, Unavailable

from tests.contract.blob_stores import AT_ONCE, Local, key_of, put, whole
from tests.surroundings import a_small_disk

CONTENT = b"the quick brown fox\n" * 200_000  # 4 MB: several pieces, one part of an upload


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


async def test_a_blob_is_young_when_it_gets_its_address_however_long_ago_it_was_written(
    local: Local,
) -> None:
    async with local.blobs.writer() as writer:
        await writer.write(CONTENT)
        for path in (local.folder / "tmp").iterdir():
            os.utime(path, (0, 0))
        await writer.commit()
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
    # room again, no restart
    assert await put(local.blobs, CONTENT) == hashlib.sha256(CONTENT).hexdigest()


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
        await put(local.blobs, CONTENT)
    assert str(tmp_path) not in str(caught.value)


async def test_a_real_full_disk(tmp_path: Path) -> None:
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
    within = await asyncio.to_thread(a_small_disk, tmp_path, 2**20)
    child = await asyncio.to_thread(
        subprocess.run,
        [*within, sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
    )
    assert child.stdout.strip() == "full True", child.stderr
