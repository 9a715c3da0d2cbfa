"""Tenants, their keys, and who one is."""

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any

from tunesmith import _names
from tunesmith._errors import InvalidArgumentError
from tunesmith._resources.pages import paged
from tunesmith._transport import Calls
from tunesmith.v1 import tenant_pb2 as pb
from tunesmith.v1 import tenant_pb2_grpc as rpc

ROLES = {
    name.removeprefix("ROLE_").lower().replace("_", "-"): number
    for name, number in pb.Role.items()
    if number
}


class Tenants:
    """Tenants. A name is `acme` or `tenants/acme`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = rpc.TenantServiceStub(calls.transport.channel)

    async def create(
        self,
        id: str,
        *,
        display_name: str = "",
        organization: str = "",
        limits: Mapping[str, int] | None = None,
        request_id: str = "",
    ) -> pb.Tenant:
        """Make a tenant; `limits` are its quotas by dimension, such as `fine_tunes_running`."""
        tenant = pb.Tenant(
            display_name=display_name,
            organization=organization,
            limits=[pb.QuotaLimit(dimension=d, value=value) for d, value in (limits or {}).items()],
        )
        request = pb.CreateTenantRequest(tenant_id=id, tenant=tenant, request_id=request_id)
        return (await self._calls.unary(self._stub.CreateTenant, request)).tenant

    async def get(self, name: str) -> pb.Tenant:
        """Read a tenant."""
        request = pb.GetTenantRequest(name=_names.tenant(name))
        return (await self._calls.unary(self._stub.GetTenant, request)).tenant

    def list(self, *, filter: str = "") -> AsyncGenerator[pb.Tenant, None]:
        """Every tenant that the key may see."""
        request = pb.ListTenantsRequest(filter=filter)
        return paged(self._calls, self._stub.ListTenants, request, lambda page: page.tenants)


class Keys:
    """The API keys of a tenant. A name is `tenants/acme/apiKeys/k1`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = rpc.TenantServiceStub(calls.transport.channel)

    async def create(
        self,
        tenant: str = "",
        role: str | int = "editor",
        *,
        display_name: str = "",
        expire_time: datetime | None = None,
        request_id: str = "",
    ) -> pb.CreateApiKeyResponse:
        """Make a key; `secret` of the answer is shown this once."""
        key = pb.ApiKey(role=_role(role), display_name=display_name)
        if expire_time:
            key.expire_time.FromDatetime(expire_time)
        request = pb.CreateApiKeyRequest(
            parent=_names.tenant(tenant), api_key=key, request_id=request_id
        )
        return await self._calls.unary(self._stub.CreateApiKey, request)

    def list(self, tenant: str = "") -> AsyncGenerator[pb.ApiKey, None]:
        """Every key of a tenant, without its secret."""
        request = pb.ListApiKeysRequest(parent=_names.tenant(tenant))
        return paged(self._calls, self._stub.ListApiKeys, request, lambda page: page.api_keys)

    async def revoke(self, name: str) -> pb.ApiKey:
        """Make a key worthless at once."""
        full = name if "/" in name else f"{_names.OWN}/apiKeys/{name}"
        request = pb.RevokeApiKeyRequest(name=full)
        return (await self._calls.unary(self._stub.RevokeApiKey, request)).api_key

    async def whoami(self) -> pb.WhoAmIResponse:
        """Whose key this is."""
        return await self._calls.unary(self._stub.WhoAmI, pb.WhoAmIRequest())


def _role(role: str | int) -> Any:  # Any: each generator of stubs types enums in its own way
    if not isinstance(role, str):
        return role
    if (number := ROLES.get(role.lower().replace("_", "-"))) is None:
        raise InvalidArgumentError(f"there is no role {role!r}; choose from {', '.join(ROLES)}")
    return number
