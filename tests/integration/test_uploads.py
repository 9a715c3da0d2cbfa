"""Uploads that break off and go on, through the front door."""

import asyncio
import fcntl
import hashlib
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from pydantic import SecretStr
from tunesmith.v1 import dataset_pb2 as pb
from tunesmith.v1 import tenant_pb2
from tunesmith_server.adapters.blobs import Blobs
from tunesmith_server.app import uploads as ways_in
from tunesmith_server.bootstrap import Running, serve
from tunesmith_server.settings import Grpc, Http, Local, Settings, Uploads

from tests.integration.calls import (
    ADMIN_KEY,
    ROWS,
    Caller,
    a_tenant,
    another_key,
    jsonl,
    reason,
    refused,
)
from tests.integration.http.sweeping import swept_later
from tests.integration.uploads import arrived, chunks, finish, header, rows, send

CONTENT = rows(3_000_000)
HALF = 1_310_720  # five chunks


@pytest.fixture
async def acme(server: Running) -> Caller:
    return await a_tenant(server.address, "acme")


async def begun(caller: Caller, id: str = "data", **more: Any) -> pb.UploadHeader:
    """An upload that broke off in the middle."""
    head = header(id, **more)
    why, _ = await refused(send(caller, head, *chunks(CONTENT, end=HALF)))
    assert why == "FIELD_INVALID"  # it has no finish
    return head


async def test_an_upload_goes_on_where_it_broke_off_and_is_as_one_in_one_go(acme: Caller):
    whole = await send(acme, header("whole"), *chunks(CONTENT), finish(CONTENT))
    head = await begun(acme)
    assert await arrived(acme, head.request_id) == HALF
    dataset = await send(acme, head, *chunks(CONTENT, HALF), finish(CONTENT))
    assert dataset.state == pb.DATASET_STATE_READY
    assert dataset.digest == hashlib.sha256(CONTENT).hexdigest()
    for field in ("example_count", "size_bytes", "findings", "statistics", "shape"):
        assert getattr(dataset, field) == getattr(whole, field)


async def test_so_does_one_whose_connection_was_lost(acme: Caller):
    head, sent = header("data"), asyncio.Event()

    async def parts() -> AsyncIterator[pb.UploadDatasetRequest]:
        yield pb.UploadDatasetRequest(header=head)
        for chunk in chunks(CONTENT):
            yield chunk
        sent.set()
        await asyncio.sleep(3600)

    call = acme.datasets.UploadDataset(parts(), metadata=acme.metadata)
    await sent.wait()
    while True:  # until all has come through
        if await arrived_or_none(acme, head) >= len(CONTENT) - 2**20:
            break
    call.cancel()
    async with asyncio.timeout(30):
        while True:
            offset = await arrived(acme, head.request_id)
            try:
                dataset = await send(acme, head, *chunks(CONTENT, offset), finish(CONTENT))
                break
            except grpc.aio.AioRpcError as error:  # the stream before is just ending
                assert error.code() in (grpc.StatusCode.ABORTED, grpc.StatusCode.OUT_OF_RANGE)
    assert dataset.digest == hashlib.sha256(CONTENT).hexdigest()


async def test_what_is_counted_late_of_a_broken_stream_is_given_back_with_the_next_one(
    acme: Caller, monkeypatch: pytest.MonkeyPatch
):
    count, resumed, counted = ways_in.Uploads._left, asyncio.Event(), asyncio.Event()

    async def count_late(*arguments: Any) -> None:
        await resumed.wait()
        await count(*arguments)
        counted.set()

    async def rest() -> AsyncIterator[pb.UploadDatasetRequest]:
        yield pb.UploadDatasetRequest(header=head)
        for chunk in chunks(CONTENT, HALF):
            yield chunk
        resumed.set()
        await counted.wait()
        yield finish(CONTENT)

    monkeypatch.setattr(ways_in.Uploads, "_left", count_late)
    head = header("data")
    async with asyncio.timeout(60):
        broken = asyncio.create_task(refused(send(acme, head, *chunks(CONTENT, end=HALF))))
        while await arrived_or_none(acme, head) < HALF:
            pass
        made = await acme.datasets.UploadDataset(rest(), metadata=acme.metadata)
        await broken
    assert (await acme.usage())["dataset_bytes"].reserved == made.dataset.size_bytes


