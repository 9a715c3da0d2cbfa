"""The gRPC port: servicers within their stages, health and reflection, started and drained."""

# mypy: disable-error-code="abstract"
# (what a servicer lacks is filled in by a decorator, which mypy does not follow)

import asyncio
import contextlib
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from tunesmith.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    dataset_pb2,
    dataset_pb2_grpc,
    fine_tune_pb2,
    fine_tune_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    runner_pb2,
    runner_pb2_grpc,
    tenant_pb2,
    tenant_pb2_grpc,
)

from tunesmith_server.app.authentication import Authenticator
from tunesmith_server.app.use_cases import UseCases
from tunesmith_server.domain.errors import Unavailable
from tunesmith_server.edge.grpc.catalogue import CatalogServicer
from tunesmith_server.edge.grpc.contract import ContractRules
from tunesmith_server.edge.grpc.datasets import DatasetServicer
from tunesmith_server.edge.grpc.fine_tunes import FineTuneServicer
from tunesmith_server.edge.grpc.models import ModelServicer
from tunesmith_server.edge.grpc.runner import RunnerServicer
from tunesmith_server.edge.grpc.stages import (
    Auditing,
    Authentication,
    Contract,
    Errors,
    RequestContext,
    StagedServer,
)
from tunesmith_server.edge.grpc.tenants import TenantServicer
from tunesmith_server.edge.grpc.tls import ServerCertificates
from tunesmith_server.settings import Grpc

SERVICES = tuple(
    service.full_name
    for module in (fine_tune_pb2, dataset_pb2, model_pb2, tenant_pb2, catalog_pb2, runner_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
)


class GrpcEdge:
    """The gRPC server of one process."""

    def __init__(self, settings: Grpc, authenticator: Authenticator, use_cases: UseCases) -> None:
        self._settings = settings
        age = int(settings.max_connection_age_seconds * 1000)
        self._server = grpc.aio.server(
            options=[
                # two servers must not silently share a port (grpc #10755)
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", int(settings.max_message_bytes)),
                # tokens of people in many groups are longer than the 8 KiB that are the default
                ("grpc.max_metadata_size", 32 * 1024),
                ("grpc.absolute_max_metadata_size", 64 * 1024),
                ("grpc.max_connection_age_ms", age),
                ("grpc.max_connection_age_grace_ms", 60_000),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
                ("grpc.server_handshake_timeout_ms", 5_000),
            ],
        )
        stages = (
            RequestContext(),
            Errors(),
            Auditing(use_cases.commands),
            Authentication(authenticator, use_cases.rates),
            Contract(ContractRules()),
        )
        add: Any = StagedServer(self._server, stages)
        fine_tune_pb2_grpc.add_FineTuneServiceServicer_to_server(
            FineTuneServicer(
                use_cases.fine_tunes,
                use_cases.submission,
                use_cases.steering,
                use_cases.explaining,
                use_cases.watches,
            ),
            add,
        )
        dataset_pb2_grpc.add_DatasetServiceServicer_to_server(
            DatasetServicer(
                use_cases.datasets,
                use_cases.uploads,
                use_cases.imports,
                use_cases.statistics,
                use_cases.preparing,
            ),
            add,
        )
        model_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelServicer(use_cases.models, use_cases.sharing), add
        )
        tenant_pb2_grpc.add_TenantServiceServicer_to_server(
            TenantServicer(use_cases.tenants, use_cases.api_keys, use_cases.accounts), add
        )
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(
            CatalogServicer(use_cases.catalogue), add
        )
        runner_pb2_grpc.add_RunnerServiceServicer_to_server(RunnerServicer(), add)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )

    async def start(self) -> str:
        """Take calls; the address with the port that was taken. Unavailable if it is in use."""
        host = self._settings.listen.rpartition(":")[0]
        try:
            port = self._bind()
        except RuntimeError:
            port = 0
        if not port:
            raise Unavailable(
                f"cannot listen on {self._settings.listen}: the port is in use or not allowed; "
                "set TUNESMITH_GRPC__LISTEN to another",
                retry_after=1,
            )
        await self._server.start()
        for service in ("", *SERVICES):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        return f"{host}:{port}"

    def _bind(self) -> int:
        if not self._settings.tls_cert_file:
            return self._server.add_insecure_port(self._settings.listen)
        certificates = ServerCertificates(self._settings)
        return self._server.add_secure_port(self._settings.listen, certificates.credentials())

    async def stop(self, grace: float) -> None:
        """Say NOT_SERVING, let calls under way end within `grace` seconds."""
        await self._health.enter_graceful_shutdown()
        with contextlib.suppress(asyncio.CancelledError):
            await self._server.stop(grace)
