"""Everything that can go wrong for a reason a caller can act on.

* DomainError
  - InvalidArgument       the request can never work as it is
    - CursorInvalid       a cursor that this server did not give for this run
    - PageTokenInvalid    a page token that this server did not give for this list
    - RequestIdReused     the same request_id came with another body
    - NamingPolicyBroken  a suffix that the tenant's naming rules forbid
    - BaseModelUnknown    no such base model in the catalogue
    - DatasetUnsuitable   sound data, but not for what the run is to do
    - PromptTooLong       more tokens than the model's context holds
    - ChecksumMismatch    what arrived is not what was sent
    - PayloadTooLarge     more bytes than the installation takes
  - Unauthenticated       no credential, or one that opens nothing
  - PermissionDenied      the credential's role does not allow the call
  - NotFound              the thing named is not there, or not the caller's
  - AlreadyExists         the name is taken
  - PreconditionFailed    it could work, but not in the present state
    - DatasetNotReady     the dataset has errors; its report tells which
    - TenantSuspended     the tenant may not act; reading still works
    - ResourceInUse       something still uses the resource
    - FieldImmutable      the update would change what is fixed once made
    - BackendUnsuitable   no backend here can do what is asked
    - SourceUnreadable    the source of an import could not be read
  - EtagMismatch          somebody else changed it first
  - PlanStale             what the plan was made from has changed
  - QuotaExceeded         the tenant's limit would be passed
  - RateLimited           too many in this minute
  - StorageFull           no room to keep what was sent
  - OffsetMismatch        a piece of an upload does not begin where the upload stands
  - RequestInProgress     the first call with this request_id has not ended
  - CursorExpired         the history asked for is no longer kept
  - Unavailable           something the platform needs is away; try again
    - OutcomeUnknown      it went away at the last moment: it may be done; look first
    - ModelLoading        the model is being brought into memory; try again
  - NotBuiltYet           in the contract, but not in this version of the service

`reason` is API: callers branch on it, so it never changes. `str(error)` is for people and may.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class DomainError(Exception):
    """Base of every error that is the caller's to act on. Anything else is a bug."""

    reason: ClassVar[str] = "UNKNOWN"


@dataclass(frozen=True)
class FieldViolation:
    """One field, as a path from the request's root, and what is wrong with it."""

    field: str
    description: str


class InvalidArgument(DomainError):
    """The request can never work as it is."""

    reason = "FIELD_INVALID"

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))
        self.violations = tuple(violations)

    @classmethod
    def of(cls, field: str, description: str) -> "InvalidArgument":
        """The error for a single field."""
        return cls([FieldViolation(field, description)])


class CursorInvalid(InvalidArgument):
    """A cursor that this server did not give for this run."""

    reason = "CURSOR_INVALID"


class PageTokenInvalid(InvalidArgument):
    """A page token that this server did not give for this list."""

    reason = "PAGE_TOKEN_INVALID"


class RequestIdReused(InvalidArgument):
    """The same request_id came with another body."""

    reason = "REQUEST_ID_REUSED"


class NamingPolicyBroken(InvalidArgument):
    """A suffix that the tenant's naming rules forbid.

    `rule` is the rule that is broken: `normalisation` or a field of the tenant's naming policy.
    `suggestion` keeps every rule; empty where none is at hand.
    """

    reason = "NAMING_POLICY"

    def __init__(
        self, violations: Sequence[FieldViolation], *, rule: str, suggestion: str = ""
    ) -> None:
        super().__init__(violations)
        self.rule = rule
        self.suggestion = suggestion


class BaseModelUnknown(InvalidArgument):
    """No such base model in the catalogue."""

    reason = "BASE_MODEL_UNKNOWN"


class DatasetUnsuitable(InvalidArgument):
    """Sound data, but not for what the run is to do with it."""

    reason = "DATASET_UNSUITABLE"


class PromptTooLong(InvalidArgument):
    """More tokens than the model's context holds."""

    reason = "CONTEXT_LENGTH_EXCEEDED"


class ChecksumMismatch(InvalidArgument):
    """What arrived is not what was sent."""

    reason = "CHECKSUM_MISMATCH"


class PayloadTooLarge(InvalidArgument):
    """More bytes than the installation takes."""

    reason = "PAYLOAD_TOO_LARGE"

    def __init__(self, field: str, description: str, *, limit: int) -> None:
        super().__init__([FieldViolation(field, description)])
        self.limit = limit


class Unauthenticated(DomainError):
    """No credential, or one that opens nothing. Unknown, revoked and expired look the same."""

    reason = "UNAUTHENTICATED"


class PermissionDenied(DomainError):
    """The credential's role does not allow the call."""

    reason = "PERMISSION_DENIED"


