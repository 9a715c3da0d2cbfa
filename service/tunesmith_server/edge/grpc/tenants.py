"""TenantService: decode, call one use case, encode."""

from datetime import timedelta

from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import tenant_pb2 as pb
from tunesmith.v1 import tenant_pb2_grpc as rpc

from tunesmith_server.app.accounts import Accounts
from tunesmith_server.app.api_keys import ApiKeys
from tunesmith_server.app.tenants import Tenants
from tunesmith_server.domain.access import Role
from tunesmith_server.domain.errors import InvalidArgument
from tunesmith_server.domain.names import ApiKeyName, TenantName
from tunesmith_server.domain.tenant import SuspendedRuns
from tunesmith_server.edge.grpc import tenant_codec as codec
from tunesmith_server.edge.grpc.requests import moment, page, stretch
from tunesmith_server.edge.grpc.stages import Context, call, principal
from tunesmith_server.edge.grpc.unbuilt import answers_all_of

_RUNNING = {
    pb.SUSPENDED_RUNS_UNSPECIFIED: SuspendedRuns.FINISH,
    pb.SUSPENDED_RUNS_FINISH: SuspendedRuns.FINISH,
    pb.SUSPENDED_RUNS_PAUSE: SuspendedRuns.PAUSE,
}


def _role(key: pb.ApiKey) -> Role:
    if key.role not in codec.ROLE_OF:
        raise InvalidArgument.of("api_key.role", "is missing: name what the key may do")
    return codec.ROLE_OF[key.role]


