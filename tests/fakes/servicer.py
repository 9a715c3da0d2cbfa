"""A Tunesmith service that keeps everything in memory and fails when told to: for client tests.

A real gRPC server on a free port, in this process. `Faults` say what goes wrong; `FakeService`
remembers what arrived.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from tunesmith.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    common_pb2,
    dataset_pb2,
    dataset_pb2_grpc,
    event_pb2,
    fine_tune_pb2,
    fine_tune_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    tenant_pb2,
    tenant_pb2_grpc,
)

KEY = "sk-ts-fake"
Context = grpc.aio.ServicerContext[Any, Any]


@dataclass
class Faults:
    """What goes wrong, and how often."""

    fail: dict[str, list[status_pb2.Status]] = field(default_factory=dict)
    """By method: the statuses that its next calls end with."""
    drop_answer: dict[str, int] = field(default_factory=dict)
    """By method: of how many calls the effect happens and the answer is lost."""
    cut_watch_after: int = 0
    """End each watch with UNAVAILABLE after so many events; 0 for never."""
    close_watch_after: int = 0
    """End each watch with a closing frame after so many events; 0 for never."""
    cut_code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    cuts: int = 10_000
    repeat_events: bool = False
    """Send the event before the cursor again: a service that does not keep its promise."""
    hang_watch: bool = False
    """Send the snapshot and then nothing."""


@dataclass
class FakeService:
    """A service with one tenant, acme."""

    faults: Faults = field(default_factory=Faults)
    calls: Counter[str] = field(default_factory=Counter)
    requests: list[Message] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    datasets: dict[str, dataset_pb2.Dataset] = field(default_factory=dict)
    chunks: list[dataset_pb2.UploadChunk] = field(default_factory=list)
    runs: dict[str, fine_tune_pb2.FineTune] = field(default_factory=dict)
    by_request_id: dict[str, fine_tune_pb2.FineTune] = field(default_factory=dict)
    events: list[event_pb2.Event] = field(default_factory=list)
    rows: list[fine_tune_pb2.ResultRow] = field(default_factory=list)
    findings: list[common_pb2.Finding] = field(default_factory=list)
    watches_open: int = 0
    address: str = ""

    async def arrived(self, method: str, request: Message | None, context: Context) -> None:
        """Count the call; fail it if it is its turn."""
        self.calls[method] += 1
        self.metadata = {k: str(v) for k, v in context.invocation_metadata() or ()}
        if request is not None:
            copy = type(request)()
            copy.CopyFrom(request)
            self.requests.append(copy)
        if self.faults.fail.get(method):
            await end_with(context, self.faults.fail[method].pop(0))
        if self.metadata.get("authorization") != f"Bearer {KEY}":
            await end_with(context, a_status(code_pb2.UNAUTHENTICATED, "no key", "UNAUTHENTICATED"))

    async def answers(self, method: str, context: Context) -> None:
        """Lose the answer, if it is its turn."""
        if self.faults.drop_answer.get(method, 0) > 0:
            self.faults.drop_answer[method] -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count the watches that are open."""
        self.watches_open += 1
        try:
            yield
        finally:
            self.watches_open -= 1


def a_status(code: int, message: str, reason: str, *details: Message) -> status_pb2.Status:
    """A status as the service makes it."""
    status = status_pb2.Status(code=code, message=message)
    info = error_details_pb2.ErrorInfo(reason=reason, domain="tunesmith.dev", metadata={"k": "v"})
    for detail in (info, *details):
        status.details.add().Pack(detail)
    return status


async def end_with(context: Context, status: status_pb2.Status) -> None:
    """End the call with this status."""
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    details = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(code, status.message, details if status.details else ())


def not_found(name: str) -> status_pb2.Status:
    """The status for a name that is not there."""
    info = error_details_pb2.ResourceInfo(resource_name=name)
    return a_status(code_pb2.NOT_FOUND, f"{name} does not exist", "RESOURCE_NOT_FOUND", info)


