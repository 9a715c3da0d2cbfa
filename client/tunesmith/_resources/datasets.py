"""Datasets: bring in, read, fetch, delete."""

import io
import os
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO

from tunesmith import _names
from tunesmith._resources.pages import paged
from tunesmith._resources.transfers import Download, Progress, Upload
from tunesmith._resources.values import choice, choices
from tunesmith._transport import Calls
from tunesmith.v1 import common_pb2
from tunesmith.v1 import dataset_pb2 as pb
from tunesmith.v1 import dataset_pb2_grpc as rpc

Source = str | os.PathLike[str] | bytes | BinaryIO
FORMATS = choices(pb.DatasetFormat, "DATASET_FORMAT_")


class Datasets:
    """The datasets of a tenant. A name is `tickets` or `tenants/acme/datasets/tickets`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = rpc.DatasetServiceStub(calls.transport.channel)

    async def upload(
        self,
        source: Source,
        *,
        id: str = "",
        display_name: str = "",
        labels: Mapping[str, str] | None = None,
        file_name: str = "",
        format: str = "",
        parent: str = "",
        resume: bool = True,
        request_id: str = "",
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
            resume: go on by itself after a lost connection, where the service has come to. A pipe
                cannot: it is read once.
            request_id: a UUID of an upload that broke off, to go on with it; everything else must
                be as it was then. The service keeps what has arrived for a day.
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
                format=choice("format", format or 0, FORMATS),
                size_bytes=_size(file),
                request_id=request_id or str(uuid.uuid4()),
            )
            upload = Upload(self._calls, self._stub, file, header, on_progress)
            return await upload.run(begun=bool(request_id), resume=resume)
        finally:
            if opened:
                file.close()

    async def import_from(
        self,
        uri: str,
        *,
        id: str = "",
        sha256: str = "",
        parent: str = "",
        validate_only: bool = False,
    ) -> pb.Dataset:
        """Have the service fetch a file itself: `file:`, `https:` or `s3:`, as it allows.

        Args:
            uri: where the file is.
            id: the dataset's id; one that exists gets a new version. The service chooses if empty.
            sha256: that the file must have, in hex.
            parent: the tenant, if not the key's own.
            validate_only: only look whether the file is there and fits.
        """
        request = pb.ImportDatasetRequest(
            parent=_names.tenant(parent),
            dataset_id=id,
            uri=uri,
            sha256=sha256,
            validate_only=validate_only,
        )
        # as long as it takes: the service bounds it
        return (await self._calls.unary(self._stub.ImportDataset, request, None)).dataset

    async def get(self, name: str, *, version: str | int = "") -> pb.Dataset:
        """Read a dataset: its current version, or the one of a number or digest."""
        request = pb.GetDatasetRequest(name=_names.dataset(name), version=str(version))
        return (await self._calls.unary(self._stub.GetDataset, request)).dataset

    def versions(self, name: str) -> AsyncGenerator[pb.Dataset, None]:
        """Every version of a dataset, newest first."""
        request = pb.ListDatasetVersionsRequest(parent=_names.dataset(name))
        return paged(
            self._calls, self._stub.ListDatasetVersions, request, lambda page: page.versions
        )

    def descendants(self, name: str) -> AsyncGenerator[str, None]:
        """Names of the models that were made with any version of a dataset, newest first."""
        request = pb.ListDescendantsRequest(parent=_names.dataset(name))
        return paged(self._calls, self._stub.ListDescendants, request, lambda page: page.models)

    async def download(
        self,
        name: str,
        to: str | os.PathLike[str] | BinaryIO,
        *,
        version: str | int = "",
        on_progress: Progress | None = None,
    ) -> pb.Dataset:
        """Fetch the bytes of a version, as uploaded; the version.

        Goes on by itself after a lost connection. A path gets all of it or nothing: what has come
        is in `to` + `.part` until the digest is right, and another download goes on from there.

        Args:
            name: the dataset.
            to: a path, which is written over, or a file opened for writing bytes.
            version: its number or digest; the current one if empty.
            on_progress: called with the bytes that have come and the bytes in all.
        """
        dataset = await self.get(name, version=version)
        await Download(self._calls, self._stub, dataset, on_progress).run(to)
        return dataset

    def list(self, *, filter: str = "", parent: str = "") -> AsyncGenerator[pb.Dataset, None]:
        """Every dataset, newest first; `filter` is over `state` and `labels.KEY`."""
        request = pb.ListDatasetsRequest(parent=_names.tenant(parent), filter=filter)
        return paged(self._calls, self._stub.ListDatasets, request, lambda page: page.datasets)

    async def delete(self, name: str) -> None:
        """Delete a dataset with all its versions."""
        request = pb.DeleteDatasetRequest(name=_names.dataset(name))
        await self._calls.unary(self._stub.DeleteDataset, request)

    async def statistics(
        self, name: str, *, base_model: str = "", version: str | int = ""
    ) -> Sequence[pb.TokenStatistics]:
        """How many tokens a version is, for each listed base model or for one.

        Counting goes on in the background: `analysis` of each tells how far it is. A base model
        that is named is counted if it was not yet.
        """
        request = pb.GetDatasetStatisticsRequest(
            name=_names.dataset(name), base_model=base_model, version=str(version)
        )
        return (await self._calls.unary(self._stub.GetDatasetStatistics, request)).statistics

    async def prepare(
        self,
        name: str,
        *,
        fixes: Sequence[str] = (),
        all_fixes: bool = False,
        version: str | int = "",
        request_id: str = "",
        validate_only: bool = False,
    ) -> pb.PrepareDatasetResponse:
        """Propose what would mend a dataset, in the order in which it applies, with samples.

        With `fixes` (codes) or `all_fixes` it is done, and the dataset gets a new version: the
        necessary ones always, with `all_fixes` those that are recommended.
        """
        request = pb.PrepareDatasetRequest(
            name=_names.dataset(name),
            fixes=fixes,
            all_fixes=all_fixes,
            version=str(version),
            request_id=request_id,
            validate_only=validate_only,
        )
        # as long as it takes: every row is looked at, more than once
        return await self._calls.unary(self._stub.PrepareDataset, request, None)

    async def split(
        self,
        name: str,
        *,
        validation_share: float = 0,
        seed: int = 42,
        group_by: str = "",
        unstratified: bool = False,
        training_id: str = "",
        validation_id: str = "",
        version: str | int = "",
        request_id: str = "",
        validate_only: bool = False,
    ) -> pb.SplitDatasetResponse:
        """Split a dataset into one for training and one for validation.

        Args:
            name: the dataset.
            validation_share: of the rows; 0 for a fifth, but at most a thousand rows.
            seed: the same seed and rows give the same split.
            group_by: a JSON pointer into the row: rows of the same value stay together.
            unstratified: do not keep the share of each class.
            training_id: of the dataset for training; `NAME-train` if empty.
            validation_id: of the dataset for validation; `NAME-valid` if empty.
            version: digest or number; the current one if empty.
            request_id: a UUID that makes a repeat safe; the client makes one if empty.
            validate_only: check everything and change nothing.
        """
        request = pb.SplitDatasetRequest(
            name=_names.dataset(name),
            validation_share=validation_share,
            seed=seed,
            group_by=group_by,
            unstratified=unstratified,
            training_dataset_id=training_id,
            validation_dataset_id=validation_id,
            version=str(version),
            request_id=request_id,
            validate_only=validate_only,
        )
        return await self._calls.unary(self._stub.SplitDataset, request, None)

    async def validate(
        self, name: str, *, version: str | int = ""
    ) -> AsyncGenerator[common_pb2.Finding, None]:
        """Every finding that is kept of a version: the current one, unless one is named."""
        request = pb.ValidateDatasetRequest(name=_names.dataset(name), version=str(version))
        async with aclosing(self._calls.stream(self._stub.ValidateDataset, request)) as responses:
            async for response in responses:
                for finding in response.findings:
                    yield finding


def _opened(source: Source) -> tuple[BinaryIO, bool]:
    if isinstance(source, bytes):
        return io.BytesIO(source), True
    if isinstance(source, str | os.PathLike):
        return Path(source).open("rb"), True
    return source, False


def _file_name(source: Source) -> str:
    if isinstance(source, bytes):
        return ""
    name = source if isinstance(source, str | os.PathLike) else getattr(source, "name", "")
    return Path(name).name if isinstance(name, str | os.PathLike) else ""


def _size(file: BinaryIO) -> int:
    """What is left to read; 0 if it cannot be known, as of a pipe."""
    if not file.seekable():
        return 0
    here = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(here)
    return end - here
