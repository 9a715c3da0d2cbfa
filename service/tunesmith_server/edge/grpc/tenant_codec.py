"""Tenants, keys, quota, bill and audit between the domain and the contract."""

from collections.abc import Sequence

from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import tenant_pb2 as pb

from tunesmith_server.app.admission import UsageRow
from tunesmith_server.app.tenants import Settings
from tunesmith_server.domain.access import Role
from tunesmith_server.domain.audit import AuditRecord
from tunesmith_server.domain.errors import FieldImmutable, FieldViolation, InvalidArgument
from tunesmith_server.domain.names import TenantName
from tunesmith_server.domain.quota import LedgerEntry, limit_key, scope_parts
from tunesmith_server.domain.tenant import ApiKey, SensitiveDataPolicy, SuspendedRuns, Tenant
from tunesmith_server.edge.grpc.naming_codec import naming_message, naming_policy
from tunesmith_server.edge.grpc.requests import masked, timestamp

ROLES = {role: getattr(pb, f"ROLE_{role.name}") for role in Role}
ROLE_OF = {number: role for role, number in ROLES.items()}
_RUNNING = {runs: getattr(pb, f"SUSPENDED_RUNS_{runs.name}") for runs in SuspendedRuns}
_POLICIES = {
    policy: pb.SENSITIVE_DATA_POLICY_UNSPECIFIED
    if policy is SensitiveDataPolicy.INHERITED
    else getattr(pb, f"SENSITIVE_DATA_POLICY_{policy.name}")
    for policy in SensitiveDataPolicy
}
_POLICY_OF = {number: policy for policy, number in _POLICIES.items()}
_SETTABLE = (
    "display_name",
    "organization",
    "labels",
    "annotations",
    "limits",
    "allowed_base_models",
    "share_weight",
    "naming",
    "sensitive_data",
)


def settings_of(tenant: pb.Tenant, paths: Sequence[str] | None = None) -> Settings:
    """What a request sets: the fields of the mask, or those that are set in the tenant."""
    if paths and "parent_tenant" in paths:
        raise FieldImmutable("tenant.parent_tenant", "is fixed once a tenant is made")
    fields = masked(tenant, paths, _SETTABLE, "tenant")
    return Settings(
        display_name=tenant.display_name if "display_name" in fields else None,
        organization=tenant.organization if "organization" in fields else None,
        labels=dict(tenant.labels) if "labels" in fields else None,
        annotations=dict(tenant.annotations) if "annotations" in fields else None,
        limits=_limits(tenant.limits) if "limits" in fields else None,
        allowed_base_models=tuple(tenant.allowed_base_models)
        if "allowed_base_models" in fields
        else None,
        share_weight=_weight(tenant) if "share_weight" in fields else None,
        naming=naming_policy(tenant.naming) if "naming" in fields else None,
        sensitive_data=_POLICY_OF[tenant.sensitive_data] if "sensitive_data" in fields else None,
        parent=TenantName.parse(tenant.parent_tenant, "tenant.parent_tenant").tenant
        if tenant.parent_tenant
        else None,
        etag=tenant.etag,
    )


def _weight(tenant: pb.Tenant) -> int:
    return tenant.share_weight if tenant.HasField("share_weight") else 1


def _limits(limits: Sequence[pb.QuotaLimit]) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for limit in limits:
        key = limit_key(limit.dimension, limit.base_model.removeprefix("baseModels/"))
        if key in found:
            raise InvalidArgument([FieldViolation("tenant.limits", f"{key} is there twice")])
        found[key] = None if limit.WhichOneof("limit") == "unlimited" else limit.value
    return found


def resource(tenant: Tenant) -> pb.Tenant:
    """The tenant as the contract shows it."""
    suspension = tenant.suspension
    return pb.Tenant(
        name=f"tenants/{tenant.id}",
        uid=tenant.uid or tenant.id,
        etag=str(tenant.version),
        labels=dict(tenant.labels),
        annotations=dict(tenant.annotations),
        display_name=tenant.display_name,
        create_time=timestamp(tenant.create_time),
        update_time=timestamp(tenant.update_time or tenant.create_time),
        organization=tenant.organization,
        state=pb.TENANT_STATE_SUSPENDED if suspension else pb.TENANT_STATE_ACTIVE,
        parent_tenant=f"tenants/{tenant.parent}" if tenant.parent else "",
        limits=[_limit(key, limit) for key, limit in sorted(tenant.limits.items())],
        allowed_base_models=tenant.allowed_base_models,
        share_weight=tenant.share_weight,
        naming=naming_message(tenant.naming),
        sensitive_data=_POLICIES[tenant.sensitive_data],
        suspended_runs=_RUNNING[suspension.running] if suspension else None,
        suspend_reason=suspension.reason if suspension else "",
    )


def _limit(key: str, limit: int | None) -> pb.QuotaLimit:
    dimension, _, base_model = key.partition("@")
    if limit is None:
        return pb.QuotaLimit(dimension=dimension, base_model=base_model, unlimited=True)
    return pb.QuotaLimit(dimension=dimension, base_model=base_model, value=limit)


def key(key: ApiKey) -> pb.ApiKey:
    """The key, without its secret, as the contract shows it."""
    return pb.ApiKey(
        name=f"tenants/{key.tenant}/apiKeys/{key.id}",
        role=ROLES[key.role],
        display_name=key.display_name,
        create_time=timestamp(key.create_time),
        expire_time=timestamp(key.expire_time),
        revoke_time=timestamp(key.revoke_time),
        last_use_time=timestamp(key.last_use_time),
    )


def quota_effect(row: UsageRow) -> common.QuotaEffect:
    """One dimension as the contract shows it."""
    return common.QuotaEffect(
        dimension=row.dimension,
        base_model=row.base_model,
        limit=row.limit,
        used=row.used,
        reserved=row.reserved,
        requested=row.requested,
        fits=row.fits,
        never_fits=row.limit is not None and row.requested > row.limit,
        reset_time=timestamp(row.reset_time),
        scope=row.source,
        remaining=row.remaining,
    )


def ledger_entry(entry: LedgerEntry) -> pb.LedgerEntry:
    """A line of the bill as the contract shows it."""
    return pb.LedgerEntry(
        time=timestamp(entry.time),
        dimension=entry.dimension,
        kind=entry.kind,
        amount=entry.amount,
        subject=entry.subject,
        used_change=entry.used_change,
        reserved_change=entry.reserved_change,
        tenant=f"tenants/{entry.tenant}",
        base_model=scope_parts(entry.scope)[1],
        period=entry.period,
    )


def audit_event(record: AuditRecord) -> pb.AuditEvent:
    """A record of the audit log as the contract shows it."""
    return pb.AuditEvent(
        time=timestamp(record.time),
        principal=record.principal,
        method=record.method,
        resource=record.resource,
        result=record.result,
        peer=record.peer,
        tenant=f"tenants/{record.tenant}" if record.tenant else "",
        call_id=record.call_id,
        detail=record.detail,
    )