async def arrived_or_none(caller: Caller, head: pb.UploadHeader) -> int:
    try:
        return await arrived(caller, head.request_id)
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.NOT_FOUND
        return 0


async def test_a_chunk_that_begins_elsewhere_is_told_where_to_go_on(acme: Caller):
    head = await begun(acme)
    for start in (0, HALF - 1, HALF + 1):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await send(acme, head, *chunks(CONTENT, start))
        assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE
        assert f"{HALF} bytes have arrived" in (caught.value.details() or "")
    await send(acme, head, *chunks(CONTENT, HALF), finish(CONTENT))


async def test_a_finished_upload_answers_as_it_did_and_changes_nothing(acme: Caller):
    head = await begun(acme)
    first = await send(acme, head, *chunks(CONTENT, HALF), finish(CONTENT))
    assert await arrived(acme, head.request_id) == len(CONTENT)
    for parts in ([finish(CONTENT)], [*chunks(CONTENT), finish(CONTENT)]):
        assert await send(acme, head, *parts) == first
    other = CONTENT[:-1] + b" "
    why, _ = await refused(send(acme, head, *chunks(other), finish(other)))
    assert why == "REQUEST_ID_REUSED"
    listed = pb.ListDatasetVersionsRequest(parent=first.name)
    found = await acme.datasets.ListDatasetVersions(listed, metadata=acme.metadata)
    assert len(found.versions) == 1


async def test_another_header_under_the_same_request_id_is_refused(acme: Caller):
    head = await begun(acme)
    other = header("other", head.request_id)
    why, _ = await refused(send(acme, other, *chunks(CONTENT, HALF), finish(CONTENT)))
    assert why == "REQUEST_ID_REUSED"
    await send(acme, head, *chunks(CONTENT, HALF), finish(CONTENT))
    why, _ = await refused(send(acme, other, *chunks(CONTENT), finish(CONTENT)))
    assert why == "REQUEST_ID_REUSED"


async def test_of_many_streams_at_once_one_goes_on_and_nothing_breaks(acme: Caller):
    head = await begun(acme)
    outcomes = await asyncio.gather(
        *(send(acme, head, *chunks(CONTENT, HALF), finish(CONTENT)) for _ in range(6)),
        return_exceptions=True,
    )
    made = [outcome for outcome in outcomes if isinstance(outcome, pb.Dataset)]
    told = [reason(o) for o in outcomes if isinstance(o, grpc.aio.AioRpcError)]
    assert {dataset.digest for dataset in made} == {hashlib.sha256(CONTENT).hexdigest()}
    assert {dataset.version_number for dataset in made} == {1}
    # one that comes when the whole has arrived is told that its end is where to go on
    assert set(told) <= {"REQUEST_IN_PROGRESS", "OFFSET_MISMATCH"}
    assert len(made) + len(told) == 6


async def test_while_one_stream_is_open_another_is_told_to_wait(acme: Caller, tmp_path: Path):
    head, go_on = await begun(acme), asyncio.Event()

    async def slow() -> AsyncIterator[pb.UploadDatasetRequest]:
        yield pb.UploadDatasetRequest(header=head)
        for part in (*chunks(CONTENT, HALF), finish(CONTENT)):
            yield part
            await go_on.wait()

    one = asyncio.ensure_future(acme.datasets.UploadDataset(slow(), metadata=acme.metadata))
    (part,) = (tmp_path / "data" / "blobs" / "parts").iterdir()
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(_is_locked, part):
            pass
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send(acme, head, *chunks(CONTENT, HALF))
    assert caught.value.code() is grpc.StatusCode.ABORTED
    assert reason(caught.value) == "REQUEST_IN_PROGRESS"
    go_on.set()
    assert (await one).dataset.digest == hashlib.sha256(CONTENT).hexdigest()