@answers_all_of(pb.DESCRIPTOR.services_by_name["TenantService"])
class TenantServicer(rpc.TenantServiceServicer):
    """The gRPC face of Tenants, ApiKeys and Accounts."""

    def __init__(self, tenants: Tenants, api_keys: ApiKeys, accounts: Accounts) -> None:
        self._tenants = tenants
        self._keys = api_keys
        self._accounts = accounts

    async def WhoAmI(self, request: pb.WhoAmIRequest, context: Context) -> pb.WhoAmIResponse:
        """Say who the caller is."""
        caller = principal()
        return pb.WhoAmIResponse(
            principal=caller.id,
            tenant=f"tenants/{caller.tenant}" if caller.tenant else "",
            role=codec.ROLES[caller.role],
        )

    async def CreateTenant(
        self, request: pb.CreateTenantRequest, context: Context
    ) -> pb.CreateTenantResponse:
        """Make a tenant."""
        settings = codec.settings_of(request.tenant)
        tenant = await self._tenants.create(call(request), request.tenant_id, settings)
        return pb.CreateTenantResponse(tenant=codec.resource(tenant))

    async def GetTenant(
        self, request: pb.GetTenantRequest, context: Context
    ) -> pb.GetTenantResponse:
        """Read a tenant."""
        tenant = await self._tenants.get(principal(), TenantName.parse(request.name))
        return pb.GetTenantResponse(tenant=codec.resource(tenant))

    async def ListTenants(
        self, request: pb.ListTenantsRequest, context: Context
    ) -> pb.ListTenantsResponse:
        """List tenants, newest first."""
        found = await self._tenants.list(page(request))
        return pb.ListTenantsResponse(
            tenants=map(codec.resource, found.rows), next_page_token=found.next_token
        )

    async def UpdateTenant(
        self, request: pb.UpdateTenantRequest, context: Context
    ) -> pb.UpdateTenantResponse:
        """Change a tenant."""
        name = TenantName.parse(request.tenant.name, "tenant.name")
        settings = codec.settings_of(request.tenant, request.update_mask.paths or None)
        updated = await self._tenants.update(call(request), name, settings)
        outcome = (
            common.UPDATE_OUTCOME_CONFIGURED if updated.changed else common.UPDATE_OUTCOME_UNCHANGED
        )
        return pb.UpdateTenantResponse(tenant=codec.resource(updated.tenant), outcome=outcome)

    async def DeleteTenant(
        self, request: pb.DeleteTenantRequest, context: Context
    ) -> pb.DeleteTenantResponse:
        """Delete a tenant."""
        await self._tenants.delete(
            call(request),
            TenantName.parse(request.name),
            cascade=request.cascade,
            confirm=request.confirm,
        )
        return pb.DeleteTenantResponse()

    async def SuspendTenant(
        self, request: pb.SuspendTenantRequest, context: Context
    ) -> pb.SuspendTenantResponse:
        """Make its runs wait and its mutations fail."""
        tenant = await self._tenants.suspend(
            call(request),
            TenantName.parse(request.name),
            request.reason,
            _RUNNING[request.running],
        )
        return pb.SuspendTenantResponse(tenant=codec.resource(tenant))

    async def ResumeTenant(
        self, request: pb.ResumeTenantRequest, context: Context
    ) -> pb.ResumeTenantResponse:
        """Take a suspension back."""
        tenant = await self._tenants.resume(call(request), TenantName.parse(request.name))
        return pb.ResumeTenantResponse(tenant=codec.resource(tenant))

    async def CreateApiKey(
        self, request: pb.CreateApiKeyRequest, context: Context
    ) -> pb.CreateApiKeyResponse:
        """Make a key."""
        asked = request.api_key
        expires = (
            moment(asked.expire_time, "api_key.expire_time")
            if asked.HasField("expire_time")
            else None
        )
        new = await self._keys.create(
            call(request),
            TenantName.parse(request.parent, "parent"),
            _role(asked),
            display_name=asked.display_name,
            expire_time=expires,
        )
        return pb.CreateApiKeyResponse(api_key=codec.key(new.key), secret=new.secret)

    async def ListApiKeys(
        self, request: pb.ListApiKeysRequest, context: Context
    ) -> pb.ListApiKeysResponse:
        """List keys, newest first."""
        found = await self._keys.list(
            principal(), TenantName.parse(request.parent, "parent"), page(request)
        )
        return pb.ListApiKeysResponse(
            api_keys=map(codec.key, found.rows), next_page_token=found.next_token
        )

    async def RotateApiKey(
        self, request: pb.RotateApiKeyRequest, context: Context
    ) -> pb.RotateApiKeyResponse:
        """Make a successor of a key."""
        overlap: timedelta | None = None
        if request.HasField("overlap"):
            overlap = stretch(request.overlap, "overlap")
        new = await self._keys.rotate(call(request), ApiKeyName.parse(request.name), overlap)
        return pb.RotateApiKeyResponse(api_key=codec.key(new.key), secret=new.secret)

    async def RevokeApiKey(
        self, request: pb.RevokeApiKeyRequest, context: Context
    ) -> pb.RevokeApiKeyResponse:
        """Make a key open nothing."""
        key = await self._keys.revoke(call(request), ApiKeyName.parse(request.name))
        return pb.RevokeApiKeyResponse(api_key=codec.key(key))

    async def GetUsage(self, request: pb.GetUsageRequest, context: Context) -> pb.GetUsageResponse:
        """Say what is used and reserved."""
        rows = await self._accounts.usage(principal(), TenantName.parse(request.name))
        return pb.GetUsageResponse(dimensions=map(codec.quota_effect, rows))

    async def ListLedger(
        self, request: pb.ListLedgerRequest, context: Context
    ) -> pb.ListLedgerResponse:
        """List the bill, newest first."""
        parent = TenantName.parse(request.parent, "parent")
        found = await self._accounts.ledger(principal(), parent, page(request))
        return pb.ListLedgerResponse(
            entries=map(codec.ledger_entry, found.rows), next_page_token=found.next_token
        )

    async def ListAuditEvents(
        self, request: pb.ListAuditEventsRequest, context: Context
    ) -> pb.ListAuditEventsResponse:
        """List who did what, newest first."""
        parent = TenantName.parse(request.parent, "parent")
        found = await self._accounts.audit(principal(), parent, page(request))
        return pb.ListAuditEventsResponse(
            audit_events=map(codec.audit_event, found.rows), next_page_token=found.next_token
        )