def own(name: str) -> str:
    """The full name for one in the caller's own tenant."""
    return name.replace("tenants/-", "tenants/acme", 1)


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


class _FineTunes(fine_tune_pb2_grpc.FineTuneServiceServicer):
    def __init__(self, service: FakeService) -> None:
        self.service = service

    async def CreateFineTune(self, request: Any, context: Context) -> Any:
        await self.service.arrived("CreateFineTune", request, context)
        run = self.service.by_request_id.get(request.request_id)
        if run is None:
            id = request.fine_tune_id or f"r{len(self.service.runs) + 1}"
            run = fine_tune_pb2.FineTune(
                name=f"tenants/acme/fineTunes/{id}", spec=request.fine_tune.spec
            )
            run.status.state = common_pb2.FINE_TUNE_STATE_QUEUED
            if not request.validate_only:
                self.service.runs[run.name] = run
                self.service.by_request_id[request.request_id] = run
        await self.service.answers("CreateFineTune", context)
        return fine_tune_pb2.CreateFineTuneResponse(fine_tune=run)

    async def GetFineTune(self, request: Any, context: Context) -> Any:
        await self.service.arrived("GetFineTune", request, context)
        run = self.service.runs.get(own(request.name))
        if run is None:
            await end_with(context, not_found(own(request.name)))
        return fine_tune_pb2.GetFineTuneResponse(fine_tune=run)

    async def ListFineTunes(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListFineTunes", request, context)
        runs = list(self.service.runs.values())
        start = int(request.page_token or 0)
        size = min(request.page_size or 50, 3)  # fewer may come than were asked for
        more = start + size < len(runs)
        return fine_tune_pb2.ListFineTunesResponse(
            fine_tunes=runs[start : start + size],
            next_page_token=str(start + size) if more else "",
        )

    async def CancelFineTune(self, request: Any, context: Context) -> Any:
        await self.service.arrived("CancelFineTune", request, context)
        run = self.service.runs[own(request.name)]
        run.status.state = common_pb2.FINE_TUNE_STATE_CANCELLED
        return fine_tune_pb2.CancelFineTuneResponse(fine_tune=run)

    async def ListFineTuneEvents(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListFineTuneEvents", request, context)
        return fine_tune_pb2.ListFineTuneEventsResponse(events=self.service.events)

    async def GetResults(self, request: Any, context: Context) -> AsyncIterator[Any]:
        await self.service.arrived("GetResults", request, context)
        for row in self.service.rows:
            yield fine_tune_pb2.GetResultsResponse(rows=[row])

    async def WatchFineTune(self, request: Any, context: Context) -> AsyncIterator[Any]:
        await self.service.arrived("WatchFineTune", request, context)
        faults, sent, batch = self.service.faults, 0, 3
        seen = int(request.cursor.removeprefix("c") or 0)
        events = self.service.events
        with self.service.watching():
            snapshot = self.service.runs.get(own(request.name), fine_tune_pb2.FineTune(name="x"))
            yield fine_tune_pb2.WatchFineTuneResponse(snapshot=snapshot, cursor=f"c{seen}")
            if faults.hang_watch:
                await asyncio.sleep(3600)
            if faults.repeat_events:
                seen = max(0, seen - 1)
            while seen < len(events):
                limit = faults.cut_watch_after or faults.close_watch_after or len(events)
                if sent >= limit and faults.cuts > 0:
                    faults.cuts -= 1
                    if faults.close_watch_after:
                        closing = fine_tune_pb2.WatchClosing(reason="draining")
                        yield fine_tune_pb2.WatchFineTuneResponse(
                            closing=closing, cursor=f"c{seen}"
                        )
                        return
                    await context.abort(faults.cut_code, "Socket closed")
                upto = min(len(events), seen + min(batch, max(1, limit - sent)))
                yield fine_tune_pb2.WatchFineTuneResponse(
                    events=events[seen:upto], cursor=f"c{upto}"
                )
                sent, seen = sent + upto - seen, upto


class _Datasets(dataset_pb2_grpc.DatasetServiceServicer):
    def __init__(self, service: FakeService) -> None:
        self.service = service

    async def UploadDataset(self, request_iterator: Any, context: Context) -> Any:
        await self.service.arrived("UploadDataset", None, context)
        header, digest, size, finished = dataset_pb2.UploadHeader(), hashlib.sha256(), 0, False
        async for request in request_iterator:
            match request.WhichOneof("part"):
                case "header":
                    header = request.header
                    self.service.requests.append(header)
                case "chunk":
                    assert request.chunk.offset == size
                    digest.update(request.chunk.data)
                    size += len(request.chunk.data)
                    self.service.chunks.append(request.chunk)
                case "finish":
                    assert request.finish.sha256 == digest.hexdigest()
                    finished = True
        if not finished:
            await end_with(context, a_status(code_pb2.INVALID_ARGUMENT, "broke off", "X"))
        invalid = bool(self.service.findings)
        dataset = dataset_pb2.Dataset(
            name=f"{own(header.parent)}/datasets/{header.dataset_id or 'd1'}",
            state=dataset_pb2.DATASET_STATE_INVALID if invalid else dataset_pb2.DATASET_STATE_READY,
            digest=digest.hexdigest(),
            size_bytes=size,
            file_name=header.file_name,
            findings=self.service.findings[:1],
        )
        self.service.datasets[dataset.name] = dataset
        return dataset_pb2.UploadDatasetResponse(dataset=dataset)

    async def GetDataset(self, request: Any, context: Context) -> Any:
        await self.service.arrived("GetDataset", request, context)
        dataset = self.service.datasets.get(own(request.name))
        if dataset is None:
            await end_with(context, not_found(own(request.name)))
        return dataset_pb2.GetDatasetResponse(dataset=dataset)

    async def ListDatasets(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListDatasets", request, context)
        return dataset_pb2.ListDatasetsResponse(datasets=self.service.datasets.values())

    async def ValidateDataset(self, request: Any, context: Context) -> AsyncIterator[Any]:
        await self.service.arrived("ValidateDataset", request, context)
        for finding in self.service.findings:
            yield dataset_pb2.ValidateDatasetResponse(findings=[finding])


class _Models(model_pb2_grpc.ModelServiceServicer):
    def __init__(self, service: FakeService) -> None:
        self.service = service

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


class _Tenants(tenant_pb2_grpc.TenantServiceServicer):
    def __init__(self, service: FakeService) -> None:
        self.service = service

    async def WhoAmI(self, request: Any, context: Context) -> Any:
        await self.service.arrived("WhoAmI", request, context)
        return tenant_pb2.WhoAmIResponse(
            principal="key-1", tenant="tenants/acme", role=tenant_pb2.ROLE_EDITOR
        )

    async def CreateApiKey(self, request: Any, context: Context) -> Any:
        await self.service.arrived("CreateApiKey", request, context)
        key = tenant_pb2.ApiKey(name=f"{request.parent}/apiKeys/k1", role=request.api_key.role)
        return tenant_pb2.CreateApiKeyResponse(api_key=key, secret="sk-ts-secret")


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
    fine_tune_pb2_grpc.add_FineTuneServiceServicer_to_server(_FineTunes(service), server)
    dataset_pb2_grpc.add_DatasetServiceServicer_to_server(_Datasets(service), server)
    model_pb2_grpc.add_ModelServiceServicer_to_server(_Models(service), server)
    tenant_pb2_grpc.add_TenantServiceServicer_to_server(_Tenants(service), server)
    catalog_pb2_grpc.add_CatalogServiceServicer_to_server(_Catalogue(service), server)
    port = server.add_insecure_port(address)
    service.address = f"127.0.0.1:{port}"
    await server.start()
    try:
        yield service
    finally:
        await server.stop(None)
