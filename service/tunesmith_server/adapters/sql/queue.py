"""Statements of the dispatcher and the scheduler: leases on runs under way, the order of those that
wait."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, false, func, null, or_, select, update

from tunesmith_server.adapters.sql.quota import COUNTERS
from tunesmith_server.adapters.sql.runs import RUNS, run_of
from tunesmith_server.adapters.sql.tables import ShareRow
from tunesmith_server.domain.fair_share import Share
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.quota import Dimension, node_scope
from tunesmith_server.domain.states import State
from tunesmith_server.ports import Claim

SHARES: Any = ShareRow.__table__  # type: ignore[attr-defined]

_RUN = (RUNS.c.document, RUNS.c.version, RUNS.c.last_event)
_UNDER_WAY = [state.value for state in State if state.holds_slot]
_WAITS = RUNS.c.state == State.QUEUED.value
_SCHEDULER_LOCK = 7_340_531_002  # any number, the same in every replica


class QueueStatements:
    """The part of the SystemScope port that drives runs."""

    def __init__(self, connection: Connection, locks: bool) -> None:
        self._connection = connection
        self._locks = locks

    def claim(
        self,
        owner: str,
        node: str,
        *,
        now: datetime,
        lease: timedelta,
        limit: int,
        dead: Sequence[str] = (),
    ) -> Sequence[Claim]:
        """Lease runs under way whose time has come, the oldest first."""
        free = [RUNS.c.lease_until.is_(None), RUNS.c.lease_until < now]
        if dead:
            free.append(RUNS.c.lease_owner.in_(dead))
        statement = (
            select(RUNS.c.uid)
            .where(RUNS.c.due <= now, or_(*free), or_(RUNS.c.node.is_(None), RUNS.c.node == node))
            .order_by(RUNS.c.due)
            .limit(limit)
        )
        if self._locks:
            statement = statement.with_for_update(skip_locked=True)
        uids = list(self._connection.execute(statement).scalars())
        if not uids:
            return []
        rows = self._connection.execute(
            update(RUNS)
            .where(RUNS.c.uid.in_(uids))
            .values(lease_owner=owner, lease_until=now + lease, fence=RUNS.c.fence + 1)
            .returning(*_RUN, RUNS.c.fence, RUNS.c.uid)
        )
        claims = {row.uid: Claim(run_of(row), row.fence) for row in rows}
        return [claims[uid] for uid in uids]

    def abandon(self, owner: str, now: datetime) -> None:
        """Give all leases of an owner back, due at once."""
        self._connection.execute(
            update(RUNS)
            .where(RUNS.c.due.is_not(None), RUNS.c.lease_owner == owner)
            .values(lease_owner=None, lease_until=None, due=now)
        )

    def lease_owners(self) -> Sequence[str]:
        """Who holds leases, run out or not."""
        statement = select(RUNS.c.lease_owner).where(
            RUNS.c.due.is_not(None), RUNS.c.lease_owner.is_not(None)
        )
        return list(self._connection.execute(statement.distinct()).scalars())

    def renew(self, owner: str, uids: Sequence[str], *, now: datetime, lease: timedelta) -> None:
        """Make leases last from now on."""
        self._connection.execute(
            update(RUNS)
            .where(RUNS.c.uid.in_(uids), RUNS.c.lease_owner == owner)
            .values(lease_until=now + lease)
        )

    def fenced(self, claim: Claim) -> FineTune | None:
        """The run as it is now, locked, if the claim's fence still holds."""
        statement = select(*_RUN).where(_holds(claim))
        if self._locks:
            statement = statement.with_for_update()
        row = self._connection.execute(statement).one_or_none()
        return run_of(row) if row else None

    def unclaim(self, claim: Claim, *, due: datetime | None) -> None:
        """Give the lease back; a run that needs nothing stays so."""
        self._connection.execute(
            update(RUNS)
            .where(_holds(claim))
            .values(
                lease_owner=None,
                lease_until=None,
                due=case((RUNS.c.due.is_(None), null()), else_=due),
            )
        )

    def schedule_alone(self) -> None:
        """Wait until no other scheduler is in a transaction; SQLite's writer is alone anyway."""
        if self._locks:
            self._connection.execute(select(func.pg_advisory_xact_lock(_SCHEDULER_LOCK)))

    def waiting(self, of_each: int) -> Sequence[FineTune]:
        """The runs of each tenant that may go next on each base model, by rank."""
        place = func.row_number().over(
            partition_by=(RUNS.c.tenant, RUNS.c.base_model), order_by=(RUNS.c.rank, RUNS.c.uid)
        )
        first = select(RUNS.c.uid, place.label("place")).where(_WAITS, RUNS.c.held == false())
        heads = first.subquery()
        statement = (
            select(*_RUN)
            .join(heads, heads.c.uid == RUNS.c.uid)
            .where(heads.c.place <= of_each)
            .order_by(RUNS.c.rank, RUNS.c.uid)
        )
        return self._runs(statement)

    def queue_lengths(self) -> Mapping[str, int]:
        """How many runs of each tenant may go next, by tenant."""
        statement = select(RUNS.c.tenant, func.count()).where(_WAITS, RUNS.c.held == false())
        rows = self._connection.execute(statement.group_by(RUNS.c.tenant))
        return {row[0]: int(row[1]) for row in rows}

    def past_deadline(self, now: datetime, limit: int) -> Sequence[FineTune]:
        """Waiting runs whose deadline for a start has passed."""
        return self._runs(select(*_RUN).where(_WAITS, RUNS.c.deadline <= now).limit(limit))

    def shares(self) -> Mapping[str, Share]:
        """Where every tenant stands that was ever started from."""
        rows = self._connection.execute(select(SHARES))
        return {row.tenant: Share(row.start, row.finish) for row in rows}

    def slots_used(self, node: str) -> int:
        """Slots of a node that runs hold."""
        statement = select(COUNTERS.c.reserved).where(
            COUNTERS.c.scope == node_scope(node), COUNTERS.c.dimension == Dimension.SLOTS.value
        )
        return int(self._connection.execute(statement).scalar_one_or_none() or 0)

    def under_way(self, node: str) -> Sequence[FineTune]:
        """Runs that hold a slot of a node."""
        return self._runs(select(*_RUN).where(RUNS.c.node == node, RUNS.c.state.in_(_UNDER_WAY)))

    def recent_runs(self, base_model: str, limit: int) -> Sequence[FineTune]:
        """Runs on a base that succeeded, newest first."""
        statement = (
            select(*_RUN)
            .where(RUNS.c.base_model == base_model, RUNS.c.state == State.SUCCEEDED.value)
            .order_by(RUNS.c.create_time.desc())
            .limit(limit)
        )
        return self._runs(statement)

    def _runs(self, statement: Any) -> list[FineTune]:
        return [run_of(row) for row in self._connection.execute(statement)]


def _holds(claim: Claim) -> Any:
    return and_(RUNS.c.uid == claim.run.uid, RUNS.c.fence == claim.fence)
