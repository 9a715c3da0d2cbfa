"""Tenants, keys, usage, bill and audit of the fake service."""

from typing import Any

from google.protobuf.message import Message
from google.rpc import code_pb2
from tunesmith.v1 import (
    tenant_pb2,
    tenant_pb2_grpc,
)

from tests.fakes.service import (
    Context,
    FakeService,
    a_status,
    changed,
    end_with,
    not_found,
    one_page,
    own,
)


class Tenants(tenant_pb2_grpc.TenantServiceServicer):
    def __init__(self, service: FakeService) -> None:
        self.service = service

    async def WhoAmI(self, request: Any, context: Context) -> Any:
        await self.service.arrived("WhoAmI", request, context)
        return tenant_pb2.WhoAmIResponse(
            principal="key-1", tenant="tenants/acme", role=tenant_pb2.ROLE_EDITOR
        )

    async def _tenant(self, name: str, context: Context) -> tenant_pb2.Tenant:
        tenant = self.service.tenants.get(own(name))
        if tenant is None:
            await end_with(context, not_found(own(name)))
            raise AssertionError("unreachable")
        return tenant

    async def CreateTenant(self, request: Any, context: Context) -> Any:
        def effect() -> Message:
            tenant = tenant_pb2.Tenant()
            tenant.CopyFrom(request.tenant)
            tenant.name, tenant.etag = f"tenants/{request.tenant_id}", "e"
            tenant.state = tenant_pb2.TENANT_STATE_ACTIVE
            if not request.validate_only:
                self.service.tenants[tenant.name] = tenant
            return tenant_pb2.CreateTenantResponse(tenant=tenant)

        return await self.service.once("CreateTenant", request, context, effect)

    async def GetTenant(self, request: Any, context: Context) -> Any:
        await self.service.arrived("GetTenant", request, context)
        return tenant_pb2.GetTenantResponse(tenant=await self._tenant(request.name, context))

    async def ListTenants(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListTenants", request, context)
        tenants, token = one_page(list(self.service.tenants.values()), request)
        return tenant_pb2.ListTenantsResponse(tenants=tenants, next_page_token=token)

    async def UpdateTenant(self, request: Any, context: Context) -> Any:
        present = await self._tenant(request.tenant.name, context)
        if request.tenant.etag not in ("", present.etag):
            await self.service.arrived("UpdateTenant", request, context)
            await end_with(context, a_status(code_pb2.ABORTED, "changed", "ETAG_MISMATCH"))

        def effect() -> Message:
            tenant = changed(present, request, request.tenant)
            if not request.validate_only:
                self.service.tenants[present.name] = tenant
            return tenant_pb2.UpdateTenantResponse(tenant=tenant)

        return await self.service.once("UpdateTenant", request, context, effect)

    async def SuspendTenant(self, request: Any, context: Context) -> Any:
        tenant = await self._tenant(request.name, context)

        def effect() -> Message:
            tenant.state = tenant_pb2.TENANT_STATE_SUSPENDED
            tenant.suspend_reason, tenant.suspended_runs = request.reason, request.running
            return tenant_pb2.SuspendTenantResponse(tenant=tenant)

        return await self.service.once("SuspendTenant", request, context, effect)

    async def ResumeTenant(self, request: Any, context: Context) -> Any:
        tenant = await self._tenant(request.name, context)

        def effect() -> Message:
            tenant.state = tenant_pb2.TENANT_STATE_ACTIVE
            tenant.ClearField("suspend_reason")
            return tenant_pb2.ResumeTenantResponse(tenant=tenant)

        return await self.service.once("ResumeTenant", request, context, effect)

    async def DeleteTenant(self, request: Any, context: Context) -> Any:
        def effect() -> Message:
            self.service.tenants.pop(own(request.name))
            return tenant_pb2.DeleteTenantResponse()

        return await self.service.once("DeleteTenant", request, context, effect)

    async def CreateApiKey(self, request: Any, context: Context) -> Any:
        def effect() -> Message:
            return tenant_pb2.CreateApiKeyResponse(
                api_key=self._new_key(request.parent, request.api_key), secret=self._secret()
            )

        return await self.service.once("CreateApiKey", request, context, effect)

    async def RotateApiKey(self, request: Any, context: Context) -> Any:
        def effect() -> Message:
            old = self.service.keys[own(request.name)]
            old.expire_time.GetCurrentTime()
            successor = self._new_key(old.name.rpartition("/apiKeys/")[0], old)
            successor.ClearField("expire_time")
            return tenant_pb2.RotateApiKeyResponse(api_key=successor, secret=self._secret())

        return await self.service.once("RotateApiKey", request, context, effect)

    async def RevokeApiKey(self, request: Any, context: Context) -> Any:
        def effect() -> Message:
            key = self.service.keys[own(request.name)]
            key.revoke_time.GetCurrentTime()
            return tenant_pb2.RevokeApiKeyResponse(api_key=key)

        return await self.service.once("RevokeApiKey", request, context, effect)

    async def ListApiKeys(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListApiKeys", request, context)
        keys, token = one_page(list(self.service.keys.values()), request)
        return tenant_pb2.ListApiKeysResponse(api_keys=keys, next_page_token=token)

    async def GetUsage(self, request: Any, context: Context) -> Any:
        await self.service.arrived("GetUsage", request, context)
        return tenant_pb2.GetUsageResponse(dimensions=self.service.usage)

    async def ListLedger(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListLedger", request, context)
        entries, token = one_page(self.service.ledger, request)
        return tenant_pb2.ListLedgerResponse(entries=entries, next_page_token=token)

    async def ListAuditEvents(self, request: Any, context: Context) -> Any:
        await self.service.arrived("ListAuditEvents", request, context)
        events, token = one_page(self.service.audit, request)
        return tenant_pb2.ListAuditEventsResponse(audit_events=events, next_page_token=token)

    def _new_key(self, parent: str, like: tenant_pb2.ApiKey) -> tenant_pb2.ApiKey:
        key = tenant_pb2.ApiKey()
        key.CopyFrom(like)
        key.name = f"{own(parent)}/apiKeys/k{len(self.service.keys) + 1}"
        self.service.keys[key.name] = key
        return key

    def _secret(self) -> str:
        return f"sk-ts-secret-{len(self.service.keys)}"
