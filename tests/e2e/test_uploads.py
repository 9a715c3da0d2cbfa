"""Uploads to a real tunesmithd that is killed, and what one costs."""

import asyncio
import hashlib
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from tunesmith import AsyncClient
from tunesmith._errors import UnavailableError
from tunesmith.v1 import dataset_pb2 as pb

from tests.e2e.daemon import ROOT, Daemon
from tests.integration.calls import a_tenant
from tests.integration.uploads import rows
from tests.waiting import until

SWEPT = {"TUNESMITH_SWEEPER__INTERVAL_SECONDS": "0.3", "TUNESMITH_SWEEPER__AGE_SECONDS": "5"}


@pytest.fixture(scope="module")
def content() -> bytes:
    return rows(20_000_000)


def lying(folder: Path) -> set[str]:
    """Every file of the blob store."""
    blobs = folder / "data" / "blobs"
    return {str(path.relative_to(blobs)) for path in blobs.rglob("*") if path.is_file()}


async def until_swept(folder: Path, digest: str) -> None:
    """Until nothing lies there but the version."""
    alone = {f"sha256/{digest[:2]}/{digest}"}
    await until(lambda: asyncio.to_thread(lying, folder), lambda found: found == alone)


@pytest.mark.parametrize("kills", [1, 3])
async def test_an_upload_survives_kill_9_and_goes_on_by_itself(
    tmp_path: Path, content: bytes, kills: int
):
    daemon = Daemon(tmp_path, **SWEPT)
    await daemon.start()
    acme = await a_tenant(daemon.address, "acme")
    loop = asyncio.get_running_loop()
    places = {len(content) * kill // (kills + 1): asyncio.Event() for kill in range(1, kills + 1)}

    def on_progress(come: int, total: int) -> None:
        for place, passed in places.items():
            if come >= place:
                loop.call_soon_threadsafe(passed.set)

    try:
        async with AsyncClient(daemon.address, api_key=acme.key) as client:
            upload = asyncio.create_task(
                client.datasets.upload(content, id="big", on_progress=on_progress)
            )
            for passed in places.values():
                reached = asyncio.create_task(passed.wait())
                await asyncio.wait({upload, reached}, return_when="FIRST_COMPLETED", timeout=60)
                assert passed.is_set(), upload.exception() if upload.done() else "it stands still"
                await asyncio.to_thread(daemon.kill)
                await daemon.start()
            dataset = await upload
            assert dataset.state == pb.DATASET_STATE_READY
            assert dataset.digest == hashlib.sha256(content).hexdigest()
            await client.datasets.download("big", tmp_path / "copy")
            assert await asyncio.to_thread((tmp_path / "copy").read_bytes) == content
            await until_swept(tmp_path, dataset.digest)
    finally:
        daemon.stop()


async def test_an_upload_that_was_given_up_goes_on_from_the_command_line_after_a_restart(
    tmp_path: Path, content: bytes
):
    daemon = Daemon(tmp_path, **SWEPT)
    await daemon.start()
    acme = await a_tenant(daemon.address, "acme")
    file, id = tmp_path / "rows.jsonl", str(uuid.uuid4())
    await asyncio.to_thread(file.write_bytes, content)
    half = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_progress(come: int, total: int) -> None:
        if come > total // 2:
            loop.call_soon_threadsafe(half.set)

    try:
        async with AsyncClient(daemon.address, api_key=acme.key) as client:
            upload = asyncio.create_task(
                client.datasets.upload(
                    file, id="big", request_id=id, resume=False, on_progress=on_progress
                )
            )
            await half.wait()
            await asyncio.to_thread(daemon.kill)
            with pytest.raises(UnavailableError):
                await upload
        await daemon.start()
        done = await asyncio.to_thread(
            subprocess.run,
            [
                *(sys.executable, "-m", "tunesmith.cli", "datasets", "upload", str(file)),
                *("--id", "big", "--resume", id, "-o", "name"),
            ],
            env={
                **os.environ,
                "TUNESMITH_ADDRESS": daemon.address,
                "TUNESMITH_API_KEY": acme.key,
                "PYTHONPATH": f"{ROOT / 'client'}:{ROOT / 'service'}",
            },
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout.strip()) == (0, "tenants/acme/datasets/big"), (
            done.stderr
        )
        async with AsyncClient(daemon.address, api_key=acme.key) as client:
            dataset = await client.datasets.get("big")
        assert dataset.digest == hashlib.sha256(content).hexdigest()
        await until_swept(tmp_path, dataset.digest)
    finally:
        daemon.stop()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_an_upload_of_a_gigabyte_takes_hardly_more_memory_than_a_small_one(tmp_path: Path):
    """Of long rows that come again: what the rules remember of distinct rows is theirs to bound."""
    row = '{{"prompt": "number {0}: {1}\\n\\n###\\n\\n", "completion": " yes"}}\n'
    content = "".join(row.format(n, "lorem ipsum " * 170) for n in range(24_000)).encode()
    daemon = Daemon(tmp_path)
    await daemon.start()
    acme = await a_tenant(daemon.address, "acme")
    file = tmp_path / "rows.jsonl"

    def write() -> None:
        with file.open("wb") as out:
            for _ in range(20):
                out.write(content)

    await asyncio.to_thread(write)
    try:
        async with AsyncClient(daemon.address, api_key=acme.key) as client:
            await client.datasets.upload(content[:1_000_000], id="small")
            idle = daemon.memory("VmRSS")
            daemon.forget_peak()
            dataset = await client.datasets.upload(file, id="large")
            grown = daemon.memory("VmHWM") - idle
        print(f"{dataset.size_bytes / 1e6:.0f} MB: {grown / 1e6:.1f} MB over idle")
        assert grown <= 64 * 2**20
    finally:
        daemon.stop()
