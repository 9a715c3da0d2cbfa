"""Statements about runs and their events, with the tenant in every one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Row,
    Select,
    String,
    and_,
    bindparam,
    cast,
    delete,
    false,
    func,
    select,
    tuple_,
    update,
)

from tunesmith_server.adapters.sql.documents import decoded, encoded, page_key, paged
from tunesmith_server.adapters.sql.filters import filtered, label_column
from tunesmith_server.adapters.sql.prepared import Prepared
from tunesmith_server.adapters.sql.tables import EventRow, FineTuneRow
from tunesmith_server.domain.errors import AlreadyExists, NotFound
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fair_share import rank
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.names import FineTuneName
from tunesmith_server.domain.states import State
from tunesmith_server.ports import PageOf

RUNS: Any = FineTuneRow.__table__  # type: ignore[attr-defined]
EVENTS: Any = EventRow.__table__  # type: ignore[attr-defined]
_READ = (RUNS.c.document, RUNS.c.version, RUNS.c.last_event)
_ENDED = [state.value for state in State if state.is_terminal]


_COLUMNS = (
    *("tenant", "id", "state", "node", "priority", "rank", "held", "wait_reason", "deadline"),
    *("base_model", "create_time", "training_dataset", "validation_dataset"),
    *("version", "last_event", "due", "labels", "document"),
)
"""What of a run changes with it."""

_OWN = (RUNS.c.tenant == bindparam("of"), RUNS.c.id == bindparam("called"))
_RUN = Prepared(lambda _: select(*_READ).where(*_OWN))
_LOCKED_RUN = Prepared(lambda _: select(*_READ).where(*_OWN).with_for_update())
_ADD = Prepared(
    lambda dialect: dialect.insert(RUNS).on_conflict_do_nothing().returning(RUNS.c.uid),
    [*_COLUMNS, "uid", "oldest_event", "fence", "lease_owner", "lease_until"],
)
_PUT = Prepared(
    lambda _: (
        update(RUNS)
        .where(RUNS.c.uid == bindparam("which"), RUNS.c.tenant == bindparam("of"))
        .values(
            **{name: bindparam(f"new_{name}", type_=RUNS.c[name].type) for name in _COLUMNS}
            | {
                "version": RUNS.c.version + 1,
                "last_event": RUNS.c.last_event + bindparam("more", type_=RUNS.c.last_event.type),
            }
        )
        .returning(RUNS.c.version, RUNS.c.last_event)
    )
)
_APPEND = Prepared(
    lambda dialect: dialect.insert(EVENTS), ["run_uid", "sequence", "kind", "document"]
)


def run_of(row: Row[Any]) -> FineTune:
    """The run of a row that has document, version and last_event."""
    return run_from(row.document, row.version, row.last_event)


def run_from(document: str, version: int, last_event: int) -> FineTune:
    """The run of these columns."""
    return replace(decoded(document, FineTune), version=version, last_event=last_event)


class RunStatements:
    """One tenant's runs."""

    def __init__(self, connection: Connection, tenant: str, locks: bool) -> None:
        self._connection = connection
        self._tenant = tenant
        self._locks = locks

    def get(self, id: str) -> FineTune:
        """The run, locked where the transaction writes, or NotFound."""
        statement = _LOCKED_RUN if self._locks else _RUN
        if row := statement.first(self._connection, of=self._tenant, called=id):
            return run_from(*row)
        raise NotFound(str(FineTuneName(self._tenant, id)))

    def page(self, page: PageOf, states: Sequence[State]) -> Sequence[tuple[str, FineTune]]:
        """Runs, newest first, each with its key."""
        statement = select(*_READ, RUNS.c.create_time, RUNS.c.id).where(
            RUNS.c.tenant == self._tenant
        )
        if states:
            statement = statement.where(RUNS.c.state.in_([state.value for state in states]))
        rows = self._connection.execute(paged(filtered(statement, RUNS, page.filter), RUNS, page))
        return [(page_key(row.create_time, row.id), run_of(row)) for row in rows]

    def add(self, run: FineTune, events: Sequence[Event]) -> FineTune:
        """Record a new run with its first events, or AlreadyExists."""
        run = replace(run, version=1, last_event=len(events))
        added = _ADD.first(
            self._connection,
            **_columns(run),
            uid=run.uid,
            oldest_event=1,
            fence=0,
            lease_owner=None,
            lease_until=None,
        )
        if added is None:
            raise AlreadyExists(str(run.name))
        self._append(run.uid, 0, events)
        return run

    def put(self, run: FineTune, events: Sequence[Event]) -> FineTune:
        """Record a changed run, and its events numbered on from the last."""
        row = _PUT.first(
            self._connection,
            **{f"new_{name}": value for name, value in _columns(run).items()},
            of=self._tenant,
            which=run.uid,
            more=len(events),
        )
        if row is None:
            raise NotFound(str(run.name))
        version, last = row
        self._append(run.uid, last - len(events), events)
        return replace(run, version=version, last_event=last)

    def delete(self, run: FineTune) -> None:
        """Forget a run and its events."""
        self._connection.execute(delete(EVENTS).where(EVENTS.c.run_uid == run.uid))
        self._connection.execute(
            delete(RUNS).where(RUNS.c.uid == run.uid, RUNS.c.tenant == self._tenant)
        )

    def events(self, uid: str, after: int, limit: int, kinds: Sequence[Kind]) -> Sequence[Event]:
        """Events of a run after a sequence, in order."""
        statement = (
            select(EVENTS.c.document, EVENTS.c.sequence)
            .join(RUNS, RUNS.c.uid == EVENTS.c.run_uid)
            .where(
                RUNS.c.tenant == self._tenant,
                EVENTS.c.run_uid == uid,
                EVENTS.c.sequence > after,
            )
            .order_by(EVENTS.c.sequence)
            .limit(limit)
        )
        if kinds:
            statement = statement.where(EVENTS.c.kind.in_([kind.value for kind in kinds]))
        return [event_of(row) for row in self._connection.execute(statement)]

    def oldest_event(self, uid: str) -> int:
        """Sequence of the oldest event kept."""
        statement = select(RUNS.c.oldest_event).where(
            RUNS.c.uid == uid, RUNS.c.tenant == self._tenant
        )
        return int(self._connection.execute(statement).scalar_one_or_none() or 1)

    def queued_before(self, run: FineTune) -> int:
        """How many of the tenant's waiting runs, none of them held, go before `run`."""
        place = rank(run.create_time, run.spec.priority)
        statement = select(func.count()).where(
            RUNS.c.tenant == self._tenant,
            RUNS.c.state == State.QUEUED.value,
            RUNS.c.held == false(),
            tuple_(RUNS.c.rank, RUNS.c.uid) < tuple_(place, run.uid),
        )
        return int(self._connection.execute(statement).scalar_one())

    def active(self) -> Sequence[FineTune]:
        """The tenant's runs that have not ended."""
        statement = select(*_READ).where(RUNS.c.tenant == self._tenant, RUNS.c.state.not_in(_ENDED))
        return [run_of(row) for row in self._connection.execute(statement)]

    def holding(self, subjects: Sequence[str]) -> Sequence[FineTune]:
        """The runs among what holds of a counter. Not the tenant's alone: a pool is a family's."""
        statement = select(*_READ).where(RUNS.c.uid.in_(subjects))
        return [run_of(row) for row in self._connection.execute(statement)]

    def using_dataset(self, id: str) -> Sequence[str]:
        """Ids of runs not yet ended that use a dataset."""
        statement = select(RUNS.c.id).where(
            RUNS.c.tenant == self._tenant,
            (RUNS.c.training_dataset == id) | (RUNS.c.validation_dataset == id),
            RUNS.c.state.not_in(_ENDED),
        )
        return list(self._connection.execute(statement).scalars())

    def with_suffix(self, suffix: str) -> Sequence[FineTune]:
        """Runs not yet ended whose models will have the suffix."""
        statement = select(*_READ).where(
            RUNS.c.tenant == self._tenant,
            RUNS.c.state.not_in(_ENDED),
            RUNS.c.document.contains(f'"suffix":"{suffix}"'),
        )
        found = map(run_of, self._connection.execute(statement))
        return [run for run in found if run.spec.suffix == suffix]

    def _append(self, uid: str, last: int, events: Sequence[Event]) -> None:
        if not events:
            return
        rows = [
            {
                "run_uid": uid,
                "sequence": last + place,
                "kind": event.kind.value,
                "document": encoded(replace(event, sequence=last + place)),
            }
            for place, event in enumerate(events, 1)
        ]
        _APPEND.many(self._connection, rows)


