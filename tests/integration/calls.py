"""A caller of a server in tests: the generated stubs, with a key."""

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from tunesmith.v1 import (
    catalog_pb2_grpc,
    dataset_pb2,
    dataset_pb2_grpc,
    fine_tune_pb2,
    fine_tune_pb2_grpc,
    model_pb2_grpc,
    tenant_pb2,
    tenant_pb2_grpc,
)

ADMIN_KEY = "sk-ts-admin-of-the-tests"
ROWS = [
    {"prompt": f"row {number}: is {number} even?\n\n###\n\n", "completion": f" {number % 2 == 0}"}
    for number in range(20)
]


class Caller:
    """Every service, called with one key."""

    def __init__(self, address: str, key: str) -> None:
        self.address = address
        self.key = key
        self.channel = grpc.aio.insecure_channel(address)
        self.metadata = (("authorization", f"Bearer {key}"),)
        self.fine_tunes = fine_tune_pb2_grpc.FineTuneServiceStub(self.channel)
        self.datasets = dataset_pb2_grpc.DatasetServiceStub(self.channel)
        self.models = model_pb2_grpc.ModelServiceStub(self.channel)
        self.tenants = tenant_pb2_grpc.TenantServiceStub(self.channel)
        self.catalogue = catalog_pb2_grpc.CatalogServiceStub(self.channel)

    async def upload(
        self, content: bytes, id: str = "numbers", chunk: int = 1000, **header: Any
    ) -> Any:
        """A dataset of these bytes."""

        async def parts() -> AsyncIterator[dataset_pb2.UploadDatasetRequest]:
            said = {"parent": "tenants/-", "dataset_id": id, "file_name": "x.jsonl", **header}
            yield dataset_pb2.UploadDatasetRequest(header=dataset_pb2.UploadHeader(**said))
            for offset in range(0, len(content), chunk):
                yield dataset_pb2.UploadDatasetRequest(
                    chunk=dataset_pb2.UploadChunk(
                        offset=offset, data=content[offset : offset + chunk]
                    )
                )
            finish = dataset_pb2.UploadFinish(sha256=hashlib.sha256(content).hexdigest())
            yield dataset_pb2.UploadDatasetRequest(finish=finish)

        response = await self.datasets.UploadDataset(parts(), metadata=self.metadata)
        return response.dataset

    async def create(self, **changes: Any) -> fine_tune_pb2.FineTune:
        """A run on the tiny base."""
        spec: dict[str, Any] = {"base_model": "tiny-random", "training_dataset": "numbers"}
        request = {"parent": "tenants/-"} | {
            k: changes.pop(k)
            for k in ("fine_tune_id", "request_id", "validate_only", "plan_token", "parent")
            if k in changes
        }
        response = await self.fine_tunes.CreateFineTune(
            fine_tune_pb2.CreateFineTuneRequest(
                **request,
                fine_tune=fine_tune_pb2.FineTune(spec=fine_tune_pb2.FineTuneSpec(**spec | changes)),
            ),
            metadata=self.metadata,
        )
        return response.fine_tune

    async def get(self, name: str) -> fine_tune_pb2.FineTune:
        """The run of this name."""
        request = fine_tune_pb2.GetFineTuneRequest(name=name)
        return (await self.fine_tunes.GetFineTune(request, metadata=self.metadata)).fine_tune

    def watch(self, name: str, cursor: str = "") -> Any:
        """The call that watches a run."""
        request = fine_tune_pb2.WatchFineTuneRequest(name=name, cursor=cursor)
        return self.fine_tunes.WatchFineTune(request, metadata=self.metadata, wait_for_ready=True)

    async def usage(self, tenant: str = "-") -> dict[str, Any]:
        """What is used, by dimension, or `dimension@base` for one base model."""
        request = tenant_pb2.GetUsageRequest(name=f"tenants/{tenant}")
        found = (await self.tenants.GetUsage(request, metadata=self.metadata)).dimensions
        return {
            row.dimension + (f"@{row.base_model}" if row.base_model else ""): row for row in found
        }

    async def cancel(self, name: str) -> fine_tune_pb2.FineTune:
        """The run, asked to stop."""
        request = fine_tune_pb2.CancelFineTuneRequest(name=name)
        return (await self.fine_tunes.CancelFineTune(request, metadata=self.metadata)).fine_tune


async def a_tenant(
    address: str,
    id: str,
    limits: dict[str, int] | None = None,
    role: int = tenant_pb2.ROLE_EDITOR,
    naming: tenant_pb2.NamingPolicy | None = None,
) -> Caller:
    """A caller with a key of a new tenant."""
    admin = Caller(address, ADMIN_KEY)
    tenant = tenant_pb2.Tenant(
        limits=[
            tenant_pb2.QuotaLimit(dimension=name, value=value)
            for name, value in (limits or {}).items()
        ],
        naming=naming,
    )
    await admin.tenants.CreateTenant(
        tenant_pb2.CreateTenantRequest(tenant_id=id, tenant=tenant), metadata=admin.metadata
    )
    return await another_key(admin, id, role)


async def another_key(admin: Caller, tenant: str, role: int) -> Caller:
    """A caller with another key of a tenant."""
    made = await admin.tenants.CreateApiKey(
        tenant_pb2.CreateApiKeyRequest(
            parent=f"tenants/{tenant}",
            api_key=tenant_pb2.ApiKey(role=role),  # type: ignore[arg-type, unused-ignore]
        ),
        metadata=admin.metadata,
    )
    return Caller(admin.address, made.secret)


async def refused(call: Any) -> tuple[str, str]:
    """The reason and the words with which a call is refused."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return reason(error), error.details() or ""
    raise AssertionError(f"not refused: {answer}")


def limits(**values: int | None) -> list[tenant_pb2.QuotaLimit]:
    """Limits by dimension, or `dimension__base` for one base model; None is unlimited."""
    found = []
    for key, value in values.items():
        dimension, _, base = key.partition("__")
        how: dict[str, Any] = {"unlimited": True} if value is None else {"value": value}
        found.append(
            tenant_pb2.QuotaLimit(dimension=dimension, base_model=base.replace("_", "-"), **how)
        )
    return found


def jsonl(rows: list[dict[str, str]]) -> bytes:
    """Rows as a file."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def reason(error: grpc.aio.AioRpcError) -> str:
    """The constant that says why a call failed."""
    return details(error, error_details_pb2.ErrorInfo()).reason


Detail = TypeVar("Detail", bound=Message)


def details(error: grpc.aio.AioRpcError, kind: Detail) -> Detail:
    """The detail of that kind that an error came with; empty if there is none."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(kind):
                    return kind
    return kind
