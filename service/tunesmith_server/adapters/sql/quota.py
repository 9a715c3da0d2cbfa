"""Statements about counters, holds and the ledger.

All of a tenant's use counts in its root's family of counters, so transactions that change them wait
for each other per family (`alone`); the node's counters of slots come last and are guarded by their
own row. Every change of a counter has its row in the ledger, whose sums are the counters.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, tuple_, update

from tunesmith_server.adapters.sql.documents import upsert
from tunesmith_server.adapters.sql.tables import CounterRow, HoldRow, LedgerRow
from tunesmith_server.domain.errors import QuotaViolation
from tunesmith_server.domain.quota import Ask, Dimension, Hold
from tunesmith_server.ports import Usage

COUNTERS: Any = CounterRow.__table__  # type: ignore[attr-defined]
HOLDS: Any = HoldRow.__table__  # type: ignore[attr-defined]
LEDGER: Any = LedgerRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Book:
    """The counters as one tenant's transactions see them."""

    connection: Connection
    tenant: str
    root: str
    """The top of the tenant's parents, whose family of counters it shares; itself without."""

    def alone(self) -> None:
        """Wait until no other transaction changes the family's counters; SQLite's writer is alone.

        Runs begin, start and end in transactions that touch the same counters in different orders;
        without this they would deadlock on PostgreSQL as soon as a tenant does all three at once.
        """
        if self.connection.dialect.name == "postgresql":
            digest = hashlib.blake2b(self.root.encode(), digest_size=8, person=b"tenant-quota")
            lock = int.from_bytes(digest.digest(), signed=True)
            self.connection.execute(select(func.pg_advisory_xact_lock(lock)))

    def reserve(
        self, subject: str, asks: Sequence[Ask], at: datetime, spend: Sequence[Ask] = ()
    ) -> list[QuotaViolation]:
        """Take every hold that `subject` has not and use up what is to be spent.

        Or do nothing of it, and say which limits are in the way.
        """
        self.alone()
        new = self._new_holds(subject, [ask.hold for ask in asks])
        wanted = [(ask, True) for ask in asks if _key(ask.hold) in new]
        wanted += [(ask, False) for ask in spend]
        violations, taken = [], []
        for ask, holds in sorted(wanted, key=lambda each: _place(each[0].hold)):
            used, reserved = (0, ask.hold.amount) if holds else (ask.hold.amount, 0)
            if self._take(ask.hold, ask.limit, reserved=reserved, used=used):
                kind = "reserve" if holds else "settle"
                taken.append((kind, ask.hold, used, reserved))
            else:
                violations.append(self._violation(ask))
        if violations:
            for _, hold, used, reserved in taken:
                self._change(hold, reserved=-reserved, used=-used)
            self._forget(subject, new)
            return violations
        self._note(subject, at, taken)
        return []

    def settle(self, subject: str, used: Mapping[Dimension, int], at: datetime) -> None:
        """Turn what `subject` holds of these dimensions into what was used."""
        self.alone()
        notes = []
        for hold in self._drop(subject, used):
            amount = used[hold.dimension]
            self._change(hold, reserved=-hold.amount, used=amount)
            notes.append(("settle", hold, amount, -hold.amount))
        self._note(subject, at, notes)

    def release(self, subject: str, dimensions: Iterable[Dimension], at: datetime) -> None:
        """Give back what `subject` holds of these dimensions."""
        self.alone()
        notes = []
        for hold in self._drop(subject, dimensions):
            self._change(hold, reserved=-hold.amount, used=0)
            notes.append(("release", hold, 0, -hold.amount))
        self._note(subject, at, notes)

    def held(self, subject: str) -> list[Hold]:
        """What `subject` holds."""
        return _holds(self.connection.execute(select(HOLDS).where(HOLDS.c.subject == subject)))

    def usage(self, counters: Iterable[tuple[str, Dimension, str]]) -> dict[Any, Usage]:
        """The counters of these (scope, dimension, period); those that nobody used are absent."""
        key = (COUNTERS.c.scope, COUNTERS.c.dimension, COUNTERS.c.period)
        wanted = [(scope, dimension.value, window) for scope, dimension, window in counters]
        rows = self.connection.execute(select(COUNTERS).where(tuple_(*key).in_(wanted)))
        return {
            (row.scope, Dimension(row.dimension), row.period): Usage(row.used, row.reserved)
            for row in rows
        }

    def _new_holds(self, subject: str, holds: Sequence[Hold]) -> set[tuple[str, str]]:
        """Write the holds down; the keys of those that were not there."""
        if not holds:
            return set()
        rows = [
            {
                "subject": subject,
                "scope": hold.scope,
                "dimension": hold.dimension.value,
                "period": hold.period,
                "amount": hold.amount,
            }
            for hold in holds
        ]
        statement = upsert(self.connection, HOLDS).values(rows).on_conflict_do_nothing()
        found = self.connection.execute(statement.returning(HOLDS.c.scope, HOLDS.c.dimension))
        return {(row.scope, row.dimension) for row in found}

    def _forget(self, subject: str, keys: set[tuple[str, str]]) -> None:
        key = tuple_(HOLDS.c.scope, HOLDS.c.dimension)
        self.connection.execute(
            delete(HOLDS).where(HOLDS.c.subject == subject, key.in_(sorted(keys)))
        )

    def _take(self, hold: Hold, limit: int | None, *, reserved: int, used: int) -> bool:
        """Add to the counter unless that passes the limit: one guarded statement, no look before.

        Asking for nothing always succeeds, even where a limit was lowered below what is in use.
        """
        if limit is not None and hold.amount > limit:
            return False
        statement = upsert(self.connection, COUNTERS).values(
            scope=hold.scope,
            dimension=hold.dimension.value,
            period=hold.period,
            used=used,
            reserved=reserved,
        )
        room = None
        if limit is not None and hold.amount:
            room = COUNTERS.c.used + COUNTERS.c.reserved + hold.amount <= limit
        statement = statement.on_conflict_do_update(
            index_elements=[COUNTERS.c.scope, COUNTERS.c.dimension, COUNTERS.c.period],
            set_={
                "reserved": COUNTERS.c.reserved + statement.excluded.reserved,
                "used": COUNTERS.c.used + statement.excluded.used,
            },
            where=room,
        ).returning(COUNTERS.c.reserved)
        return self.connection.execute(statement).first() is not None

    def _violation(self, ask: Ask) -> QuotaViolation:
        hold = ask.hold
        statement = select(COUNTERS.c.used + COUNTERS.c.reserved).where(_counter(hold))
        taken = int(self.connection.execute(statement).scalar_one_or_none() or 0)
        return QuotaViolation(hold.dimension, taken, hold.amount, ask.limit or 0, hold.scope)

    def _drop(self, subject: str, dimensions: Iterable[Dimension]) -> list[Hold]:
        """Delete holds and give them: who deletes a hold is the one who gives it back."""
        statement = (
            delete(HOLDS)
            .where(HOLDS.c.subject == subject, HOLDS.c.dimension.in_([d.value for d in dimensions]))
            .returning(HOLDS.c.scope, HOLDS.c.dimension, HOLDS.c.period, HOLDS.c.amount)
        )
        return sorted(_holds(self.connection.execute(statement)), key=_place)

    def _change(self, hold: Hold, *, reserved: int, used: int) -> None:
        self.connection.execute(
            update(COUNTERS)
            .where(_counter(hold))
            .values(reserved=COUNTERS.c.reserved + reserved, used=COUNTERS.c.used + used)
        )

    def _note(
        self, subject: str, at: datetime, notes: Sequence[tuple[str, Hold, int, int]]
    ) -> None:
        rows = [
            {
                "time": at,
                "scope": hold.scope,
                "tenant": self.tenant,
                "subject": subject,
                "dimension": hold.dimension.value,
                "period": hold.period,
                "kind": kind,
                "amount": used if kind == "settle" else abs(reserved),
                "used_change": used,
                "reserved_change": reserved,
            }
            for kind, hold, used, reserved in notes
        ]
        if rows:
            self.connection.execute(insert(LEDGER), rows)


