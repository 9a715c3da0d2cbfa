"""What several servicers read out of requests."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tunesmith.v1 import common_pb2 as common

from tunesmith_server.app.once import Once
from tunesmith_server.app.pages import PageRequest
from tunesmith_server.domain.errors import InvalidArgument

CURRENCY = "USD"
"""Of every amount here; one per installation."""


def page(request: Message) -> PageRequest:
    """The page of a list that is asked for."""
    return PageRequest(
        request.page_size,  # type: ignore[attr-defined]
        request.page_token,  # type: ignore[attr-defined]
        getattr(request, "filter", ""),  # not every list has one
    )


def once_of(request: Message, method: str) -> Once | None:
    """What makes a retry of a mutation safe; None without a request_id."""
    request_id = getattr(request, "request_id", "")
    if not request_id:
        return None
    body = type(request)()
    body.CopyFrom(request)
    body.ClearField("request_id")
    return Once(request_id, method, digest(body))


def resource_of(request: object) -> str:
    """The name that a request is about, for the audit log; empty where it has none."""
    for field in ("name", "parent"):
        if name := getattr(request, field, ""):
            return str(name)
    for field in ("fine_tune", "tenant", "model", "base_model", "header"):
        if inner := getattr(request, field, None):
            return "" if isinstance(inner, str) else resource_of(inner)
    return ""


def digest(body: Message) -> str:
    """A hash of a request's canonical encoding."""
    return hashlib.sha256(body.SerializeToString(deterministic=True)).hexdigest()


def masked(
    message: Message, paths: Sequence[str] | None, settable: Sequence[str], field: str
) -> frozenset[str]:
    """The fields that an update sets: those of the mask, `*` for all, or those that are set.

    Raises InvalidArgument with every path that cannot be set.
    """
    if not paths:
        return frozenset(f.name for f, _ in message.ListFields() if f.name in settable)
    wanted = {path.removeprefix(f"{field}.") for path in paths}
    if "*" in wanted:
        return frozenset(settable)
    if unknown := sorted(wanted - set(settable)):
        raise InvalidArgument.of(
            "update_mask",
            f"{', '.join(unknown)} cannot be set; these can: {', '.join(sorted(settable))}",
        )
    return frozenset(wanted)


def optional(message: Message, *fields: str) -> Mapping[str, object]:
    """The optional fields that are set, by name; None for the others."""
    return {field: getattr(message, field) if message.HasField(field) else None for field in fields}


def moment(stamp: Timestamp, field: str) -> datetime:
    """The moment that a request names, or InvalidArgument."""
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument.of(
            field, f"{stamp.seconds} s since 1970 is in none of the years 1 to 9999"
        ) from None


def stretch(length: Duration, field: str) -> timedelta:
    """The stretch of time that a request names, or InvalidArgument."""
    try:
        return length.ToTimedelta()
    except (ValueError, OverflowError):
        raise InvalidArgument.of(field, f"{length.seconds} s is longer than 10,000 years") from None


def duration(seconds: float) -> Duration:
    """A stretch of time for an answer."""
    length = Duration()
    length.FromTimedelta(timedelta(seconds=seconds))
    return length


def timestamp(at: object) -> Timestamp | None:
    """A moment for an answer; None stays unset."""
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)  # type: ignore[arg-type]
    return stamp


def money(micros: int) -> common.Money:
    """An amount in the installation's currency."""
    return common.Money(currency_code=CURRENCY, micros=micros)


def price(micros_per_million: int) -> common.Price:
    """What trained tokens cost."""
    return common.Price(training_per_million_tokens=money(micros_per_million))
