"""Datasets through the front door: what is good, and what is wrong with what is not."""

import gzip

import grpc
import pytest
from tunesmith.v1 import dataset_pb2

from tests.integration.calls import ROWS, Caller, jsonl, reason


async def test_a_good_file_is_ready_and_the_same_bytes_again_change_nothing(acme: Caller):
    first = await acme.upload(jsonl(ROWS), id="mine")
    assert first.state == dataset_pb2.DATASET_STATE_READY
    assert (first.example_count, first.version_number) == (len(ROWS), 1)
    assert await acme.upload(jsonl(ROWS), id="mine", chunk=7) == first
    changed = await acme.upload(jsonl(ROWS[:-1]), id="mine")
    assert (changed.version_number, changed.parent_digest) == (2, first.digest)


async def test_a_broken_line_is_named_and_the_dataset_cannot_be_trained_on(acme: Caller):
    lines = jsonl(ROWS).splitlines(keepends=True)
    lines[16] = b'{"prompt": "x", "completion": \n'
    dataset = await acme.upload(b"".join(lines), id="broken")
    assert dataset.state == dataset_pb2.DATASET_STATE_INVALID
    finding = next(f for f in dataset.findings if f.line == 17)
    assert finding.code == "JSON_INVALID"
    assert finding.suggestion
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await acme.create(training_dataset="broken")
    assert reason(caught.value) == "DATASET_NOT_READY"


@pytest.mark.parametrize(
    ("row", "shape", "says"),
    [
        (
            b'{"input":{"messages":[{"role":"user","content":"a"}]},"preferred_output":'
            b'[{"role":"assistant","content":"b"}],"non_preferred_output":'
            b'[{"role":"assistant","content":"c"}]}',
            dataset_pb2.DATASET_SHAPE_PREFERENCE,
            "preferences",
        ),
        (
            b'{"messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":'
            b'"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool",'
            b'"tool_call_id":"1","content":"b"},{"role":"assistant","content":"c"}]}',
            dataset_pb2.DATASET_SHAPE_CHAT,
            "CHAT_TOOLS_UNSUPPORTED",
        ),
    ],
    ids=["preferences", "tools"],
)
async def test_sound_data_that_no_trainer_takes_is_kept_and_no_run_starts_on_it(
    acme: Caller, row: bytes, shape: dataset_pb2.DatasetShape, says: str
):
    dataset = await acme.upload(row, id="early")
    assert (dataset.state, dataset.shape) == (dataset_pb2.DATASET_STATE_READY, shape)
    with pytest.raises(grpc.aio.AioRpcError, match=says) as caught:
        await acme.create(training_dataset="early")
    assert reason(caught.value) == "DATASET_UNSUITABLE"


async def test_an_empty_file_is_invalid_and_says_so(acme: Caller):
    dataset = await acme.upload(b"", id="empty")
    assert dataset.state == dataset_pb2.DATASET_STATE_INVALID
    assert [finding.code for finding in dataset.findings] == ["FILE_EMPTY"]


async def test_an_upload_that_breaks_off_or_has_a_wrong_checksum_leaves_nothing(acme: Caller):
    header = dataset_pb2.UploadHeader(parent="tenants/-", dataset_id="half")
    chunk = dataset_pb2.UploadChunk(offset=0, data=b'{"prompt":"a","completion":"b"}\n')
    finish = dataset_pb2.UploadFinish(sha256="0" * 64)
    beginning = [
        dataset_pb2.UploadDatasetRequest(header=header),
        dataset_pb2.UploadDatasetRequest(chunk=chunk),
    ]
    for parts, why in (
        (beginning, "FIELD_INVALID"),
        ([*beginning, dataset_pb2.UploadDatasetRequest(finish=finish)], "CHECKSUM_MISMATCH"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await acme.datasets.UploadDataset(iter(parts), metadata=acme.metadata)
        assert reason(caught.value) == why
    with pytest.raises(grpc.aio.AioRpcError, match="does not exist"):
        await acme.datasets.GetDataset(
            dataset_pb2.GetDatasetRequest(name="tenants/acme/datasets/half"),
            metadata=acme.metadata,
        )


async def test_what_was_uploaded_comes_back_byte_for_byte(acme: Caller):
    call = acme.datasets.DownloadDataset(
        dataset_pb2.DownloadDatasetRequest(name="tenants/acme/datasets/numbers"),
        metadata=acme.metadata,
    )
    assert b"".join([response.data async for response in call]) == jsonl(ROWS)


async def test_a_dataset_in_use_stays_and_an_unused_one_goes(acme: Caller):
    await acme.upload(jsonl(ROWS), id="spare")
    await acme.create(training_dataset="numbers")
    for id, gone in (("numbers", False), ("spare", True)):
        request = dataset_pb2.DeleteDatasetRequest(name=f"tenants/acme/datasets/{id}")
        if gone:
            await acme.datasets.DeleteDataset(request, metadata=acme.metadata)
        else:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await acme.datasets.DeleteDataset(request, metadata=acme.metadata)
            assert reason(caught.value) == "RESOURCE_IN_USE"


async def test_every_format_is_taken_and_named(acme: Caller):
    text = "prompt,completion\n" + "".join(f'"{i}"," {i}"\n' for i in range(5))
    packed = gzip.compress(text.encode("utf-16"))
    dataset = await acme.upload(packed, id="table", file_name="t.csv.gz")
    assert dataset.state == dataset_pb2.DATASET_STATE_READY
    assert dataset.format == dataset_pb2.DATASET_FORMAT_CSV
    assert dataset.example_count == 5


async def test_the_same_bytes_read_as_another_format_are_a_new_version(acme: Caller):
    content = b'{"prompt":"a","completion":"b"}\n'
    first = await acme.upload(content, id="twice")
    assert first.format == dataset_pb2.DATASET_FORMAT_JSONL
    told = dataset_pb2.DATASET_FORMAT_TXT
    second = await acme.upload(content, id="twice", format=told)
    assert (second.version_number, second.format) == (2, told)
    assert (await acme.upload(content, id="twice", format=told)).version_number == 2


async def test_a_hostile_file_name_is_only_kept(acme: Caller):
    name = "../../../etc/" + "\u2024" * 300 + "/C:\\x.csv"
    dataset = await acme.upload(jsonl(ROWS), id="named", file_name=name)
    assert dataset.file_name == name
    assert dataset.format == dataset_pb2.DATASET_FORMAT_JSONL
