"""The datasets of the fake service."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import google_crc32c
import grpc
from google.rpc import code_pb2
from tunesmith.v1 import dataset_pb2, dataset_pb2_grpc

from tests.fakes.service import (
    Context,
    FakeService,
    a_status,
    end_with,
    not_found,
    one_page,
    own,
)


class Datasets(dataset_pb2_grpc.DatasetServiceServicer):
    """Datasets and their versions; what a preparation proposes is for the test to say."""

    def __init__(self, service: FakeService) -> None:
        self.service = service

    def _added(self, name: str, content: bytes, *, keep: bool = True, **more: Any) -> Any:
        """The next version of a dataset."""
        versions = self.service.versions.get(name, [])
        invalid = bool(self.service.findings)
        dataset = dataset_pb2.Dataset(
            name=name,
            state=dataset_pb2.DATASET_STATE_INVALID if invalid else dataset_pb2.DATASET_STATE_READY,
            digest=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            version_number=len(versions) + 1,
            findings=self.service.findings[:1],
            **more,
        )
        if keep:
            self.service.versions[name] = [dataset, *versions]
            self.service.datasets[name] = dataset
            self.service.content[dataset.digest] = content
        return dataset

    async def UploadDataset(self, request_iterator: Any, context: Context) -> Any:
        await self.service.arrived("UploadDataset", None, context)
        header, finished, cut = dataset_pb2.UploadHeader(), False, 0
        content = bytearray()
        if self.service.faults.cut_upload_after:
            cut = self.service.faults.cut_upload_after.pop(0)
        async for request in request_iterator:
            match request.WhichOneof("part"):
                case "header":
                    header = request.header
                    self.service.requests.append(header)
                    content = self.service.uploads.setdefault(header.request_id, bytearray())
                case "chunk":
                    assert request.chunk.offset == len(content)
                    assert request.chunk.crc32c == google_crc32c.value(request.chunk.data)
                    content += request.chunk.data
                    self.service.chunks.append(request.chunk)
                    cut -= 1
                    if cut == 0:
                        await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
                case "finish":
                    assert request.finish.sha256 == hashlib.sha256(content).hexdigest()
                    finished = True
        if not finished:
            await end_with(context, a_status(code_pb2.INVALID_ARGUMENT, "broke off", "X"))
        dataset = self._added(
            f"{own(header.parent)}/datasets/{header.dataset_id or 'd1'}",
            bytes(content),
            file_name=header.file_name,
        )
        return dataset_pb2.UploadDatasetResponse(dataset=dataset)

    async def GetUpload(self, request: Any, context: Context) -> Any:
        await self.service.arrived("GetUpload", request, context)
        content = self.service.uploads.get(request.request_id)
        if content is None:
            await end_with(context, not_found(f"tenants/acme/uploads/{request.request_id}"))
        return dataset_pb2.GetUploadResponse(offset=len(content or b""))

    async def DownloadDataset(self, request: Any, context: Context) -> AsyncIterator[Any]:
        await self.service.arrived("DownloadDataset", request, context)
        content = self.service.content[request.version][request.offset :]
        for start in range(0, len(content), 1000):
            if start and self.service.faults.cut_downloads:
                self.service.faults.cut_downloads -= 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
            yield dataset_pb2.DownloadDatasetResponse(data=content[start : start + 1000])

    async def GetDataset(self, request: Any, context: Context) -> Any:
        await self.service.arrived("GetDataset", request, context)
        dataset = await self._version(request.name, request.version, context)
        return dataset_pb2.GetDatasetResponse(dataset=dataset)

    async def _version(self, name: str, version: str, context: Context) -> Any:
        """The version of a number or digest, or the current one."""
        name = own(name)
        found = self.service.datasets.get(name)
        if version and found and version != found.digest:
            versions = self.service.versions[name]
            ids = [(each.digest, str(each.version_number)) for each in versions]
            found = next((v for v, id in zip(versions, ids, strict=True) if version in id), None)
        if found is None:
            await end_with(context, not_found(name))
        return found

    async def ImportDataset(self, request: Any, context: Context) -> Any:
        def effect() -> Any:
            dataset = self._added(
                f"{own(request.parent)}/datasets/{request.dataset_id or 'd1'}",
                self.service.elsewhere[request.uri],
                keep=not request.validate_only,
                file_name=request.uri.rpartition("/")[2],
            )
            return dataset_pb2.ImportDatasetResponse(dataset=dataset)

        return await self.service.once("ImportDataset", request, context, effect)

    async def ListDatasetVersions(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListDatasetVersions", request, context)
        page, more = one_page(self.service.versions[own(request.parent)], request)
        return dataset_pb2.ListDatasetVersionsResponse(versions=page, next_page_token=more)

    async def ListDescendants(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListDescendants", request, context)
        page, more = one_page(self.service.descendants, request)
        return dataset_pb2.ListDescendantsResponse(models=page, next_page_token=more)

    async def PrepareDataset(self, request: Any, context: Context) -> Any:
        source = await self._version(request.name, request.version, context)

        def effect() -> Any:
            answer = dataset_pb2.PrepareDatasetResponse()
            answer.CopyFrom(self.service.proposal)
            if request.fixes or request.all_fixes:
                for fix in answer.fixes:
                    fix.applied = fix.necessary or request.all_fixes or fix.code in request.fixes
                mended = self.service.content[source.digest] + b"mended\n"
                answer.dataset.CopyFrom(
                    self._added(source.name, mended, parent_digest=source.digest)
                )
            return answer

        return await self.service.once("PrepareDataset", request, context, effect)

    async def SplitDataset(self, request: Any, context: Context) -> Any:
        source = await self._version(request.name, request.version, context)
        ids = (request.training_dataset_id, request.validation_dataset_id)

        def effect() -> Any:
            sides = [
                self._added(
                    f"{source.name.rpartition('/')[0]}/{id}" if id else f"{source.name}-{kind}",
                    f"{kind} of {source.digest}".encode(),
                    parent_digest=source.digest,
                )
                for id, kind in zip(ids, ("train", "valid"), strict=True)
            ]
            return dataset_pb2.SplitDatasetResponse(training=sides[0], validation=sides[1])

        return await self.service.once("SplitDataset", request, context, effect)

    async def ListDatasets(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListDatasets", request, context)
        return dataset_pb2.ListDatasetsResponse(datasets=self.service.datasets.values())

    async def GetDatasetStatistics(self, request: Any, context: Context) -> Any:
        await self.service.arrived("GetDatasetStatistics", request, context)
        found = self.service.statistics
        # one look after the other, the last of them again and again
        return dataset_pb2.GetDatasetStatisticsResponse(
            statistics=found.pop(0) if len(found) > 1 else found[0]
        )

    async def ValidateDataset(self, request: Any, context: Context) -> AsyncIterator[Any]:
        await self.service.arrived("ValidateDataset", request, context)
        for finding in self.service.findings:
            yield dataset_pb2.ValidateDatasetResponse(findings=[finding])
