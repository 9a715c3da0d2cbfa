"""A request_id makes a retry safe: the same id and body give the first answer again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from tunesmith_server.domain.errors import FieldViolation, RequestIdReused
from tunesmith_server.ports import Remembered, TenantScope

T = TypeVar("T")


@dataclass(frozen=True)
class Once:
    """What tells a repeated request from a new one."""

    request_id: str
    method: str
    body_hash: str
    """Of the canonical body without the request_id."""


def once(
    scope: TenantScope, request: Once | None, at: datetime, kind: type[T], make: Callable[[], T]
) -> T:
    """What `make` returns, or what it returned when the same request came first.

    The claim, the effect and the answer are one transaction: a failure leaves none of them.
    """
    if request is None:
        return make()
    claim = Remembered(request.method, request.body_hash, b"")
    first = scope.remember(request.request_id, claim, at)
    if first is None:
        answer = make()
        scope.set_answer(request.request_id, msgspec.json.encode(answer))
        return answer
    if (first.method, first.body_hash) != (request.method, request.body_hash):
        raise RequestIdReused(
            [FieldViolation("request_id", "was used before with another method or body")]
        )
    return msgspec.json.decode(first.answer, type=kind)