def recount(connection: Connection) -> Mapping[tuple[str, str, str], tuple[int, int]]:
    """(scope, dimension, period) → (used, reserved) as the ledger and the holds have it.

    The audit: at any moment the counters equal this. Raises AssertionError where the two disagree.
    """
    key = (LEDGER.c.scope, LEDGER.c.dimension, LEDGER.c.period)
    sums = connection.execute(
        select(*key, func.sum(LEDGER.c.used_change), func.sum(LEDGER.c.reserved_change)).group_by(
            *key
        )
    )
    by_ledger = {tuple(row[:3]): (int(row[3]), int(row[4])) for row in sums}
    of_hold = (HOLDS.c.scope, HOLDS.c.dimension, HOLDS.c.period)
    holds = connection.execute(select(*of_hold, func.sum(HOLDS.c.amount)).group_by(*of_hold))
    by_holds = {tuple(row[:3]): int(row[3]) for row in holds}
    for counter in {*by_ledger, *by_holds}:
        reserved = by_ledger.get(counter, (0, 0))[1]
        if reserved != by_holds.get(counter, 0):
            raise AssertionError(f"{counter}: ledger {reserved}, holds {by_holds.get(counter, 0)}")
    return by_ledger


def _holds(rows: Iterable[Any]) -> list[Hold]:
    return [Hold(row.scope, Dimension(row.dimension), row.period, row.amount) for row in rows]


def _key(hold: Hold) -> tuple[str, str]:
    return hold.scope, hold.dimension.value


def _place(hold: Hold) -> tuple[bool, str, str]:
    # a node's counters last: they are shared by families that do not wait for each other
    return hold.scope.startswith("node:"), hold.scope, hold.dimension


def _counter(hold: Hold) -> Any:
    return and_(
        COUNTERS.c.scope == hold.scope,
        COUNTERS.c.dimension == hold.dimension.value,
        COUNTERS.c.period == hold.period,
    )
