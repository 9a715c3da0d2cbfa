"""A Tunesmith service that keeps everything in memory and fails when told to: for client tests.

A real gRPC server on a free port, in this process. `Faults` say what goes wrong; `FakeService`
remembers what arrived.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from tunesmith.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    common_pb2,
    dataset_pb2_grpc,
    event_pb2,
    fine_tune_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    tenant_pb2_grpc,
)

from tests.fakes.datasets import Datasets
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
    dataset_pb2_grpc.add_DatasetServiceServicer_to_server(Datasets(service), server)
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
