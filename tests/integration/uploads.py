"""Uploads as their parts, which tests leave out or change."""

import hashlib
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import google_crc32c
from tunesmith.v1 import dataset_pb2 as pb

from tests.integration.calls import Caller

CHUNK = 256 * 1024
Request = pb.UploadDatasetRequest


def rows(size: int) -> bytes:
    """About so many bytes of good rows, no two alike."""
    line = '{{"prompt": "number {0}: even?\\n\\n###\\n\\n", "completion": " {1}"}}\n'
    length = len(line.format(0, True)) + 4
    return "".join(line.format(n, n % 2 == 0) for n in range(size // length)).encode()


def header(id: str, request_id: str = "", **more: Any) -> pb.UploadHeader:
    """The beginning; a new request_id unless there is one."""
    return pb.UploadHeader(
        parent="tenants/-", dataset_id=id, request_id=request_id or str(uuid.uuid4()), **more
    )


def chunks(content: bytes, start: int = 0, end: int | None = None) -> Iterator[Request]:
    """The bytes from `start` to `end`, with their checksums."""
    end = len(content) if end is None else end
    for offset in range(start, end, CHUNK):
        data = content[offset : min(offset + CHUNK, end)]
        chunk = pb.UploadChunk(offset=offset, data=data, crc32c=google_crc32c.value(data))
        yield Request(chunk=chunk)


def finish(content: bytes) -> Request:
    """The end."""
    return Request(finish=pb.UploadFinish(sha256=hashlib.sha256(content).hexdigest()))


async def send(caller: Caller, head: pb.UploadHeader, *parts: Request) -> pb.Dataset:
    """The dataset that these parts make."""

    async def all_of_it() -> AsyncIterator[Request]:
        yield Request(header=head)
        for part in parts:
            yield part

    sending = caller.datasets.UploadDataset(
        all_of_it(), metadata=caller.metadata, wait_for_ready=True
    )
    return (await sending).dataset


async def arrived(caller: Caller, request_id: str) -> int:
    """How much of an upload the service has."""
    request = pb.GetUploadRequest(parent="tenants/-", request_id=request_id)
    answer = await caller.datasets.GetUpload(request, metadata=caller.metadata, wait_for_ready=True)
    return int(answer.offset)
