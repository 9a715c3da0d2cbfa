"""TenantService: decode, call one use case, encode."""

from datetime import UTC

from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import tenant_pb2 as pb
from tunesmith.v1 import tenant_pb2_grpc as rpc

from tunesmith_server.app.tenants import Tenants, UsageRow
from tunesmith_server.domain.access import Role
from tunesmith_server.domain.names import ApiKeyName, TenantName
from tunesmith_server.domain.tenant import ApiKey, Tenant
from tunesmith_server.edge.grpc.interceptors import Context, principal
from tunesmith_server.edge.grpc.requests import page, timestamp
from tunesmith_server.edge.grpc.unbuilt import answers_all_of

_ROLES = {role: getattr(pb, f"ROLE_{role.name}") for role in Role}
_ROLE_OF = {number: role for role, number in _ROLES.items()}


@answers_all_of(pb.DESCRIPTOR.services_by_name["TenantService"])
class TenantServicer(rpc.TenantServiceServicer):
    """The gRPC face of Tenants."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    async def WhoAmI(self, request: pb.WhoAmIRequest, context: Context) -> pb.WhoAmIResponse:
        """Say who the caller is."""
        caller = principal()
        return pb.WhoAmIResponse(
            principal=caller.id,
            tenant=f"tenants/{caller.tenant}" if caller.tenant else "",
            role=_ROLES[caller.role],
        )

    async def CreateTenant(
        self, request: pb.CreateTenantRequest, context: Context
    ) -> pb.CreateTenantResponse:
        """Make a tenant."""
        asked = request.tenant
        tenant = await self._tenants.create(
            request.tenant_id,
            display_name=asked.display_name,
            organization=asked.organization,
            labels=dict(asked.labels),
            limits={
                limit.dimension: None if limit.WhichOneof("limit") == "unlimited" else limit.value
                for limit in asked.limits
            },
        )
        return pb.CreateTenantResponse(tenant=_resource(tenant))

    async def GetTenant(
        self, request: pb.GetTenantRequest, context: Context
    ) -> pb.GetTenantResponse:
        """Read a tenant."""
        tenant = await self._tenants.get(principal(), TenantName.parse(request.name))
        return pb.GetTenantResponse(tenant=_resource(tenant))

    async def ListTenants(
        self, request: pb.ListTenantsRequest, context: Context
    ) -> pb.ListTenantsResponse:
        """List tenants, newest first."""
        found = await self._tenants.list(page(request))
        return pb.ListTenantsResponse(
            tenants=map(_resource, found.rows), next_page_token=found.next_token
        )

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        """Say what is used and reserved."""
        rows = await self._tenants.usage(principal(), TenantName.parse(request.name))
        return pb.GetUsageResponse(dimensions=map(_usage, rows))

    async def CreateApiKey(
        self, request: pb.CreateApiKeyRequest, context: Context
    ) -> pb.CreateApiKeyResponse:
        """Make a key."""
        asked = request.api_key
        expires = asked.expire_time.ToDatetime() if asked.HasField("expire_time") else None
        new = await self._tenants.create_key(
            principal(),
            TenantName.parse(request.parent, "parent"),
            _ROLE_OF.get(asked.role, Role.EDITOR),
            display_name=asked.display_name,
            expire_time=expires.replace(tzinfo=UTC) if expires else None,
        )
        return pb.CreateApiKeyResponse(api_key=_key(new.key), secret=new.secret)

    async def ListApiKeys(
        self, request: pb.ListApiKeysRequest, context: Context
    ) -> pb.ListApiKeysResponse:
        """List keys, newest first."""
        found = await self._tenants.keys(
            principal(), TenantName.parse(request.parent, "parent"), page(request)
        )
        return pb.ListApiKeysResponse(
            api_keys=map(_key, found.rows), next_page_token=found.next_token
        )

    async def RevokeApiKey(
        self, request: pb.RevokeApiKeyRequest, context: Context
    ) -> pb.RevokeApiKeyResponse:
        """Make a key open nothing."""
        key = await self._tenants.revoke_key(principal(), ApiKeyName.parse(request.name))
        return pb.RevokeApiKeyResponse(api_key=_key(key))


def _resource(tenant: Tenant) -> pb.Tenant:
    return pb.Tenant(
        name=f"tenants/{tenant.id}",
        uid=tenant.id,
        labels=dict(tenant.labels),
        display_name=tenant.display_name,
        create_time=timestamp(tenant.create_time),
        organization=tenant.organization,
        state=pb.TENANT_STATE_ACTIVE,
        limits=[
            pb.QuotaLimit(dimension=dimension, unlimited=True)
            if limit is None
            else pb.QuotaLimit(dimension=dimension, value=limit)
            for dimension, limit in tenant.limits.items()
        ],
    )


def _key(key: ApiKey) -> pb.ApiKey:
    return pb.ApiKey(
        name=f"tenants/{key.tenant}/apiKeys/{key.id}",
        role=_ROLES[key.role],
        display_name=key.display_name,
        create_time=timestamp(key.create_time),
        expire_time=timestamp(key.expire_time),
        revoke_time=timestamp(key.revoke_time),
    )


def _usage(row: UsageRow) -> common.QuotaEffect:
    return common.QuotaEffect(
        dimension=row.dimension,
        limit=row.limit,
        used=row.used,
        reserved=row.reserved,
        fits=row.limit is None or row.used + row.reserved <= row.limit,
    )
