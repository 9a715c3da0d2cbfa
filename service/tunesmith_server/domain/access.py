"""Who may do what: roles, principals and the one table of role × method. Deny by default."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a credential is for."""

    PLATFORM_ADMIN = "platform-admin"
    TENANT_ADMIN = "tenant-admin"
    EDITOR = "editor"
    VIEWER = "viewer"
    INFERENCE = "inference"


@dataclass(frozen=True)
class Principal:
    """Who calls. `tenant` is None for a platform administrator alone."""

    id: str
    tenant: str | None
    role: Role


SYSTEM: Final = Principal("system", None, Role.PLATFORM_ADMIN)
"""Who does what nobody has asked for: nobody's key."""


_PLATFORM = frozenset({Role.PLATFORM_ADMIN})
_ADMIN = _PLATFORM | {Role.TENANT_ADMIN}
_EDIT = _ADMIN | {Role.EDITOR}
_VIEW = _EDIT | {Role.VIEWER}
_INFER = _VIEW | {Role.INFERENCE}
_RUNNER: frozenset[Role] = frozenset()  # a run-scoped token, never a role, opens RunnerService

_TABLE: dict[str, dict[frozenset[Role], str]] = {
    "FineTuneService": {
        _EDIT: "CreateFineTune UpdateFineTune CancelFineTune PauseFineTune ResumeFineTune"
        " DeleteFineTune",
        _VIEW: "GetFineTune ListFineTunes PlanFineTune ExplainFineTune WaitFineTune"
        " ListFineTuneEvents WatchFineTune WatchFineTunes ListCheckpoints GetResults",
    },
    "DatasetService": {
        _EDIT: "UploadDataset GetUpload ImportDataset DeleteDataset PrepareDataset SplitDataset",
        _VIEW: "GetDataset ListDatasets ListDatasetVersions GetDatasetStatistics"
        " DownloadDataset ValidateDataset ListDescendants",
    },
    "ModelService": {
        _EDIT: "UpdateModel DeleteModel SetAlias RollbackAlias ExportModel EvaluateModel",
        _ADMIN: "ShareModel AcceptShare UnshareModel",
        _VIEW: "ListAliases ListModelShares",
        _INFER: "GetModel ListModels Complete StreamComplete Chat StreamChat",
    },
    "TenantService": {
        _PLATFORM: "CreateTenant ListTenants UpdateTenant DeleteTenant SuspendTenant ResumeTenant",
        _ADMIN: "CreateApiKey ListApiKeys RotateApiKey RevokeApiKey ListAuditEvents",
        _VIEW: "GetTenant GetUsage ListLedger",
        _INFER: "WhoAmI",
    },
    "CatalogService": {
        _PLATFORM: "CreateBaseModel UpdateBaseModel DeleteBaseModel CreateConnection"
        " UpdateConnection DeleteConnection GetConnection ListConnections",
        _VIEW: "GetBaseModel ListBaseModels ListBackends",
    },
    "RunnerService": {_RUNNER: "Report RegisterCheckpoint CompleteRun"},
}

ALLOWED: dict[str, frozenset[Role]] = {
    f"{service}/{method}": roles
    for service, rows in _TABLE.items()
    for roles, methods in rows.items()
    for method in methods.split()
}
"""`Service/Method` → the roles that may call it. A method that is missing here may be called by
nobody, and a test compares the table with the contract's descriptors."""


_HARMLESS = (
    *("Get", "List", "Watch", "Wait", "Plan", "Explain", "Validate", "Download", "WhoAmI"),
    *("Complete", "StreamComplete", "Chat", "StreamChat"),
)
"""What the names of methods begin with that change nothing."""


def changes(method: str) -> bool:
    """Whether `Service/Method` changes something. A test compares with what the contract marks."""
    name = method.rpartition("/")[2]
    if name == "CompleteRun":
        return True
    return not any(
        name == verb or (name.startswith(verb) and name[len(verb)].isupper()) for verb in _HARMLESS
    )


def may_call(role: Role, method: str) -> bool:
    """Whether `role` may call `method`, given as `Service/Method`."""
    return role in ALLOWED.get(method, frozenset())
