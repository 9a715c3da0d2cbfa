"""Domain errors as OpenAI's error envelopes, so that every client raises its right class.

The old client (openai 0.x) knows 400, 404 and 415 as InvalidRequestError, takes 422 for a broken
answer, and repeats a 409 on completions for ever: neither is ever sent. Modern clients repeat 429
and 5xx by themselves unless `x-should-retry: false` says that it is of no use.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.responses import Response

from tunesmith_server.domain import errors

INVALID_REQUEST = "invalid_request_error"


@dataclass(frozen=True)
class Envelope:
    """What the caller of a failed request gets."""

    status: int
    message: str
    type: str = INVALID_REQUEST
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None
    """Seconds; None where repeating is of no use, or up to the caller."""
    repeatable: bool = True
    """False where clients must not repeat it by themselves, whatever the status."""

    def body(self) -> dict[str, dict[str, str | None]]:
        """As JSON."""
        names = ("message", "type", "param", "code")
        return {"error": {name: getattr(self, name) for name in names}}

    def response(self) -> Response:
        """As an answer."""
        headers = {}
        if self.retry_after is not None:
            headers["retry-after"] = str(max(1, round(self.retry_after)))
        elif self.status == 429 or not self.repeatable:
            headers["x-should-retry"] = "false"
        if self.status == 408:
            headers["connection"] = "close"
        # not after a 413: a client that is still sending would see a reset instead of the answer.
        # What comes of the body is thrown away
        return json_response(self.body(), self.status, headers)


class Refused(Exception):
    """Something about the HTTP request itself is wrong; nothing was called."""

    def __init__(self, envelope: Envelope) -> None:
        super().__init__(envelope.message)
        self.envelope = envelope

    @property
    def cause(self) -> errors.DomainError:
        """The same in the domain's terms: what goes on record."""
        message = self.envelope.message
        match self.envelope.status:
            case 401:
                return errors.Unauthenticated(message)
            case 403:
                return errors.PermissionDenied(message)
            case 404:
                return errors.NotFound(message)
            case _:
                return errors.InvalidArgument.of(self.envelope.param or "", message)


def refused(message: str, param: str | None = None, *, status: int = 400) -> Refused:
    """A request that cannot be understood."""
    return Refused(Envelope(status, message, param=param))


@contextmanager
def naming_models() -> Iterator[None]:
    """What is not found within is a model, whatever form of a name it was asked for by."""
    try:
        yield
    except errors.NotFound as error:
        raise Refused(_no_model(_kind_and_id(error.name)[1])) from None


def json_response(
    body: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """JSON; never text/plain, which the old client takes for a bare string."""
    return Response(
        json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        status,
        headers,
        media_type="application/json",
    )


def envelope(error: errors.DomainError) -> Envelope:
    """The envelope of a refusal."""
    message = _plain(str(error))
    match error:
        case errors.BaseModelUnknown(violations=(first, *_)):
            return Envelope(404, first.description, param="model", code="model_not_found")
        case errors.PromptTooLong():
            message = error.violations[0].description
            return Envelope(400, message, param="messages", code="context_length_exceeded")
        case errors.CursorInvalid(violations=(first, *_)):
            return Envelope(400, f"Last-Event-ID {first.description}", param="Last-Event-ID")
        case errors.RequestIdReused():
            message = "This Idempotency-Key came before with another request: use a new one."
            return Envelope(400, message, code="idempotency_key_reused")
        case errors.PayloadTooLarge(violations=(first, *_)):
            return Envelope(413, _plain(first.description))
        case errors.InvalidArgument(violations=(first, *_)):
            faults = (f"{_param(each.field)}: {each.description}" for each in error.violations)
            return Envelope(400, _plain("; ".join(faults)), param=_param(first.field))
        case errors.Unauthenticated():
            return Envelope(401, message, code="invalid_api_key")
        case errors.PermissionDenied():
            return Envelope(403, message, code="insufficient_permissions")
        case errors.NotFound():
            return _not_found(error.name)
        case errors.TenantSuspended():
            return Envelope(403, message, code="account_deactivated")
        case errors.DatasetNotReady():
            return Envelope(400, message, param="training_file", code="invalid_training_file")
        case errors.RateLimited():
            return Envelope(
                429, message, "requests", None, "rate_limit_exceeded", error.retry_after
            )
        case errors.QuotaExceeded():
            return Envelope(429, message, "insufficient_quota", None, _quota_code(error))
        case errors.StorageFull():
            return Envelope(507, message, "server_error", None, "storage_full")
        case errors.OutcomeUnknown():  # repeated blindly, it might be done twice
            return Envelope(503, message, "server_error", None, "outcome_unknown", repeatable=False)
        case errors.Unavailable() | errors.RequestInProgress():
            return Envelope(
                503, message, "server_error", None, error.reason.lower(), error.retry_after
            )
        case _:  # the state forbids it, the name is taken, it is not built yet
            return Envelope(400, message, code=error.reason.lower())


def internal(incident: str) -> Envelope:
    """What the caller gets of a bug: where to find it in the log, and nothing else."""
    return Envelope(
        500,
        f"The server had an error while processing your request, incident {incident}.",
        "server_error",
    )


def _not_found(name: str) -> Envelope:
    kind, id = _kind_and_id(name)
    if kind == "model":
        return _no_model(id)
    if kind:
        return Envelope(404, f"No such {kind}: {id}", param="id")
    return Envelope(404, f"{name} does not exist")


def _no_model(id: str) -> Envelope:
    words = f"The model '{id}' does not exist"
    return Envelope(404, words, param="model", code="model_not_found")


def _quota_code(error: errors.QuotaExceeded) -> str:
    per_day = all("per_day" in violation.dimension for violation in error.violations)
    return "daily_rate_limit_exceeded" if per_day else "insufficient_quota"


def _kind_and_id(name: str) -> tuple[str, str]:
    """What kind of thing a name is of, and its id, which may be any text that somebody asked for.

    Of a name of another form the kind is empty and the id all of it.
    """
    if found := _NAME.fullmatch(name):
        return _KINDS.get(found[1], ""), found[2]
    return "", name


def _param(field: str) -> str:
    """The field of our contract under the name that it has here."""
    last = field.rpartition(".")[2]
    return _PARAMS.get(last, last)


def _plain(message: str) -> str:
    """Words about our resources in the words of this surface."""
    return _NAMES.sub(r"\1", message)


_NAMES = re.compile(r"tenants/[a-z0-9.-]+/(?:fineTunes|datasets|models|uploads)/([a-z0-9._-]+)")
_NAME = re.compile(
    r"(?:tenants/[^/]*/)?(datasets|fineTunes|models|baseModels|uploads)/(.*)", re.DOTALL
)
_KINDS = {
    "datasets": "File object",
    "fineTunes": "fine-tune job",
    "models": "model",
    "baseModels": "model",
    "uploads": "Upload object",
}
_PARAMS = {
    "base_model": "model",
    "training_dataset": "training_file",
    "validation_dataset": "validation_file",
    "n_classes": "classification_n_classes",
    "positive_class": "classification_positive_class",
    "betas": "classification_betas",
    "dataset_id": "file",
    "finish": "file",
}
