"""What calls raise.

* TunesmithError
  - InvalidArgumentError    `violations` says which fields and why
  - AuthenticationError     no key, or one that opens nothing
  - PermissionDeniedError   the key's role does not allow the call, or its tenant is suspended
  - NotFoundError           the thing named is not there, or not the caller's; `resource` names it
  - AlreadyExistsError      the name is taken; `resource` names it
  - ConflictError           the state of things forbids it, or somebody else changed it first
  - QuotaExceededError      a limit of the tenant would be passed; `violations` says which
  - RateLimitedError        too much at once; the same call works after `retry_after` seconds
  - StorageFullError        the service has no room; nothing was kept, an operator must make room
  - UnavailableError        worth another try, after `retry_after` seconds if that is set
  - NotBuiltYetError        in the contract, but not in this version of the service
  - ConfigurationError      the settings of this machine do not say whom to call

Anything that is a bug of the service is a bare TunesmithError. Transport errors never come through.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2


@dataclass(frozen=True)
class Violation:
    """One thing wrong: a field by its path, or a subject whose limit or state is in the way."""

    field: str
    description: str

    def __str__(self) -> str:
        return f"{self.field}: {self.description}" if self.field else self.description


@dataclass(frozen=True)
class Details:
    """What came with a failure besides its words."""

    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    retry_after: float | None = None
    resource: str = ""


class TunesmithError(Exception):
    """Base of every error that a call raises. `reason` never changes, the words may.

    Attributes:
        reason: a constant of `tunesmith.v1.ErrorReason`, such as `QUOTA_EXCEEDED`; empty if the
            failure did not come from the service itself, such as a lost connection.
        code: the gRPC status, such as `NOT_FOUND`; empty if there was no call.
        metadata: the numbers behind the reason, such as `limit`.
    """

    def __init__(self, message: str, *, code: str = "", details: Details | None = None) -> None:
        super().__init__(message)
        details = details or Details()
        self.code = code
        self.reason = details.reason
        self.metadata = details.metadata
        self.violations = details.violations
        self.retry_after = details.retry_after
        self.resource = details.resource


class InvalidArgumentError(TunesmithError):
    """The request can never work as it is."""


class AuthenticationError(TunesmithError):
    """No key, or one that opens nothing."""


class PermissionDeniedError(TunesmithError):
    """The key's role does not allow the call, or its tenant is suspended."""


class NotFoundError(TunesmithError):
    """The thing named is not there, or not the caller's."""


class AlreadyExistsError(TunesmithError):
    """The name is taken."""


class ConflictError(TunesmithError):
    """The state of things forbids it, or somebody else changed it first."""


class QuotaExceededError(TunesmithError):
    """A limit of the tenant would be passed."""


class RateLimitedError(TunesmithError):
    """Too much at once: the same call works after `retry_after` seconds."""


class StorageFullError(TunesmithError):
    """The service has no room. Nothing was kept; the same call works once an operator made room."""


class UnavailableError(TunesmithError):
    """Worth another try."""


class NotBuiltYetError(TunesmithError):
    """In the contract, but not in this version of the service."""


class ConfigurationError(TunesmithError):
    """The settings of this machine do not say whom to call."""


REASONS: dict[str, type[TunesmithError]] = {
    "FIELD_INVALID": InvalidArgumentError,
    "RESOURCE_NOT_FOUND": NotFoundError,
    "RESOURCE_EXISTS": AlreadyExistsError,
    "STATE_FORBIDS": ConflictError,
    "FIELD_IMMUTABLE": ConflictError,
    "RESOURCE_IN_USE": ConflictError,
    "ETAG_MISMATCH": ConflictError,
    "QUOTA_EXCEEDED": QuotaExceededError,
    "RATE_LIMITED": RateLimitedError,
    "CURSOR_EXPIRED": InvalidArgumentError,
    "CURSOR_INVALID": InvalidArgumentError,
    "PAGE_TOKEN_INVALID": InvalidArgumentError,
    "REQUEST_ID_REUSED": InvalidArgumentError,
    "REQUEST_IN_PROGRESS": UnavailableError,
    "UNAUTHENTICATED": AuthenticationError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "TENANT_SUSPENDED": PermissionDeniedError,
    "DATASET_NOT_READY": ConflictError,
    "DATASET_UNSUITABLE": InvalidArgumentError,
    "BASE_MODEL_UNKNOWN": InvalidArgumentError,
    "BASE_MODEL_SHUT_DOWN": InvalidArgumentError,
    "NAMING_POLICY": InvalidArgumentError,
    "BACKEND_UNAVAILABLE": UnavailableError,
    "BACKEND_UNSUITABLE": InvalidArgumentError,
    "MODEL_LOADING": UnavailableError,
    "MODEL_UNAVAILABLE": ConflictError,
    "CONTEXT_LENGTH_EXCEEDED": InvalidArgumentError,
    "PAYLOAD_TOO_LARGE": InvalidArgumentError,
    "CHECKSUM_MISMATCH": InvalidArgumentError,
    "OFFSET_MISMATCH": InvalidArgumentError,
    "STORAGE_FULL": StorageFullError,
    "PLAN_STALE": ConflictError,
    "GATE_NOT_MET": ConflictError,
    "CONSENT_MISSING": ConflictError,
    "SOURCE_UNREADABLE": ConflictError,
    "ATTEMPT_FENCED": ConflictError,
    "OVERLOADED": UnavailableError,
    "INTERNAL": TunesmithError,
    "NOT_BUILT_YET": NotBuiltYetError,
}
"""What each reason of the contract is raised as: by what its caller can do about it.

Not always what its code says: of the reasons with FAILED_PRECONDITION some pass and some never do.
"""