def event_of(row: Row[Any]) -> Event:
    """The event of a row that has a document."""
    return decoded(row.document, Event)


def news(connection: Connection, after: Mapping[str, int], limit: int) -> Select[Any]:
    """The events of many runs, each run's in order: at most `limit` of each after its own.

    The runs go in as one parameter, so there is one statement for any number of them. Events of a
    run are numbered densely, so a run's share is a range of its key: nothing is sorted or counted.
    """
    if connection.dialect.name == "postgresql":
        uids = cast(list(after), ARRAY(String))
        places = cast(list(after.values()), ARRAY(BigInteger))
        wanted = func.unnest(uids, places).table_valued("uid", "place").render_derived("wanted")
        uid: Any = wanted.c.uid
        place: Any = wanted.c.place
    else:
        pairs = json.dumps(list(after.items()))
        wanted = func.json_each(pairs).table_valued("value", name="wanted")
        uid = func.json_extract(wanted.c.value, "$[0]")
        place = func.json_extract(wanted.c.value, "$[1]")
    mine = and_(
        EVENTS.c.run_uid == uid, EVENTS.c.sequence > place, EVENTS.c.sequence <= place + limit
    )
    return (
        select(EVENTS.c.document, EVENTS.c.run_uid)
        .select_from(wanted.join(EVENTS, mine))
        .order_by(EVENTS.c.run_uid, EVENTS.c.sequence)
    )


def _columns(run: FineTune) -> dict[str, Any]:
    return {
        "tenant": run.name.tenant,
        "id": run.name.id,
        "state": run.state.value,
        "node": run.node,
        "priority": run.spec.priority,
        "rank": rank(run.create_time, run.spec.priority),
        "held": run.spec.hold,
        "wait_reason": run.wait_reason.value if run.wait_reason else None,
        # of a start: one that has started and waits again is late for nothing
        "deadline": None if run.start_time else run.spec.limits.start_deadline,
        "base_model": run.resolved.base_model,
        "create_time": run.create_time,
        "training_dataset": run.resolved.training.dataset,
        "validation_dataset": run.resolved.validation.dataset if run.resolved.validation else None,
        "version": run.version,
        "last_event": run.last_event,
        "due": _due(run),
        "labels": label_column(run.labels),
        "document": encoded(run),
    }


def _due(run: FineTune) -> datetime | None:
    """When the dispatcher is to look: at once after a change, never at what is not under way."""
    return run.update_time if run.state.holds_slot else None


def pinned(connection: Connection) -> set[str]:
    """Digests of the datasets of all runs that have not ended."""
    statement = select(*_READ).where(RUNS.c.state.not_in(_ENDED))
    resolved = (run_of(row).resolved for row in connection.execute(statement))
    used = ((each.training, each.validation) for each in resolved)
    return {version.digest for pair in used for version in pair if version is not None}
