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

from sqlalchemy import (
    BigInteger,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from tunesmith_server.adapters.sql.prepared import Prepared, PreparedRows
from tunesmith_server.adapters.sql.tables import CounterRow, HoldRow, LedgerRow
from tunesmith_server.domain.errors import QuotaViolation
from tunesmith_server.domain.quota import RATES, Ask, Dimension, Hold, shown_scope, tenant_scope
from tunesmith_server.domain.tenant import Tenant
from tunesmith_server.ports import Usage

COUNTERS: Any = CounterRow.__table__  # type: ignore[attr-defined]
HOLDS: Any = HoldRow.__table__  # type: ignore[attr-defined]
LEDGER: Any = LedgerRow.__table__  # type: ignore[attr-defined]


_NO_LIMIT = 2**62
"""Above everything that can be counted, with room for one more amount below 2**63."""

_ALONE = Prepared(lambda _: select(func.pg_advisory_xact_lock(bindparam("lock", type_=BigInteger))))


def _taken(dialect: Any, rows: Sequence[Mapping[str, Any]]) -> Any:
    """Add to counters, each unless that passes its limit; the keys of those that did."""
    key = (COUNTERS.c.scope, COUNTERS.c.dimension, COUNTERS.c.period)
    most = [row["most"] for row in rows]
    counters = [{name: row[name] for name in row if name != "most"} for row in rows]
    statement = dialect.insert(COUNTERS).values(counters)
    new = statement.excluded
    limit = case(
        *(
            (and_(new.scope == row["scope"], new.dimension == row["dimension"]), most[place])
            for place, row in enumerate(counters)
        ),
        else_=-1,
    )
    return statement.on_conflict_do_update(
        index_elements=list(key),
        set_={
            "reserved": COUNTERS.c.reserved + new.reserved,
            "used": COUNTERS.c.used + new.used,
        },
        where=COUNTERS.c.used + COUNTERS.c.reserved + new.used + new.reserved <= limit,
    ).returning(*key)


_TAKE = PreparedRows(
    {name: COUNTERS.c[name].type for name in ("scope", "dimension", "period", "used", "reserved")}
    | {"most": BigInteger()},
    _taken,
)
_HOLD = PreparedRows(
    {column.name: column.type for column in HOLDS.c},
    lambda dialect, rows: (
        dialect.insert(HOLDS)
        .values(list(rows))
        .on_conflict_do_nothing()
        .returning(HOLDS.c.scope, HOLDS.c.dimension)
    ),
)
_NOTE = PreparedRows(
    {column.name: column.type for column in LEDGER.c if column.name != "place"},
    lambda dialect, rows: dialect.insert(LEDGER).values(list(rows)),
)
_CHANGE = Prepared(
    lambda _: (
        update(COUNTERS)
        .where(
            COUNTERS.c.scope == bindparam("of"),
            COUNTERS.c.dimension == bindparam("what"),
            COUNTERS.c.period == bindparam("window"),
        )
        .values(
            reserved=COUNTERS.c.reserved + bindparam("more_reserved", type_=BigInteger),
            used=COUNTERS.c.used + bindparam("more_used", type_=BigInteger),
        )
    )
)
_FORGET_WINDOWS = Prepared(
    lambda _: delete(COUNTERS).where(
        COUNTERS.c.scope == bindparam("of"),
        COUNTERS.c.dimension == bindparam("what"),
        COUNTERS.c.period < bindparam("window"),
    )
)


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
            _ALONE.all(self.connection, lock=int.from_bytes(digest.digest(), signed=True))

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
        wanted.sort(key=lambda each: _place(each[0].hold))
        violations, taken = [], []
        for (ask, holds), done in zip(wanted, self._take(wanted), strict=True):
            if done:
                used, reserved = (0, ask.hold.amount) if holds else (ask.hold.amount, 0)
                taken.append(("reserve" if holds else "settle", ask.hold, used, reserved))
            else:
                violations.append(self._violation(ask))
        if violations:
            for _, hold, used, reserved in taken:
                self._change(hold, reserved=-reserved, used=-used)
            self._forget(subject, new)
            return violations
        self._note(subject, at, taken)
        return []

    def permits(self, asks: Sequence[Ask]) -> bool:
        """Use up rates, all or nothing; whether a limit is in the way."""
        self.alone()
        wanted = [(ask, False) for ask in sorted(asks, key=lambda each: _place(each.hold))]
        done = self._take(wanted)
        if not all(done):
            for (ask, _), taken in zip(wanted, done, strict=True):
                if taken:
                    self._change(ask.hold, reserved=0, used=-ask.hold.amount)
            return True
        for ask, _ in wanted:
            hold = ask.hold
            _FORGET_WINDOWS.all(
                self.connection, of=hold.scope, what=hold.dimension.value, window=hold.period
            )
        return False

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

    def subjects(self, counter: tuple[str, Dimension, str]) -> list[str]:
        """Who holds of a (scope, dimension, period)."""
        scope, dimension, window = counter
        statement = select(HOLDS.c.subject).where(
            HOLDS.c.scope == scope, HOLDS.c.dimension == dimension.value, HOLDS.c.period == window
        )
        return list(self.connection.execute(statement).scalars())

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
        rows = [
            (subject, hold.scope, hold.dimension.value, hold.period, hold.amount) for hold in holds
        ]
        return set(_HOLD.all(self.connection, rows))

    def _forget(self, subject: str, keys: set[tuple[str, str]]) -> None:
        key = tuple_(HOLDS.c.scope, HOLDS.c.dimension)
        self.connection.execute(
            delete(HOLDS).where(HOLDS.c.subject == subject, key.in_(sorted(keys)))
        )

    def _take(self, wanted: Sequence[tuple[Ask, bool]]) -> list[bool]:
        """Add to each counter unless that passes its limit; for which that was done.

        What is not held is used. One guarded statement, no look before, in the order of the rows.
        Asking for nothing always succeeds, even where a limit was lowered below what is in use.
        """
        rows = []
        for ask, holds in wanted:
            if _may_fit(ask):
                hold = ask.hold
                limit = _NO_LIMIT if ask.limit is None or not hold.amount else ask.limit
                used, reserved = (0, hold.amount) if holds else (hold.amount, 0)
                rows.append((*_counter_key(hold), used, reserved, limit))
        done = set(_TAKE.all(self.connection, rows))
        return [_counter_key(ask.hold) in done for ask, _ in wanted]

    def _violation(self, ask: Ask) -> QuotaViolation:
        hold = ask.hold
        statement = select(COUNTERS.c.used + COUNTERS.c.reserved).where(_counter(hold))
        taken = int(self.connection.execute(statement).scalar_one_or_none() or 0)
        whose = shown_scope(hold.scope)
        return QuotaViolation(hold.dimension, taken, hold.amount, ask.limit or 0, whose)

    def _drop(self, subject: str, dimensions: Iterable[Dimension]) -> list[Hold]:
        """Delete holds and give them: who deletes a hold is the one who gives it back."""
        statement = (
            delete(HOLDS)
            .where(HOLDS.c.subject == subject, HOLDS.c.dimension.in_([d.value for d in dimensions]))
            .returning(HOLDS.c.scope, HOLDS.c.dimension, HOLDS.c.period, HOLDS.c.amount)
        )
        return sorted(_holds(self.connection.execute(statement)), key=_place)

    def _change(self, hold: Hold, *, reserved: int, used: int) -> None:
        _CHANGE.all(
            self.connection,
            of=hold.scope,
            what=hold.dimension.value,
            window=hold.period,
            more_reserved=reserved,
            more_used=used,
        )

    def _note(
        self, subject: str, at: datetime, notes: Sequence[tuple[str, Hold, int, int]]
    ) -> None:
        rows = [
            (
                at,
                hold.scope,
                self.tenant,
                subject,
                hold.dimension.value,
                hold.period,
                kind,
                used if kind == "settle" else abs(reserved),
                used,
                reserved,
            )
            for kind, hold, used, reserved in notes
        ]
        _NOTE.all(self.connection, rows)


def bury(connection: Connection, tenant: Tenant) -> None:
    """Put the counters and the bill of a tenant that is deleted under its uid; forget its rates."""
    own, grave = tenant_scope(tenant.id), f"former:{tenant.uid or tenant.id}"
    for table in (COUNTERS, LEDGER):
        mine = or_(table.c.scope == own, table.c.scope.startswith(f"{own}@", autoescape=True))
        if table is COUNTERS:
            rates = [rate.value for rate in RATES]
            connection.execute(delete(table).where(mine, table.c.dimension.in_(rates)))
        moved = literal(grave).concat(func.substr(table.c.scope, len(own) + 1))
        connection.execute(update(table).where(mine).values(scope=moved))


def recount(connection: Connection) -> Mapping[tuple[str, str, str], tuple[int, int]]:
    """(scope, dimension, period) → (used, reserved) as the ledger and the holds have it.

    Rates are not in it: they have no ledger.

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


def _counter_key(hold: Hold) -> tuple[str, str, str]:
    return hold.scope, hold.dimension.value, hold.period


def _may_fit(ask: Ask) -> bool:
    """Whether the limit has room for the amount at all, however little is in use."""
    return ask.limit is None or ask.hold.amount <= ask.limit


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