KINDS: dict[grpc.StatusCode, type[TunesmithError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgumentError,
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.FAILED_PRECONDITION: ConflictError,
    grpc.StatusCode.ABORTED: ConflictError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: QuotaExceededError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: UnavailableError,
    grpc.StatusCode.CANCELLED: UnavailableError,
    grpc.StatusCode.DATA_LOSS: UnavailableError,
    grpc.StatusCode.UNIMPLEMENTED: NotBuiltYetError,
}
"""For failures without a reason, and for the reasons of a service newer than this client."""


def unreachable(address: str, *, tls: bool = False) -> UnavailableError:
    """The error for a service that takes no connection."""
    if tls:
        return UnavailableError(
            f"no TLS connection to {address}. Is the service there, and does it speak TLS? Is its "
            "certificate for that name, from a root of tls_ca_file (TUNESMITH_TLS_CA_FILE) or of "
            "the system? Does it ask for one of yours: tls_cert_file and tls_key_file?",
            code=grpc.StatusCode.UNAVAILABLE.name,
        )
    return UnavailableError(
        f"no Tunesmith service answers at {address}. Start one there with `tunesmithd serve`, or "
        "name the right address: --address HOST:PORT, TUNESMITH_ADDRESS, or a context in "
        "~/.config/tunesmith/config.toml",
        code=grpc.StatusCode.UNAVAILABLE.name,
    )


_CUT = "Internal error from Core"
"""What grpc.aio says where a stream that it was writing to was cut off at just that moment."""


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Raise what a call to `address` raises as a TunesmithError."""
    try:
        yield
    except grpc.RpcError as error:
        # what a call raises is a Call too, in both flavours; the base class does not say so
        raise _translate(error, address) from None


def _translate(error: Any, address: str) -> TunesmithError:
    code: grpc.StatusCode = error.code()
    details = _details(error.trailing_metadata() or ())
    message = error.details() or code.name
    if not details.reason:  # the transport speaks, not the service
        if code is grpc.StatusCode.INTERNAL and message == _CUT:
            code = grpc.StatusCode.UNAVAILABLE
        if code is grpc.StatusCode.UNAVAILABLE:
            message = f"lost the connection to {address} ({message})"
        elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
            message = f"no answer from {address} in time"
        elif code is grpc.StatusCode.UNIMPLEMENTED:
            message = f"the service at {address} does not know this call: is it older? ({message})"
    kind = REASONS.get(details.reason) or KINDS.get(code, TunesmithError)
    return kind(message, code=code.name, details=details)


def _details(metadata: Any) -> Details:
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    quota, retry = error_details_pb2.QuotaFailure(), error_details_pb2.RetryInfo()
    state, resource = error_details_pb2.PreconditionFailure(), error_details_pb2.ResourceInfo()
    known: tuple[Message, ...] = (info, bad, quota, retry, state, resource)
    for detail in _status(metadata).details:
        for message in known:
            detail.Unpack(message)  # does nothing if it is another kind
    delay = retry.retry_delay.ToTimedelta().total_seconds()
    return Details(
        reason=info.reason,
        metadata=dict(info.metadata),
        violations=(
            *(Violation(v.field, v.description) for v in bad.field_violations),
            *(Violation(v.subject, v.description) for v in quota.violations),
            *(Violation(v.subject, v.description) for v in state.violations),
        ),
        retry_after=delay or None,
        resource=resource.resource_name,
    )


def _status(metadata: Any) -> status_pb2.Status:
    for key, value in metadata:
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:  # a proxy's idea of details: the code is enough then
                break
    return status_pb2.Status()
