"""Domain errors as google.rpc.Status: the one place that knows status codes."""

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from tunesmith_server.domain import errors

DOMAIN = "tunesmith.dev"

CODES: dict[type[errors.DomainError], int] = {
    errors.InvalidArgument: code_pb2.INVALID_ARGUMENT,
    errors.CursorInvalid: code_pb2.INVALID_ARGUMENT,
    errors.PageTokenInvalid: code_pb2.INVALID_ARGUMENT,
    errors.RequestIdReused: code_pb2.INVALID_ARGUMENT,
    errors.NamingPolicyBroken: code_pb2.INVALID_ARGUMENT,
    errors.BaseModelUnknown: code_pb2.INVALID_ARGUMENT,
    errors.DatasetUnsuitable: code_pb2.INVALID_ARGUMENT,
    errors.PromptTooLong: code_pb2.INVALID_ARGUMENT,
    errors.ChecksumMismatch: code_pb2.INVALID_ARGUMENT,
    errors.PayloadTooLarge: code_pb2.INVALID_ARGUMENT,
    errors.Unauthenticated: code_pb2.UNAUTHENTICATED,
    errors.PermissionDenied: code_pb2.PERMISSION_DENIED,
    errors.NotFound: code_pb2.NOT_FOUND,
    errors.AlreadyExists: code_pb2.ALREADY_EXISTS,
    errors.PreconditionFailed: code_pb2.FAILED_PRECONDITION,
    errors.DatasetNotReady: code_pb2.FAILED_PRECONDITION,
    errors.TenantSuspended: code_pb2.FAILED_PRECONDITION,
    errors.ResourceInUse: code_pb2.FAILED_PRECONDITION,
    errors.FieldImmutable: code_pb2.FAILED_PRECONDITION,
    errors.BackendUnsuitable: code_pb2.FAILED_PRECONDITION,
    errors.SourceUnreadable: code_pb2.FAILED_PRECONDITION,
    errors.PlanStale: code_pb2.ABORTED,
    errors.RateLimited: code_pb2.RESOURCE_EXHAUSTED,
    errors.EtagMismatch: code_pb2.ABORTED,
    errors.QuotaExceeded: code_pb2.RESOURCE_EXHAUSTED,
    errors.StorageFull: code_pb2.RESOURCE_EXHAUSTED,
    errors.OffsetMismatch: code_pb2.OUT_OF_RANGE,
    errors.RequestInProgress: code_pb2.ABORTED,
    errors.CursorExpired: code_pb2.OUT_OF_RANGE,
    errors.Unavailable: code_pb2.UNAVAILABLE,
    errors.OutcomeUnknown: code_pb2.UNAVAILABLE,
    errors.ModelLoading: code_pb2.UNAVAILABLE,
    errors.NotBuiltYet: code_pb2.UNIMPLEMENTED,
}


def to_status(error: errors.DomainError) -> status_pb2.Status:
    """What the caller gets: code, words, an ErrorInfo with the reason, and the particulars."""
    info = error_details_pb2.ErrorInfo(
        reason=error.reason, domain=DOMAIN, metadata=_metadata(error)
    )
    status = status_pb2.Status(code=CODES[type(error)], message=str(error))
    for detail in (info, *_particulars(error)):
        status.details.add().Pack(detail)
    return status


def internal(incident: str) -> status_pb2.Status:
    """What the caller gets of a bug: where to find it in the log, and nothing else."""
    message = f"internal error, incident {incident}"
    status = status_pb2.Status(code=code_pb2.INTERNAL, message=message)
    info = error_details_pb2.ErrorInfo(
        reason="INTERNAL", domain=DOMAIN, metadata={"incident": incident}
    )
    status.details.add().Pack(info)
    return status


def _metadata(error: errors.DomainError) -> dict[str, str]:
    """What `errors.proto` says comes with the reason, for programs."""
    match error:
        case errors.QuotaExceeded(violations=(first, *_)):
            return {
                "dimension": first.dimension,
                "limit": str(first.limit),
                "used": str(first.used),
                "requested": str(first.asked),
                "scope": first.scope,
            }
        case errors.CursorExpired():
            return {"oldest_sequence": str(error.oldest)}
        case errors.OffsetMismatch():
            return {"received_bytes": str(error.received)}
        case errors.PayloadTooLarge():
            return {"limit_bytes": str(error.limit)}
        case errors.SourceUnreadable():
            return {"status": error.status} if error.status else {}
        case errors.NamingPolicyBroken(rule=rule, suggestion=suggestion):
            return {"rule": rule} | ({"suggestion": suggestion} if suggestion else {})
        case _:
            return {}


def _particulars(error: errors.DomainError) -> Iterable[Message]:
    match error:
        case errors.InvalidArgument():
            bad = error_details_pb2.BadRequest()
            for violation in error.violations:
                bad.field_violations.add(field=violation.field, description=violation.description)
            yield bad
        case errors.QuotaExceeded():
            failure = error_details_pb2.QuotaFailure()
            for passed in error.violations:
                failure.violations.add(subject=f"tenants/{error.tenant}", description=str(passed))
            yield failure
        case errors.PreconditionFailed():
            precondition = error_details_pb2.PreconditionFailure()
            precondition.violations.add(
                type=error.reason, subject=error.subject, description=error.description
            )
            yield precondition
        case errors.NotFound() | errors.AlreadyExists():
            yield error_details_pb2.ResourceInfo(resource_name=error.name)
        case errors.Unavailable() | errors.RateLimited() | errors.RequestInProgress():
            seconds, rest = divmod(error.retry_after, 1)
            yield error_details_pb2.RetryInfo(
                retry_delay=Duration(seconds=int(seconds), nanos=int(rest * 1e9))
            )
