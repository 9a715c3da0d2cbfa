"""Statements about counters, holds and the ledger."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, literal, select, update

from tunesmith_server.adapters.sql.documents import upsert
from tunesmith_server.adapters.sql.tables import CounterRow, HoldRow, LedgerRow
from tunesmith_server.domain.errors import QuotaViolation
from tunesmith_server.domain.quota import Dimension, Hold, Limits, tenant_scope
from tunesmith_server.ports import Usage

COUNTERS: Any = CounterRow.__table__  # type: ignore[attr-defined]
HOLDS: Any = HoldRow.__table__  # type: ignore[attr-defined]
LEDGER: Any = LedgerRow.__table__  # type: ignore[attr-defined]


def alone(connection: Connection, tenant: str) -> None:
    """Wait until no other transaction changes the tenant's counters; SQLite's writer is alone.

    Runs begin, start and end in transactions that touch the same counters in different orders;
    without this they would deadlock on PostgreSQL as soon as a tenant does all three at once.
    """
    if connection.dialect.name == "postgresql":
        digest = hashlib.blake2b(tenant.encode(), digest_size=8, person=b"tenant-quota").digest()
        lock = int.from_bytes(digest, signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(lock)))


def reserve(
    connection: Connection, subject: str, holds: Sequence[Hold], limits: Limits, at: datetime
) -> Sequence[QuotaViolation]:
    """Take every hold, or none and say which limits are in the way."""
    violations = []
    savepoint = connection.begin_nested()
    # in one order everywhere, so that two transactions never wait for each other
    for hold in sorted(holds, key=lambda hold: (hold.scope, hold.dimension, hold.period)):
        if _has(connection, subject, hold):
            continue
        limit = limits.get(hold.dimension)
        if _take(connection, hold, limit):
            connection.execute(
                insert(HOLDS).values(
                    subject=subject,
                    scope=hold.scope,
                    dimension=hold.dimension.value,
                    period=hold.period,
                    amount=hold.amount,
                )
            )
            _note(connection, subject, hold, "reserve", hold.amount, at)
        else:
            taken = _taken(connection, hold)
            violations.append(QuotaViolation(hold.dimension, taken, hold.amount, limit or 0))
    if violations:
        savepoint.rollback()
    else:
        savepoint.commit()
    return violations


def settle(
    connection: Connection, subject: str, dimension: Dimension, used: int, at: datetime
) -> None:
    """Turn what `subject` holds of a dimension into `used`."""
    for hold in _drop(connection, subject, [dimension]):
        _change(connection, hold, reserved=-hold.amount, used=used)
        _note(connection, subject, hold, "settle", used, at)


def release(
    connection: Connection, subject: str, dimensions: Sequence[Dimension], at: datetime
) -> None:
    """Give back what `subject` holds of these dimensions."""
    for hold in _drop(connection, subject, dimensions):
        _change(connection, hold, reserved=-hold.amount, used=0)
        _note(connection, subject, hold, "release", hold.amount, at)


def usage(
    connection: Connection, tenant: str, period_of: Callable[[Dimension], str]
) -> Mapping[Dimension, Usage]:
    """A tenant's counters in their present periods."""
    statement = select(COUNTERS).where(COUNTERS.c.scope == tenant_scope(tenant))
    return {
        Dimension(row.dimension): Usage(row.used, row.reserved)
        for row in connection.execute(statement)
        if row.period == period_of(Dimension(row.dimension))
    }


def _has(connection: Connection, subject: str, hold: Hold) -> bool:
    statement = select(literal(1)).where(
        HOLDS.c.subject == subject,
        HOLDS.c.scope == hold.scope,
        HOLDS.c.dimension == hold.dimension.value,
    )
    return connection.execute(statement).first() is not None


def _take(connection: Connection, hold: Hold, limit: int | None) -> bool:
    """Add to the counter unless that passes the limit: one guarded statement, no check before."""
    if limit is not None and hold.amount > limit:
        return False
    statement = upsert(connection, COUNTERS).values(
        scope=hold.scope,
        dimension=hold.dimension.value,
        period=hold.period,
        used=0,
        reserved=hold.amount,
    )
    room = None
    if limit is not None:
        room = COUNTERS.c.used + COUNTERS.c.reserved + hold.amount <= limit
    statement = statement.on_conflict_do_update(
        index_elements=[COUNTERS.c.scope, COUNTERS.c.dimension, COUNTERS.c.period],
        set_={"reserved": COUNTERS.c.reserved + hold.amount},
        where=room,
    ).returning(COUNTERS.c.reserved)
    return connection.execute(statement).first() is not None


def _taken(connection: Connection, hold: Hold) -> int:
    statement = select(COUNTERS.c.used + COUNTERS.c.reserved).where(_counter(hold))
    return int(connection.execute(statement).scalar_one_or_none() or 0)


def _drop(connection: Connection, subject: str, dimensions: Sequence[Dimension]) -> list[Hold]:
    """Delete holds and give them: who deletes a hold is the one who gives it back."""
    statement = (
        delete(HOLDS)
        .where(HOLDS.c.subject == subject, HOLDS.c.dimension.in_([d.value for d in dimensions]))
        .returning(HOLDS.c.scope, HOLDS.c.dimension, HOLDS.c.period, HOLDS.c.amount)
    )
    found = [
        Hold(row.scope, Dimension(row.dimension), row.period, row.amount)
        for row in connection.execute(statement)
    ]
    return sorted(found, key=lambda hold: (hold.scope, hold.dimension, hold.period))


def _change(connection: Connection, hold: Hold, *, reserved: int, used: int) -> None:
    connection.execute(
        update(COUNTERS)
        .where(_counter(hold))
        .values(reserved=COUNTERS.c.reserved + reserved, used=COUNTERS.c.used + used)
    )


def _counter(hold: Hold) -> Any:
    return and_(
        COUNTERS.c.scope == hold.scope,
        COUNTERS.c.dimension == hold.dimension.value,
        COUNTERS.c.period == hold.period,
    )


def _note(
    connection: Connection, subject: str, hold: Hold, kind: str, amount: int, at: datetime
) -> None:
    connection.execute(
        insert(LEDGER).values(
            time=at,
            scope=hold.scope,
            subject=subject,
            dimension=hold.dimension.value,
            period=hold.period,
            kind=kind,
            amount=amount,
        )
    )


def recount(connection: Connection) -> Mapping[tuple[str, str, str], tuple[int, int]]:
    """(scope, dimension, period) → (used, reserved) as the ledger and the holds have it.

    The audit: at any moment the counters equal this.
    """
    used = {
        (row.scope, row.dimension, row.period): int(row.total)
        for row in connection.execute(
            select(
                LEDGER.c.scope,
                LEDGER.c.dimension,
                LEDGER.c.period,
                func.sum(LEDGER.c.amount).label("total"),
            )
            .where(LEDGER.c.kind == "settle")
            .group_by(LEDGER.c.scope, LEDGER.c.dimension, LEDGER.c.period)
        )
    }
    reserved = {
        (row.scope, row.dimension, row.period): int(row.total)
        for row in connection.execute(
            select(
                HOLDS.c.scope,
                HOLDS.c.dimension,
                HOLDS.c.period,
                func.sum(HOLDS.c.amount).label("total"),
            ).group_by(HOLDS.c.scope, HOLDS.c.dimension, HOLDS.c.period)
        )
    }
    return {key: (used.get(key, 0), reserved.get(key, 0)) for key in {*used, *reserved}}
