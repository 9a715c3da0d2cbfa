"""A Tunesmith service that keeps everything in memory and fails when told to: for client tests.

A real gRPC server on a free port, in this process. `Faults` say what goes wrong; `FakeService`
remembers what arrived.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import google_crc32c
import grpc
from google.rpc import code_pb2
from tunesmith.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    common_pb2,
    dataset_pb2,
    dataset_pb2_grpc,
    event_pb2,
    fine_tune_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    tenant_pb2_grpc,
)

from tests.fakes.runs import FineTunes
from tests.fakes.service import (
    KEY,
    Context,
    FakeService,
    Faults,
    a_status,
    end_with,
    not_found,
    own,
)
from tests.fakes.sharing import Sharing
from tests.fakes.tenancy import Tenants

__all__ = [
    "KEY",
    "FakeService",
    "Faults",
    "a_status",
    "end_with",
    "not_found",
    "own",
    "serving",
    "some_events",
]


def some_events(count: int, run: str = "tenants/acme/fineTunes/r1") -> list[event_pb2.Event]:
    """Metrics, and at the end the state that ends a run."""
    made = [
        event_pb2.Event(
            run=run,
            sequence=number,
            message=f"Step {number}/{count}",
            metrics_reported=event_pb2.MetricsReported(
                step=number, values={"training_loss": 1 / number}
            ),
        )
        for number in range(1, count)
    ]
    over = event_pb2.StateChanged(to=common_pb2.FINE_TUNE_STATE_SUCCEEDED)
    last = event_pb2.Event(
        run=run, sequence=count, message="Fine-tune succeeded", state_changed=over
    )
    for event in (*made, last):
        event.time.FromSeconds(1_700_000_000 + event.sequence)
    return [*made, last]


class _Datasets(dataset_pb2_grpc.DatasetServiceServicer):
    def __init__(self, service: FakeService) -> None:
        self.service = service

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
        invalid = bool(self.service.findings)
        dataset = dataset_pb2.Dataset(
            name=f"{own(header.parent)}/datasets/{header.dataset_id or 'd1'}",
            state=dataset_pb2.DATASET_STATE_INVALID if invalid else dataset_pb2.DATASET_STATE_READY,
            digest=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            file_name=header.file_name,
            findings=self.service.findings[:1],
        )
        self.service.datasets[dataset.name] = dataset
        self.service.content[dataset.digest] = bytes(content)
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
        dataset = self.service.datasets.get(own(request.name))
        if dataset is None:
            await end_with(context, not_found(own(request.name)))
        return dataset_pb2.GetDatasetResponse(dataset=dataset)

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


class _Models(Sharing):
    async def Complete(self, request: Any, context: Context) -> Any:
        await self.service.arrived("Complete", request, context)
        return model_pb2.CompleteResponse(
            choices=[
                model_pb2.Choice(index=index, text=f"{prompt.text}!", finish_reason="stop")
                for index, prompt in enumerate(request.prompts)
            ]
        )

    async def StreamComplete(self, request: Any, context: Context) -> AsyncIterator[Any]:
        await self.service.arrived("StreamComplete", request, context)
        for character in request.request.prompts[0].text:
            yield model_pb2.StreamCompleteResponse(choices=[model_pb2.Choice(text=character)])


class _Catalogue(catalog_pb2_grpc.CatalogServiceServicer):
    def __init__(self, service: FakeService) -> None:
        self.service = service

    async def ListBaseModels(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListBaseModels", request, context)
        ada = catalog_pb2.BaseModel(name="baseModels/ada", licence="Apache-2.0")
        return catalog_pb2.ListBaseModelsResponse(base_models=[ada])


@asynccontextmanager
async def serving(service: FakeService, address: str = "127.0.0.1:0") -> AsyncIterator[FakeService]:
    """The service, taking calls."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    fine_tune_pb2_grpc.add_FineTuneServiceServicer_to_server(FineTunes(service), server)
    dataset_pb2_grpc.add_DatasetServiceServicer_to_server(_Datasets(service), server)
    model_pb2_grpc.add_ModelServiceServicer_to_server(_Models(service), server)
    tenant_pb2_grpc.add_TenantServiceServicer_to_server(Tenants(service), server)
    catalog_pb2_grpc.add_CatalogServiceServicer_to_server(_Catalogue(service), server)
    port = server.add_insecure_port(address)
    service.address = f"127.0.0.1:{port}"
    await server.start()
    try:
        yield service
    finally:
        await server.stop(None)
