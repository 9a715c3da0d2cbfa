"""What several servicers read out of requests."""

import hashlib
from collections.abc import Mapping

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tunesmith_server.app.once import Once
from tunesmith_server.app.pages import PageRequest


def page(request: Message) -> PageRequest:
    """The page of a list that is asked for."""
    return PageRequest(request.page_size, request.page_token)  # type: ignore[attr-defined]


def once(request: Message, method: str) -> Once | None:
    """What makes a retry of a mutation safe; None without a request_id."""
    request_id = request.request_id  # type: ignore[attr-defined]
    if not request_id:
        return None
    body = type(request)()
    body.CopyFrom(request)
    body.ClearField("request_id")
    return Once(request_id, method, digest(body))


def digest(body: Message) -> str:
    """A hash of a request's canonical encoding."""
    return hashlib.sha256(body.SerializeToString(deterministic=True)).hexdigest()


def optional(message: Message, *fields: str) -> Mapping[str, object]:
    """The optional fields that are set, by name; None for the others."""
    return {field: getattr(message, field) if message.HasField(field) else None for field in fields}


def timestamp(moment: object) -> Timestamp | None:
    """A moment for an answer; None stays unset."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)  # type: ignore[arg-type]
    return stamp
