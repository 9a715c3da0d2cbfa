"""The keys of a tenant, and who one is."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

from tunesmith import _names
from tunesmith._errors import TunesmithError
from tunesmith._resources.pages import paged
from tunesmith._resources.values import choice, choices, duration, timestamp
from tunesmith._transport import Calls
from tunesmith.v1 import tenant_pb2 as pb
from tunesmith.v1 import tenant_pb2_grpc as rpc

ROLES = choices(pb.Role, "ROLE_")
_TRIES = 3


class Keys:
    """The API keys of a tenant. A name is `tenants/acme/apiKeys/k1`, or `k1` for an own one."""

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
        """Make a key; `secret` of the answer is shown this once. Needs a tenant admin.

        If the connection breaks after the service has made the key, its secret is lost with the
        answer, for the service keeps none. That key is then revoked and another one made, unless
        you gave the `request_id`: then the answer comes without a secret.

        Args:
            tenant: whose; that of the key shown if empty.
            role: `tenant-admin`, `editor`, `viewer` or `inference`.
            display_name: for people.
            expire_time: when it stops to open anything; never if left out. Without a zone it is in
                this machine's.
            request_id: a UUID.
        """
        key = pb.ApiKey(role=choice("role", role, ROLES), display_name=display_name)
        if expire_time:
            key.expire_time.CopyFrom(timestamp(expire_time))
        for _ in range(_TRIES):
            request = pb.CreateApiKeyRequest(
                parent=_names.tenant(tenant), api_key=key, request_id=request_id
            )
            made = await self._calls.unary(self._stub.CreateApiKey, request)
            if made.secret or request_id:
                return made
            await self.revoke(made.api_key.name)
        raise _lost(made.api_key.name, "It has been revoked.")

    def list(self, tenant: str = "") -> AsyncGenerator[pb.ApiKey, None]:
        """Every key of a tenant, without its secret."""
        request = pb.ListApiKeysRequest(parent=_names.tenant(tenant))
        return paged(self._calls, self._stub.ListApiKeys, request, lambda page: page.api_keys)

    async def rotate(
        self, name: str, *, overlap: timedelta | None = None, request_id: str = ""
    ) -> pb.RotateApiKeyResponse:
        """Make a successor of a key, with the same role; its `secret` is shown this once.

        The old key goes on working for `overlap` (24 hours if left out, 0 to end it at once), so
        that its holders can change over. Needs a tenant admin. If the secret is lost with a broken
        connection, the successor is rotated in its turn, as `create` does, unless you gave the
        `request_id`. With no overlap a key that rotates itself cannot do that:
        AuthenticationError; another key of a tenant admin can.

        Args:
            name: the key.
            overlap: how long the old one still works.
            request_id: a UUID.
        """
        request = pb.RotateApiKeyRequest(name=_names.api_key(name), request_id=request_id)
        if overlap is not None:
            request.overlap.CopyFrom(duration(overlap))
        for _ in range(_TRIES):
            made = await self._calls.unary(self._stub.RotateApiKey, request)
            if made.secret or request_id:
                return made
            # nobody knows this one's secret: no overlap
            request = pb.RotateApiKeyRequest(name=made.api_key.name, overlap=duration(timedelta(0)))
        raise _lost(made.api_key.name, "Revoke it.")

    async def revoke(self, name: str) -> pb.ApiKey:
        """Make a key worthless from the next call on. It stays in the list, as revoked."""
        request = pb.RevokeApiKeyRequest(name=_names.api_key(name))
        return (await self._calls.unary(self._stub.RevokeApiKey, request)).api_key

    async def whoami(self) -> pb.WhoAmIResponse:
        """Whose key this is."""
        return await self._calls.unary(self._stub.WhoAmI, pb.WhoAmIRequest())


def _lost(name: str, what: str) -> TunesmithError:
    return TunesmithError(
        f"the connection broke each time before the secret came; the last key is {name}. {what}"
    )
