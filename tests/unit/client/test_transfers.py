"""Uploads and downloads over connections that break."""

import asyncio
import io
import random
import uuid
from pathlib import Path
from typing import Any

import pytest
from tunesmith import AsyncClient, Client
from tunesmith._errors import TunesmithError, UnavailableError
from tunesmith._resources import transfers

from tests.fakes.service import KEY, FakeService

CONTENT = random.Random(1).randbytes(5_000_000)


@pytest.fixture(autouse=True)
def no_time_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "_LONGEST_PAUSE", 0.01)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_an_upload_goes_on_by_itself_where_the_service_has_come_to(
    client: AsyncClient, service: FakeService
):
    service.faults.cut_upload_after = [1, 2, 1]
    sent: list[tuple[int, int]] = []
    dataset = await client.datasets.upload(
        CONTENT, id="a", on_progress=lambda *come: sent.append(come)
    )
    assert bytes(*service.uploads.values()) == CONTENT
    assert dataset.size_bytes == len(CONTENT)
    assert (service.calls["UploadDataset"], service.calls["GetUpload"]) == (4, 3)
    assert sent[-1] == (len(CONTENT), len(CONTENT))


async def test_so_does_one_of_the_blocking_client(service: FakeService):
    def upload() -> int:
        with Client(service.address, api_key=KEY) as client:
            return client.datasets.upload(CONTENT, id="a").size_bytes

    service.faults.cut_upload_after = [2]
    assert await asyncio.to_thread(upload) == len(CONTENT)
    assert bytes(*service.uploads.values()) == CONTENT


async def test_an_upload_that_was_given_up_goes_on_with_its_request_id(
    client: AsyncClient, service: FakeService
):
    service.faults.cut_upload_after, id = [3], str(uuid.uuid4())
    with pytest.raises(UnavailableError):
        await client.datasets.upload(CONTENT, id="a", request_id=id, resume=False)
    arrived = len(service.uploads[id])
    assert 0 < arrived < len(CONTENT)
    first = len(service.chunks)
    assert (await client.datasets.upload(CONTENT, id="a", request_id=id)).size_bytes
    assert service.chunks[first].offset == arrived
    assert bytes(service.uploads[id]) == CONTENT


async def test_a_file_that_has_become_shorter_is_not_gone_on_with(
    client: AsyncClient, service: FakeService
):
    service.faults.cut_upload_after, id = [3], str(uuid.uuid4())
    with pytest.raises(UnavailableError):
        await client.datasets.upload(CONTENT, request_id=id, resume=False)
    with pytest.raises(ValueError, match="not the same"):
        await client.datasets.upload(CONTENT[:1000], request_id=id)


async def test_a_service_that_stays_away_is_told_of_after_a_while(
    client: AsyncClient, service: FakeService, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(transfers, "_PATIENCE", 0.05)
    service.faults.cut_upload_after = [1] + [-1] * 50
    service.faults.fail["GetUpload"] = []

    async def away(*_: Any) -> None:
        raise UnavailableError("away")

    monkeypatch.setattr(transfers.Upload, "_arrived", away)
    with pytest.raises(UnavailableError, match="away"):
        await client.datasets.upload(CONTENT)


async def test_a_pipe_cannot_go_on(client: AsyncClient, service: FakeService):
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    service.faults.cut_upload_after = [1]
    with pytest.raises(UnavailableError):
        await client.datasets.upload(Pipe(CONTENT))
    assert service.calls["UploadDataset"] == 1


async def test_a_download_goes_on_by_itself_and_is_checked(
    client: AsyncClient, service: FakeService, tmp_path: Path
):
    await client.datasets.upload(CONTENT[:10_000], id="a")
    service.faults.cut_downloads = 4
    await client.datasets.download("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT[:10_000]
    assert service.calls["DownloadDataset"] == 5
    into = io.BytesIO()
    await client.datasets.download("a", into)
    assert into.getvalue() == CONTENT[:10_000]
    assert names(tmp_path) == {"a"}


@pytest.mark.parametrize("left", [CONTENT[:4_000], b"of another version", b"x" * 20_000])
async def test_a_download_goes_on_from_what_an_earlier_one_left_if_it_fits(
    client: AsyncClient, service: FakeService, tmp_path: Path, left: bytes
):
    await client.datasets.upload(CONTENT[:10_000], id="a")
    (tmp_path / "a.part").write_bytes(left)
    await client.datasets.download("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT[:10_000]


async def test_bytes_that_are_not_the_versions_never_get_the_files_name(
    client: AsyncClient, service: FakeService, tmp_path: Path
):
    dataset = await client.datasets.upload(CONTENT[:10_000], id="a")
    service.content[dataset.digest] = bytes(10_000)
    with pytest.raises(TunesmithError, match="download it again"):
        await client.datasets.download("a", tmp_path / "a")
    assert names(tmp_path) == set()
