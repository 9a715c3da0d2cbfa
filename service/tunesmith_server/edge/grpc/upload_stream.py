"""The stream of an upload: a header, pieces, an end."""

from collections.abc import AsyncIterator

import google_crc32c
from tunesmith.v1 import dataset_pb2 as pb

from tunesmith_server.app.uploads import Piece
from tunesmith_server.domain.errors import ChecksumMismatch, FieldViolation, InvalidArgument


async def header_of(requests: AsyncIterator[pb.UploadDatasetRequest]) -> pb.UploadHeader:
    """What comes first, or InvalidArgument."""
    first = await anext(aiter(requests), None)
    if first is None or first.WhichOneof("part") != "header":
        raise InvalidArgument.of("header", "an upload begins with a header")
    return first.header


class Parts:
    """What comes after the header. `sha256` is that of the finish, once all was read."""

    def __init__(self, requests: AsyncIterator[pb.UploadDatasetRequest]) -> None:
        self._requests = requests
        self._finished = False
        self.sha256 = ""

    def __aiter__(self) -> AsyncIterator[Piece]:
        return self

    async def __anext__(self) -> Piece:
        # no generator: one that is cancelled while it waits for a request cannot be asked again
        async for request in self._requests:
            match request.WhichOneof("part"):
                case "chunk" if not self._finished:
                    return _piece(request.chunk)
                case "finish" if not self._finished:
                    self._finished, self.sha256 = True, request.finish.sha256
                case part:
                    raise InvalidArgument.of(str(part), "is out of place in the upload")
        if not self._finished:
            raise InvalidArgument.of("finish", "the upload broke off: it ends with a finish")
        raise StopAsyncIteration


def _piece(chunk: pb.UploadChunk) -> Piece:
    """ChecksumMismatch unless the bytes have the checksum that came with them."""
    data = chunk.data  # once: each look at it makes a copy
    if chunk.HasField("crc32c") and (found := google_crc32c.value(data)) != chunk.crc32c:
        raise ChecksumMismatch(
            [
                FieldViolation(
                    "chunk.crc32c",
                    f"is {chunk.crc32c:08x}, but the {len(data)} bytes that arrived for "
                    f"offset {chunk.offset} have {found:08x}: send them again from there",
                )
            ]
        )
    return Piece(chunk.offset, data)