def _is_locked(part: Path) -> bool:
    with part.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


async def test_a_chunk_that_was_spoilt_on_the_way_is_not_kept(acme: Caller):
    head = header("data")
    good, bad = list(chunks(CONTENT))[:2]
    bad.chunk.crc32c ^= 1
    why, words = await refused(send(acme, head, good, bad))
    assert why == "CHECKSUM_MISMATCH"
    assert f"offset {bad.chunk.offset}" in words
    assert await arrived(acme, head.request_id) == len(good.chunk.data)
    start = len(good.chunk.data)
    await send(acme, head, *chunks(CONTENT, start), finish(CONTENT))


async def test_what_can_never_be_right_is_not_kept(acme: Caller):
    for head, parts, why in (
        (header("sum"), [*chunks(CONTENT), finish(b"")], "CHECKSUM_MISMATCH"),
        (header("more", size_bytes=1000), [*chunks(CONTENT)], "FIELD_INVALID"),
        (header("less", size_bytes=10**7), [*chunks(CONTENT), finish(CONTENT)], "FIELD_INVALID"),
    ):
        assert (await refused(send(acme, head, *parts)))[0] == why
        request = pb.GetUploadRequest(parent="tenants/-", request_id=head.request_id)
        found = acme.datasets.GetUpload(request, metadata=acme.metadata)
        assert (await refused(found))[0] == "RESOURCE_NOT_FOUND"


async def test_an_upload_is_of_who_sends_it(server: Running, acme: Caller):
    admin = Caller(server.address, ADMIN_KEY)
    colleague = await another_key(admin, "acme", tenant_pb2.ROLE_EDITOR)
    stranger = await a_tenant(server.address, "other")
    head = await begun(acme)
    for caller in (colleague, stranger, admin):
        tenant = "tenants/acme" if caller is admin else "tenants/-"
        request = pb.GetUploadRequest(parent=tenant, request_id=head.request_id)
        found = caller.datasets.GetUpload(request, metadata=caller.metadata)
        assert (await refused(found))[0] == "RESOURCE_NOT_FOUND"
    theirs = await send(stranger, head, *chunks(CONTENT), finish(CONTENT))
    assert theirs.name.startswith("tenants/other/")
    assert await arrived(acme, head.request_id) == HALF


async def test_what_is_kept_of_an_upload_counts_until_it_goes_on(server: Running):
    limited = await a_tenant(server.address, "limited", {"dataset_bytes": 4_000_000})
    head = await begun(limited)
    assert (await limited.usage())["dataset_bytes"].reserved == HALF
    why, _ = await refused(send(limited, header("big"), *chunks(CONTENT), finish(CONTENT)))
    assert why == "QUOTA_EXCEEDED"
    await send(limited, head, *chunks(CONTENT, HALF), finish(CONTENT))
    assert (await limited.usage())["dataset_bytes"].reserved == len(CONTENT)


async def test_an_upload_that_is_too_large_is_refused_before_its_bytes_come(server: Running):
    limited = await a_tenant(server.address, "limited", {"dataset_bytes": 1_000_000})
    why, _ = await refused(send(limited, header("big", size_bytes=10**9)))
    assert why == "QUOTA_EXCEEDED"
    assert (
        "dataset_bytes" not in await limited.usage()
        or not (await limited.usage())["dataset_bytes"].reserved
    )


async def test_a_stream_of_which_nothing_more_comes_is_ended_and_kept(
    sqlite_database: str, tmp_path: Path
):
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=sqlite_database,
        bootstrap_admin_key=SecretStr(ADMIN_KEY),
        grpc=Grpc(listen="127.0.0.1:0"),
        http=Http(listen=""),
        local=Local(slots=0),
        uploads=Uploads(chunk_seconds=0.2),
        drain_seconds=0.5,
        log_level="error",
    )
    async with serve(settings) as running:
        acme = await a_tenant(running.address, "acme")
        head = header("slow")

        async def parts() -> AsyncIterator[pb.UploadDatasetRequest]:
            yield pb.UploadDatasetRequest(header=head)
            for chunk in chunks(CONTENT, end=HALF):
                yield chunk
            await asyncio.sleep(3600)

        why, words = await refused(acme.datasets.UploadDataset(parts(), metadata=acme.metadata))
        assert (why, "0.2 seconds" in words) == ("BACKEND_UNAVAILABLE", True)
        assert await arrived(acme, head.request_id) == HALF
        await send(acme, head, *chunks(CONTENT, HALF), finish(CONTENT))


