"""What every mutation has in common: done once, by one who may, in one transaction, on record."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import structlog

from tunesmith_server.app.once import Once, once
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.audit import DONE, AuditRecord
from tunesmith_server.domain.errors import DomainError, NotFound, TenantSuspended
from tunesmith_server.ports import Clock, Store, Transaction

log = structlog.get_logger(__name__)

T = TypeVar("T")

_MOST_WAITING = 10_000
"""Refused attempts kept in memory until they are written: bounds what a flood of them takes."""
_ANONYMOUS_A_MINUTE = 100
_BATCH = 500
_PAUSE = 0.2


@dataclass(frozen=True)
class Call:
    """One call of a caller, whatever edge it came through."""

    principal: Principal
    method: str
    """`Service/Method`."""
    id: str = ""
    peer: str = ""
    request: Once | None = None
    validate_only: bool = False


class _Rehearsed(Exception):  # not an error: it rolls the rehearsal back
    def __init__(self, answer: object) -> None:
        self.answer = answer


class _Quiet:
    """Lets some records a minute pass: whoever has no credential must not fill the disk."""

    def __init__(self) -> None:
        self._minute = ""
        self._passed = 0
        self._unheard = 0

    def admit(self, now: datetime) -> bool:
        """Whether one more may be written down."""
        minute = now.isoformat(timespec="minutes")
        if minute != self._minute:
            self._minute, self._passed = minute, 0
        self._passed += 1
        if self._passed > _ANONYMOUS_A_MINUTE:
            self._unheard += 1
            return False
        return True

    def take(self) -> int:
        """How many did not pass since this was asked last."""
        unheard, self._unheard = self._unheard, 0
        return unheard


class Commands:
    """Runs mutations."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._refused: list[AuditRecord] = []
        self._lost = 0
        self._anonymous = _Quiet()

    async def run(
        self,
        call: Call,
        tenant: str,
        resource: object,
        kind: type[T],
        make: Callable[[Transaction], T],
        *,
        detail: str = "",
        brief: bool = False,
    ) -> T:
        """What `make` returns, or returned before for the same request_id.

        Claim of the request_id, effect and audit record are one transaction. `tenant` is the id of
        the tenant concerned, empty for the platform; while it is suspended only a platform
        administrator changes anything. With `validate_only` every check is made and nothing is
        written. `kind` is the type that `make` returns, for the answer to be kept. A `brief` one
        changes a few rows that it finds by key.
        """
        now = self._clock.now()

        def work(tx: Transaction) -> T:
            if tenant and call.principal.tenant is not None:
                refuse_suspended(tx, tenant, resource)
            if call.validate_only:
                raise _Rehearsed(make(tx))
            answer, ran = once(tx, tenant, call.request, now, kind, lambda: make(tx))
            if ran:
                self.done(tx, call, tenant, resource, detail)
            return answer

        try:
            return await (self._store.jot(work) if brief else self._store.write(work))
        except _Rehearsed as rehearsed:
            return rehearsed.answer  # type: ignore[return-value]  # it is make's

    def done(
        self, tx: Transaction, call: Call, tenant: str, resource: object, detail: str = ""
    ) -> None:
        """Put on record what is done within a transaction: for who has one already, see `run`."""
        tx.system.add_audit([self._record(call, tenant, str(resource), DONE, detail)])

    def refused(self, call: Call, resource: str, error: DomainError) -> None:
        """Take note of an attempt that was refused. Written soon after, by `write_refused`."""
        if len(self._refused) >= _MOST_WAITING:
            self._lost += 1
            return
        if not call.principal.id and not self._anonymous.admit(self._clock.now()):
            return
        # whoever is not known is not on record with the tenant that it named
        tenant = call.principal.tenant or ""
        self._refused.append(self._record(call, tenant, resource[:300], error.reason, ""))

    async def write_refused(self) -> None:
        """Write down what was refused, until cancelled; then the rest."""
        try:
            while True:
                await asyncio.sleep(_PAUSE)
                await self._flush()
        finally:
            with contextlib.suppress(DomainError):
                await asyncio.shield(self._flush())

    async def _flush(self) -> None:
        while self._refused:
            batch, self._refused = self._refused[:_BATCH], self._refused[_BATCH:]
            try:
                await self._store.write(lambda tx, batch=batch: tx.system.add_audit(batch))  # type: ignore[misc]
            except DomainError as error:  # the store is away: later
                self._refused = [*batch, *self._refused]
                log.warning("audit_delayed", records=len(self._refused), error=str(error))
                return
            except Exception:  # a bug, but not one that may end the log of everybody
                self._lost += len(batch)
                log.exception("audit_refused", records=len(batch))
        if self._lost:
            log.error("audit_lost", records=self._lost)
            self._lost = 0
        if unheard := self._anonymous.take():
            log.warning("refused_without_a_credential", more=unheard)

    def _record(
        self, call: Call, tenant: str, resource: str, result: str, detail: str
    ) -> AuditRecord:
        resource = _storable(resource)
        return AuditRecord(
            time=self._clock.now(),
            tenant=tenant or (_tenant_of(resource) if call.principal.id else ""),
            principal=call.principal.id,
            method=call.method,
            resource=resource,
            result=result,
            peer=call.peer,
            call_id=call.id,
            detail=_storable(detail),
        )


def refuse_suspended(tx: Transaction, tenant: str, resource: object) -> None:
    """TenantSuspended if the tenant, or one above it, may not act; NotFound if there is none."""
    try:
        chain = tx.of(tenant).chain()
    except NotFound:
        raise NotFound(str(resource)) from None
    for each in chain:
        if each.suspension:
            raise TenantSuspended(f"tenants/{each.id}", each.suspension.reason)


def _storable(text: str) -> str:
    """The text without NUL, which PostgreSQL takes in no text: one record must not stop the log."""
    return text.replace("\0", "\\0")


def _tenant_of(resource: str) -> str:
    parts = resource.split("/")
    return parts[1] if len(parts) > 1 and parts[0] == "tenants" and parts[1] != "-" else ""
