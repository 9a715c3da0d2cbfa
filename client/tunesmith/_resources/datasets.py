"""Datasets: upload, read, delete."""

import hashlib
import io
import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO

from tunesmith import _names
from tunesmith._resources.pages import paged
from tunesmith._transport import Calls
from tunesmith.v1 import common_pb2
from tunesmith.v1 import dataset_pb2 as pb
from tunesmith.v1 import dataset_pb2_grpc as rpc

CHUNK = 1 << 20
_FORMATS = ("jsonl", "json", "csv", "tsv", "xlsx", "txt")
Progress = Callable[[int, int], object]


class Datasets:
    """The datasets of a tenant. A name is `tickets` or `tenants/acme/datasets/tickets`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = rpc.DatasetServiceStub(calls.transport.channel)

    async def upload(
        self,
        source: str | os.PathLike[str] | bytes | BinaryIO,
        *,
        id: str = "",
        display_name: str = "",
        labels: Mapping[str, str] | None = None,
        file_name: str = "",
        format: str = "",
        parent: str = "",
        on_progress: Progress | None = None,
    ) -> pb.Dataset:
        """Upload a file and have it checked; the dataset is READY, or INVALID with `findings`.

        Args:
            source: a path, the bytes themselves, or a file opened for reading bytes.
            id: the dataset's id; one that exists gets a new version. The service chooses if empty.
            display_name: for people.
            labels: key/value pairs for selection.
            file_name: shown to people; that of `source` if empty.
            format: "jsonl", "json", "csv", "tsv", "xlsx" or "txt"; detected if empty. Any may be
                packed by gzip.
            parent: the tenant, if not the key's own.
            on_progress: called with the bytes sent and the bytes in all (0 if not known), now and
                then, maybe on another thread.
        """
        file, opened = await self._calls.transport.blocking(_opened, source)
        try:
            header = pb.UploadHeader(
                parent=_names.tenant(parent),
                dataset_id=id,
                display_name=display_name,
                labels=labels or {},
                file_name=file_name or _file_name(source),
                format=_format(format),
                size_bytes=_size(file),
                request_id=str(uuid.uuid4()),
            )
            parts = _Parts(self._calls, file, header, on_progress or (lambda sent, total: None))
            try:
                response = await self._calls.send(self._stub.UploadDataset, aiter(parts))
            finally:
                if parts.error:  # that is why the upload broke off
                    raise parts.error
            return response.dataset
        finally:
            if opened:
                file.close()

    async def get(self, name: str) -> pb.Dataset:
        """Read a dataset."""
        request = pb.GetDatasetRequest(name=_names.dataset(name))
        return (await self._calls.unary(self._stub.GetDataset, request)).dataset

    def list(self, *, filter: str = "", parent: str = "") -> AsyncGenerator[pb.Dataset, None]:
        """Every dataset, newest first; `filter` is over `state` and `labels.KEY`."""
        request = pb.ListDatasetsRequest(parent=_names.tenant(parent), filter=filter)
        return paged(self._calls, self._stub.ListDatasets, request, lambda page: page.datasets)

    async def delete(self, name: str) -> None:
        """Delete a dataset with all its versions."""
        request = pb.DeleteDatasetRequest(name=_names.dataset(name))
        await self._calls.unary(self._stub.DeleteDataset, request)

    async def statistics(
        self, name: str, *, base_model: str = "", version: str = ""
    ) -> Sequence[pb.TokenStatistics]:
        """How many tokens a version is, for each listed base model or for one.

        Counting goes on in the background: `analysis` of each tells how far it is. A base model
        that is named is counted if it was not yet.
        """
        request = pb.GetDatasetStatisticsRequest(
            name=_names.dataset(name), base_model=base_model, version=version
        )
        return (await self._calls.unary(self._stub.GetDatasetStatistics, request)).statistics

    async def validate(self, name: str) -> AsyncGenerator[common_pb2.Finding, None]:
        """Every finding that is kept of the newest version."""
        request = pb.ValidateDatasetRequest(name=_names.dataset(name))
        async with aclosing(self._calls.stream(self._stub.ValidateDataset, request)) as responses:
            async for response in responses:
                for finding in response.findings:
                    yield finding


class _Parts:
    """An upload as the contract wants it: a header, chunks in order, the digest of the whole."""

    def __init__(
        self, calls: Calls, file: BinaryIO, header: pb.UploadHeader, on_progress: Progress
    ) -> None:
        self.error: Exception | None = None
        self._calls, self._file, self._header = calls, file, header
        self._on_progress = on_progress

    async def __aiter__(self) -> AsyncIterator[pb.UploadDatasetRequest]:
        # An error here would reach the caller as a cancellation. It is kept, and the upload ends
        # without its finish, which no service takes for a whole file.
        try:
            yield pb.UploadDatasetRequest(header=self._header)
            digest, offset = hashlib.sha256(), 0
            while data := await self._calls.transport.blocking(self._file.read, CHUNK):
                digest.update(data)
                yield pb.UploadDatasetRequest(chunk=pb.UploadChunk(offset=offset, data=data))
                offset += len(data)
                self._on_progress(offset, self._header.size_bytes)
            yield pb.UploadDatasetRequest(finish=pb.UploadFinish(sha256=digest.hexdigest()))
        except Exception as error:
            self.error = error


def _opened(source: str | os.PathLike[str] | bytes | BinaryIO) -> tuple[BinaryIO, bool]:
    if isinstance(source, bytes):
        return io.BytesIO(source), True
    if isinstance(source, str | os.PathLike):
        return Path(source).open("rb"), True
    return source, False


def _file_name(source: str | os.PathLike[str] | bytes | BinaryIO) -> str:
    if isinstance(source, bytes):
        return ""
    name = source if isinstance(source, str | os.PathLike) else getattr(source, "name", "")
    return Path(name).name if isinstance(name, str | os.PathLike) else ""


def _format(name: str) -> pb.DatasetFormat:
    """The format of that name. Raises ValueError."""
    if not name:
        return pb.DATASET_FORMAT_UNSPECIFIED
    if name.lower() not in _FORMATS:
        raise ValueError(f"format is {name!r}; it can be {', '.join(_FORMATS)}")
    number: pb.DatasetFormat = getattr(pb, f"DATASET_FORMAT_{name.upper()}")
    return number


def _size(file: BinaryIO) -> int:
    """What is left to read; 0 if it cannot be known, as of a pipe."""
    if not file.seekable():
        return 0
    here = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(here)
    return end - here
