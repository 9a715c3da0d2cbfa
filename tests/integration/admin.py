"""A platform administrator in tests."""

from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from tunesmith.v1 import tenant_pb2 as pb

from tests.integration.calls import (
    ADMIN_KEY,
    Caller,
    reason,
)


class Admin(Caller):
    """A platform administrator."""

    def __init__(self, address: str) -> None:
        super().__init__(address, ADMIN_KEY)

    async def create_tenant(self, id: str, **tenant: Any) -> pb.Tenant:
        """A new one."""
        request = pb.CreateTenantRequest(tenant_id=id, tenant=pb.Tenant(**tenant))
        return (await self.tenants.CreateTenant(request, metadata=self.metadata)).tenant

    async def get_tenant(self, id: str) -> pb.Tenant:
        request = pb.GetTenantRequest(name=f"tenants/{id}")
        return (await self.tenants.GetTenant(request, metadata=self.metadata)).tenant

    async def update(self, id: str, *mask: str, **tenant: Any) -> pb.UpdateTenantResponse:
        request = pb.UpdateTenantRequest(
            tenant=pb.Tenant(name=f"tenants/{id}", **tenant), update_mask=FieldMask(paths=mask)
        )
        return await self.tenants.UpdateTenant(request, metadata=self.metadata)

    async def delete(self, id: str, **options: Any) -> None:
        request = pb.DeleteTenantRequest(name=f"tenants/{id}", **options)
        await self.tenants.DeleteTenant(request, metadata=self.metadata)

    async def suspend(self, id: str, running: str = "FINISH", reason: str = "") -> pb.Tenant:
        request = pb.SuspendTenantRequest(
            name=f"tenants/{id}", reason=reason, running=getattr(pb, f"SUSPENDED_RUNS_{running}")
        )
        return (await self.tenants.SuspendTenant(request, metadata=self.metadata)).tenant

    async def resume(self, id: str) -> pb.Tenant:
        request = pb.ResumeTenantRequest(name=f"tenants/{id}")
        return (await self.tenants.ResumeTenant(request, metadata=self.metadata)).tenant


async def whoami(caller: Caller) -> str:
    """OK, or the reason why the key opens nothing."""
    try:
        await caller.tenants.WhoAmI(pb.WhoAmIRequest(), metadata=caller.metadata)
    except grpc.aio.AioRpcError as error:
        return reason(error)
    return "OK"
