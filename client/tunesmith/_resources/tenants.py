"""Tenants: who may use the platform, how much, and what they have used."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any, Literal

from google.protobuf.field_mask_pb2 import FieldMask

from tunesmith import _names
from tunesmith._resources.limits import Limits, as_mapping, as_messages
from tunesmith._resources.pages import paged
from tunesmith._resources.rewriting import rewritten
from tunesmith._resources.values import choice, choices
from tunesmith._transport import Calls
from tunesmith.v1 import tenant_pb2 as pb
from tunesmith.v1 import tenant_pb2_grpc as rpc

SUSPENDED_RUNS = choices(pb.SuspendedRuns, "SUSPENDED_RUNS_")
SENSITIVE_DATA = {"inherited": 0, **choices(pb.SensitiveDataPolicy, "SENSITIVE_DATA_POLICY_")}
SensitiveData = Literal["inherited", "off", "warn", "block", "redact"]


class Tenants:
    """Tenants. A name is `acme` or `tenants/acme`; where it may be left out, the key's own.

    Limits are a mapping such as `{"datasets": 5, "trained_tokens_per_month@ada": None}`: a
    dimension of the contract, with `@` and a base model for that base alone; a whole number in the
    dimension's unit (costs in micros of the currency), or None for unlimited. What is not in it is
    inherited.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = rpc.TenantServiceStub(calls.transport.channel)

    async def create(
        self,
        id: str,
        *,
        display_name: str = "",
        organization: str = "",
        limits: Limits | None = None,
        naming: pb.NamingPolicy | None = None,
        sensitive_data: SensitiveData | None = None,
        parent: str = "",
        share_weight: int | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        allowed_base_models: Iterable[str] = (),
        request_id: str = "",
        validate_only: bool = False,
    ) -> pb.Tenant:
        """Make a tenant. Needs a platform admin; AlreadyExistsError if the name is taken.

        Args:
            id: its name's last segment, such as `acme`.
            display_name: for people.
            organization: its part of its models' names; `id` if empty.
            limits: what it may use.
            naming: how its models may be called.
            sensitive_data: what becomes of secrets and personal data that are recognised in its
                datasets; what the tenant above says, or `warn`, if left out.
            parent: the tenant above it, whose limits bound it too. Fixed once made.
            share_weight: its share of capacity that is short; 1 if left out.
            labels: key/value pairs for selection.
            annotations: key/value pairs for tools and people.
            allowed_base_models: ids of the base models that it may use; all if empty.
            request_id: a UUID. One is made if there is none, so that a retry makes no second one.
            validate_only: check everything and change nothing.
        """
        tenant = pb.Tenant(
            display_name=display_name,
            organization=organization,
            limits=as_messages(limits or {}),
            naming=naming,
            sensitive_data=_sensitive_data(sensitive_data),
            parent_tenant=_names.tenant(parent) if parent else "",
            share_weight=share_weight,
            labels=labels or {},
            annotations=annotations or {},
            allowed_base_models=allowed_base_models,
        )
        request = pb.CreateTenantRequest(
            tenant_id=id, tenant=tenant, request_id=request_id, validate_only=validate_only
        )
        return (await self._calls.unary(self._stub.CreateTenant, request)).tenant

    async def get(self, name: str = "") -> pb.Tenant:
        """Read a tenant."""
        request = pb.GetTenantRequest(name=_names.tenant(name))
        return (await self._calls.unary(self._stub.GetTenant, request)).tenant

    def list(self, *, filter: str = "") -> AsyncGenerator[pb.Tenant, None]:
        """Every tenant, newest first; `filter` is over `state` and `labels.KEY`.

        Needs a platform admin.
        """
        request = pb.ListTenantsRequest(filter=filter)
        return paged(self._calls, self._stub.ListTenants, request, lambda page: page.tenants)

    async def update(
        self,
        name: str,
        *,
        display_name: str | None = None,
        organization: str | None = None,
        limits: Limits | None = None,
        naming: pb.NamingPolicy | None = None,
        sensitive_data: SensitiveData | None = None,
        share_weight: int | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        allowed_base_models: Iterable[str] | None = None,
        etag: str = "",
        validate_only: bool = False,
    ) -> pb.Tenant:
        """Change what is given and leave the rest; what is given replaces what was there.

        None leaves a field alone, an empty value clears it: `labels={}` removes every label,
        `limits={}` every limit of its own. To change single limits use `set_limits`. What runs hold
        already stays held, even above a limit that is lowered. Needs a platform admin.

        Args:
            name: the tenant.
            display_name: for people.
            organization: its part of the names of models to come.
            limits: all limits that it has of its own.
            naming: how its models may be called; the whole policy.
            sensitive_data: what becomes of secrets and personal data in its datasets to come;
                `inherited` for what the tenant above says.
            share_weight: its share of capacity that is short.
            labels: all labels.
            annotations: all annotations.
            allowed_base_models: all base models that it may use.
            etag: of the tenant as you read it: ConflictError with reason ETAG_MISMATCH if somebody
                has changed it since.
            validate_only: check everything and change nothing.
        """
        tenant = pb.Tenant(
            name=_names.tenant(name),
            etag=etag,
            display_name=display_name or "",
            organization=organization or "",
            limits=as_messages(limits or {}),
            naming=naming,
            sensitive_data=_sensitive_data(sensitive_data),
            share_weight=share_weight,
            labels=labels or {},
            annotations=annotations or {},
            allowed_base_models=allowed_base_models or (),
        )
        given = {
            "display_name": display_name,
            "organization": organization,
            "limits": limits,
            "naming": naming,
            "sensitive_data": sensitive_data,
            "share_weight": share_weight,
            "labels": labels,
            "annotations": annotations,
            "allowed_base_models": allowed_base_models,
        }
        request = pb.UpdateTenantRequest(
            tenant=tenant,
            update_mask=FieldMask(
                paths=[path for path, value in given.items() if value is not None]
            ),
            validate_only=validate_only,
        )
        return (await self._calls.unary(self._stub.UpdateTenant, request)).tenant

    async def set_limits(
        self, name: str, limits: Limits, *, inherit: Iterable[str] = ()
    ) -> pb.Tenant:
        """Set single limits, and give up those in `inherit`; every other one stays.

        Reads and writes under the tenant's etag, so that two callers at once lose nothing of each
        other's: ConflictError only if somebody else was quicker five times. Needs a platform admin.
        """
        as_messages(limits)  # before the first call: what is wrong here needs no service
        given_up = frozenset(inherit)

        async def write(tenant: pb.Tenant) -> pb.Tenant:
            merged = {**as_mapping(tenant), **limits}
            wanted = {key: limit for key, limit in merged.items() if key not in given_up}
            return await self.update(tenant.name, limits=wanted, etag=tenant.etag)

        return await rewritten(lambda: self.get(name), write)

    async def suspend(
        self, name: str, reason: str = "", *, running: Literal["finish", "pause"] = "finish"
    ) -> pb.Tenant:
        """Let a tenant read and do nothing else, until `resume`. Needs a platform admin.

        Its waiting runs wait; its mutations fail with reason TENANT_SUSPENDED.

        Args:
            name: the tenant.
            reason: shown to the tenant and in the audit log.
            running: what becomes of runs under way: `finish` lets them go on to their end, `pause`
                has them write a checkpoint and wait.
        """
        request = pb.SuspendTenantRequest(
            name=_names.tenant(name),
            reason=reason,
            running=choice("running", running, SUSPENDED_RUNS),
        )
        return (await self._calls.unary(self._stub.SuspendTenant, request)).tenant

    async def resume(self, name: str) -> pb.Tenant:
        """Take a suspension back; runs that it paused go on. Needs a platform admin."""
        request = pb.ResumeTenantRequest(name=_names.tenant(name))
        return (await self._calls.unary(self._stub.ResumeTenant, request)).tenant

    async def delete(
        self, name: str, *, cascade: bool = False, confirm: str = "", validate_only: bool = False
    ) -> None:
        """Delete a tenant that has nothing any more, or with `cascade` all it has, for good.

        ConflictError with reason RESOURCE_IN_USE as long as it has something, and even with
        `cascade` while runs are under way: cancel them first. Needs a platform admin.

        Args:
            name: the tenant.
            cascade: delete its runs, models, datasets and keys too.
            confirm: with `cascade`, the tenant's id once more.
            validate_only: check everything and change nothing.
        """
        request = pb.DeleteTenantRequest(
            name=_names.tenant(name), cascade=cascade, confirm=confirm, validate_only=validate_only
        )
        await self._calls.unary(self._stub.DeleteTenant, request)

    async def usage(self, name: str = "") -> pb.GetUsageResponse:
        """What is used, reserved and left: an entry for each dimension limited or in use.

        Where several limits bound a dimension, `scope` says whose is the one with the least room,
        and the numbers are that one's.
        """
        request = pb.GetUsageRequest(name=_names.tenant(name))
        return await self._calls.unary(self._stub.GetUsage, request)

    def ledger(self, name: str = "", *, filter: str = "") -> AsyncGenerator[pb.LedgerEntry, None]:
        """The bill: everything reserved, settled and released, newest first.

        The sum of `used_change` over a dimension, base model and period is what was used in it.
        `filter` is as in AIP-160, over `dimension` and `time`:
        `dimension="cost_per_month" AND time>="2026-11-01T00:00:00Z"`.
        """
        request = pb.ListLedgerRequest(parent=_names.tenant(name), filter=filter)
        return paged(self._calls, self._stub.ListLedger, request, lambda page: page.entries)

    def audit(self, name: str = "", *, filter: str = "") -> AsyncGenerator[pb.AuditEvent, None]:
        """Who did or tried what, newest first. Needs a tenant admin.

        Without a name a platform admin gets everything. `filter` is as in AIP-160, over
        `principal`, `method`, `result` and `time`: `result="PERMISSION_DENIED"`.
        """
        request = pb.ListAuditEventsRequest(parent=_names.tenant(name), filter=filter)
        return paged(
            self._calls, self._stub.ListAuditEvents, request, lambda page: page.audit_events
        )


def _sensitive_data(policy: SensitiveData | None) -> Any:
    return None if policy is None else choice("sensitive_data", policy, SENSITIVE_DATA)