async def test_what_is_left_goes_in_time_and_what_is_referred_to_stays(
    server: Running, server_settings: Settings, acme: Caller
):
    mine = await acme.upload(jsonl(ROWS), id="mine")
    again = await acme.upload(jsonl(ROWS[:10]), id="mine")
    gone = await acme.upload(jsonl(ROWS[:5]), id="gone")
    deleted = pb.DeleteDatasetRequest(name=gone.name)
    await acme.datasets.DeleteDataset(deleted, metadata=acme.metadata)
    head = await begun(acme)
    blobs = Blobs.open(str(server_settings.data_dir / "blobs"))
    at_once = timedelta(microseconds=1)
    await swept_later(server_settings, age=at_once)
    assert await arrived(acme, head.request_id) == HALF
    assert [await blobs.exists(d.digest) for d in (mine, again, gone)] == [True, True, False]
    await swept_later(server_settings, age=at_once, hours=24, minutes=1)
    request = pb.GetUploadRequest(parent="tenants/-", request_id=head.request_id)
    found = acme.datasets.GetUpload(request, metadata=acme.metadata)
    assert (await refused(found))[0] == "RESOURCE_NOT_FOUND"
    files = [path for path in (server_settings.data_dir / "blobs").rglob("*") if path.is_file()]
    assert {path.name for path in files} == {mine.digest, again.digest}
    assert (await acme.usage())["dataset_bytes"].reserved == mine.size_bytes + again.size_bytes


async def test_of_two_versions_each_can_be_read_and_fetched(acme: Caller):
    contents = [jsonl(ROWS), jsonl(ROWS[:10]), jsonl(ROWS)]  # the third is the first again
    versions = [await acme.upload(content, id="mine") for content in contents]
    assert [version.version_number for version in versions] == [1, 2, 3]
    name = versions[0].name
    listed = pb.ListDatasetVersionsRequest(parent=name)
    found = await acme.datasets.ListDatasetVersions(listed, metadata=acme.metadata)
    assert list(found.versions) == versions[::-1]
    assert [version.parent_digest for version in versions] == [
        "",
        versions[0].digest,
        versions[1].digest,
    ]
    for which, number in (("1", 1), ("2", 2), (versions[1].digest, 2), (versions[0].digest, 3)):
        request = pb.GetDatasetRequest(name=name, version=which)
        got = (await acme.datasets.GetDataset(request, metadata=acme.metadata)).dataset
        assert got == versions[number - 1]
        fetch = pb.DownloadDatasetRequest(name=name, version=which, offset=7)
        stream = acme.datasets.DownloadDataset(fetch, metadata=acme.metadata)
        assert b"".join([part.data async for part in stream]) == contents[number - 1][7:]
    for which in ("4", "0" * 64):
        absent = pb.GetDatasetRequest(name=name, version=which)
        found = acme.datasets.GetDataset(absent, metadata=acme.metadata)
        assert (await refused(found))[0] == "RESOURCE_NOT_FOUND"
    beyond = pb.DownloadDatasetRequest(name=name, offset=len(contents[2]) + 1)
    with pytest.raises(grpc.aio.AioRpcError, match=f"has {len(contents[2])} bytes"):
        async for _ in acme.datasets.DownloadDataset(beyond, metadata=acme.metadata):
            pass


async def test_a_request_id_that_is_not_known_is_not_found(acme: Caller):
    request = pb.GetUploadRequest(parent="tenants/-", request_id=str(uuid.uuid4()))
    found = acme.datasets.GetUpload(request, metadata=acme.metadata)
    assert (await refused(found))[0] == "RESOURCE_NOT_FOUND"
