"""A request_id makes a retry safe: the same id and body give the first answer again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from tunesmith_server.domain.errors import FieldViolation, RequestIdReused
from tunesmith_server.ports import Remembered, Transaction

T = TypeVar("T")


@dataclass(frozen=True)
class Once:
    """What tells a repeated request from a new one."""

    request_id: str
    method: str
    body_hash: str
    """Of the canonical body without the request_id."""


def once(
    tx: Transaction,
    tenant: str,
    request: Once | None,
    at: datetime,
    kind: type[T],
    make: Callable[[], T],
) -> tuple[T, bool]:
    """What `make` returns, or returned when the same request came first; and whether it ran now.

    The claim, the effect and the answer are one transaction: a failure leaves none of them. Ids of
    different tenants never meet; `tenant` is empty for what no tenant owns.
    """
    if request is None:
        return make(), True
    claim = Remembered(request.method, request.body_hash, b"")
    first = tx.system.remember(tenant, request.request_id, claim, at)
    if first is None:
        answer = make()
        tx.system.set_answer(tenant, request.request_id, msgspec.json.encode(answer))
        return answer, True
    return _answer(request, first, kind), False


def remembered(tx: Transaction, tenant: str, request: Once | None, kind: type[T]) -> T | None:
    """The answer that a request had when it came first; None if it did not come before.

    For who would take long only to find out at the end. RequestIdReused.
    """
    first = tx.system.remembered(tenant, request.request_id) if request else None
    return _answer(request, first, kind) if request and first else None


def _answer(request: Once, first: Remembered, kind: type[T]) -> T:
    if (first.method, first.body_hash) != (request.method, request.body_hash):
        raise RequestIdReused(
            [FieldViolation("request_id", "was used before with another method or body")]
        )
    return msgspec.json.decode(first.answer, type=kind)