class NotFound(DomainError):
    """The thing named is not there, or belongs to another tenant: the caller cannot tell which."""

    reason = "RESOURCE_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} does not exist")
        self.name = name


class AlreadyExists(DomainError):
    """The name is taken."""

    reason = "RESOURCE_EXISTS"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} already exists")
        self.name = name


class PreconditionFailed(DomainError):
    """It could work, but not in the present state."""

    reason = "STATE_FORBIDS"

    def __init__(self, subject: str, description: str) -> None:
        super().__init__(f"{subject}: {description}")
        self.subject = subject
        self.description = description


class DatasetNotReady(PreconditionFailed):
    """The dataset has errors; its report tells which."""

    reason = "DATASET_NOT_READY"


class TenantSuspended(PreconditionFailed):
    """The tenant may not act. Reading still works."""

    reason = "TENANT_SUSPENDED"

    def __init__(self, tenant: str, why: str) -> None:
        super().__init__(tenant, "is suspended" + (f": {why}" if why else ""))


class ResourceInUse(PreconditionFailed):
    """Something still uses the resource."""

    reason = "RESOURCE_IN_USE"


class FieldImmutable(PreconditionFailed):
    """What the update would change is fixed once made."""

    reason = "FIELD_IMMUTABLE"


class BackendUnsuitable(PreconditionFailed):
    """No backend here can do what is asked, now or later."""

    reason = "BACKEND_UNSUITABLE"


class SourceUnreadable(PreconditionFailed):
    """The source of an import could not be read; `status` is what it answered, such as 404."""

    reason = "SOURCE_UNREADABLE"

    def __init__(self, uri: str, description: str, *, status: str = "") -> None:
        super().__init__(uri, description)
        self.status = status


class PlanStale(DomainError):
    """What the plan was made from has changed since."""

    reason = "PLAN_STALE"


class RateLimited(DomainError):
    """Too many in this minute; try again after `retry_after` seconds."""

    reason = "RATE_LIMITED"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class EtagMismatch(DomainError):
    """Somebody else changed it first."""

    reason = "ETAG_MISMATCH"


@dataclass(frozen=True)
class QuotaViolation:
    """A limit and by how much it would be passed, in the unit of the dimension."""

    dimension: str
    used: int
    """Settled and reserved together."""
    asked: int
    limit: int
    scope: str = ""
    """Whose limit it is."""

    @property
    def never_fits(self) -> bool:
        """Whether waiting is of no use: it is too much even when nothing else is used."""
        return self.asked > self.limit

    def __str__(self) -> str:
        whose = f" ({self.scope})" if self.scope else ""
        return (
            f"{self.dimension}{whose}: {self.used} in use + {self.asked} asked "
            f"> {self.limit} allowed"
        )


class QuotaExceeded(DomainError):
    """The tenant's limit would be passed."""

    reason = "QUOTA_EXCEEDED"

    def __init__(self, tenant: str, violations: Sequence[QuotaViolation]) -> None:
        super().__init__("; ".join(map(str, violations)))
        self.tenant = tenant
        self.violations = tuple(violations)


class StorageFull(DomainError):
    """No room to keep what was sent."""

    reason = "STORAGE_FULL"


class OffsetMismatch(DomainError):
    """A piece of an upload does not begin at `received`, where the upload stands (bytes)."""

    reason = "OFFSET_MISMATCH"

    def __init__(self, offset: int, received: int) -> None:
        super().__init__(
            f"chunk.offset: is {offset}, but {received} bytes have arrived: go on from there"
        )
        self.received = received


class RequestInProgress(DomainError):
    """The first call with this request_id has not ended; again after `retry_after` seconds."""

    reason = "REQUEST_IN_PROGRESS"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CursorExpired(DomainError):
    """The history asked for is no longer kept; `oldest` is the first sequence that still is."""

    reason = "CURSOR_EXPIRED"

    def __init__(self, oldest: int) -> None:
        super().__init__(f"the events asked for are no longer kept; the oldest kept is {oldest}")
        self.oldest = oldest


class Unavailable(DomainError):
    """Something the platform needs is away; try again after `retry_after` seconds."""

    reason = "BACKEND_UNAVAILABLE"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OutcomeUnknown(Unavailable):
    """The database went away at the commit, so the change may have been made or not.

    A caller looks first, or repeats with the same request_id, which never does a thing twice. The
    reason is that of Unavailable: clients retry by themselves only what is safe to repeat.
    """


class ModelLoading(Unavailable):
    """The model is being brought into memory; try again."""

    reason = "MODEL_LOADING"


class NotBuiltYet(DomainError):
    """In the contract, but not in this version of the service."""

    reason = "NOT_BUILT_YET"
