"""What no tenant owns, and what the dispatcher does across tenants."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, insert, null, or_, select, update
from sqlalchemy.exc import IntegrityError

from tunesmith_server.adapters.sql.documents import decoded, encoded, page_key, paged, upsert
from tunesmith_server.adapters.sql.runs import EVENTS, RUNS, event_of, run_of
from tunesmith_server.adapters.sql.tables import (
    ApiKeyRow,
    BaseModelRow,
    SecretRow,
    TenantRow,
)
from tunesmith_server.domain.errors import AlreadyExists, NotFound
from tunesmith_server.domain.events import Event
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.domain.states import State
from tunesmith_server.domain.tenant import ApiKey, Tenant
from tunesmith_server.ports import Claim, PageOf

SECRETS: Any = SecretRow.__table__  # type: ignore[attr-defined]
TENANTS: Any = TenantRow.__table__  # type: ignore[attr-defined]
KEYS: Any = ApiKeyRow.__table__  # type: ignore[attr-defined]
BASES: Any = BaseModelRow.__table__  # type: ignore[attr-defined]

_RUN = (RUNS.c.document, RUNS.c.version, RUNS.c.last_event)
_WAITING = State.QUEUED.value


class SqlSystemScope:
    """The SystemScope port."""

    def __init__(self, connection: Connection, locks: bool) -> None:
        self._connection = connection
        self._locks = locks

    def secret(self, new: Callable[[], bytes]) -> bytes:
        """The installation's secret, made by `new` on first use."""
        statement = select(SECRETS.c.value).where(SECRETS.c.name == "installation")
        found = self._connection.execute(statement).scalar_one_or_none()
        if found is None:
            try:
                with self._connection.begin_nested():
                    self._connection.execute(
                        insert(SECRETS).values(name="installation", value=new())
                    )
            except IntegrityError:
                pass  # another replica was first
            found = self._connection.execute(statement).scalar_one()
        return bytes(found)

    def tenant(self, id: str) -> Tenant:
        """The tenant, or NotFound."""
        statement = select(TENANTS.c.document).where(TENANTS.c.id == id)
        document = self._connection.execute(statement).scalar_one_or_none()
        if document is None:
            raise NotFound(f"tenants/{id}")
        return decoded(document, Tenant)

    def tenants(self, page: PageOf) -> Sequence[tuple[str, Tenant]]:
        """Tenants, newest first."""
        rows = self._connection.execute(paged(select(TENANTS), TENANTS, page))
        return [(page_key(row.create_time, row.id), decoded(row.document, Tenant)) for row in rows]

    def add_tenant(self, tenant: Tenant) -> None:
        """Record a new tenant, or AlreadyExists."""
        row = {"id": tenant.id, "create_time": tenant.create_time, "document": encoded(tenant)}
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(TENANTS).values(row))
        except IntegrityError as error:
            raise AlreadyExists(f"tenants/{tenant.id}") from error

    def put_tenant(self, tenant: Tenant) -> None:
        """Record a changed tenant."""
        statement = update(TENANTS).where(TENANTS.c.id == tenant.id)
        self._connection.execute(statement.values(document=encoded(tenant)))

    def api_key(self, hash: str) -> ApiKey | None:
        """The key of this keyed hash."""
        statement = select(KEYS.c.document).where(KEYS.c.hash == hash)
        document = self._connection.execute(statement).scalar_one_or_none()
        return decoded(document, ApiKey) if document else None

    def add_platform_key(self, key: ApiKey) -> None:
        """Record a platform administrator's key."""
        self._connection.execute(insert(KEYS).values(**key_columns(key)))

    def has_api_keys(self) -> bool:
        """Whether there is any key."""
        return self._connection.execute(select(KEYS.c.id).limit(1)).first() is not None

    def base_model(self, id: str) -> BaseModel:
        """The entry, or NotFound."""
        statement = select(BASES.c.document).where(BASES.c.id == id)
        document = self._connection.execute(statement).scalar_one_or_none()
        if document is None:
            raise NotFound(f"baseModels/{id}")
        return decoded(document, BaseModel)

    def base_models(self) -> Sequence[BaseModel]:
        """Every entry, by id."""
        documents = self._connection.execute(select(BASES.c.document).order_by(BASES.c.id))
        return [decoded(document, BaseModel) for document in documents.scalars()]

    def put_base_model(self, base: BaseModel) -> None:
        """Record an entry, new or changed."""
        document = encoded(base)
        self._connection.execute(
            upsert(self._connection, BASES)
            .values(id=base.id, document=document)
            .on_conflict_do_update(index_elements=[BASES.c.id], set_={"document": document})
        )

    def delete_base_model(self, id: str) -> None:
        """Forget an entry."""
        self._connection.execute(BASES.delete().where(BASES.c.id == id))

    def claim(
        self, owner: str, node: str, *, now: datetime, lease: timedelta, limit: int
    ) -> Sequence[Claim]:
        """Lease due runs: those under way before waiting ones, then by priority and age."""
        statement = (
            select(RUNS.c.uid)
            .where(
                RUNS.c.due <= now,
                or_(RUNS.c.lease_until.is_(None), RUNS.c.lease_until < now),
                or_(RUNS.c.node.is_(None), RUNS.c.node == node, RUNS.c.state == _WAITING),
            )
            .order_by(
                case((RUNS.c.state == _WAITING, 1), else_=0),
                RUNS.c.priority.desc(),
                RUNS.c.create_time,
            )
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

    def wake_waiting(self, now: datetime) -> None:
        """Make every waiting run due now."""
        self._connection.execute(update(RUNS).where(RUNS.c.state == _WAITING).values(due=now))

    def events_of(self, after: Mapping[str, int], limit: int) -> Mapping[str, Sequence[Event]]:
        """Events of many runs at once, each after its own sequence."""
        found: dict[str, list[Event]] = {}
        uids = list(after)
        for start in range(0, len(uids), 200):  # bounded statements
            some = uids[start : start + 200]
            statement = (
                select(EVENTS.c.document, EVENTS.c.run_uid)
                .where(
                    or_(
                        *(
                            and_(EVENTS.c.run_uid == uid, EVENTS.c.sequence > after[uid])
                            for uid in some
                        )
                    )
                )
                .order_by(EVENTS.c.run_uid, EVENTS.c.sequence)
                .limit(limit)
            )
            for row in self._connection.execute(statement):
                found.setdefault(row.run_uid, []).append(event_of(row))
        return found

    def active_uids(self) -> Sequence[str]:
        """Uids of the runs that have not ended."""
        ended = [state.value for state in State if state.is_terminal]
        statement = select(RUNS.c.uid).where(RUNS.c.state.not_in(ended))
        return list(self._connection.execute(statement).scalars())


def key_columns(key: ApiKey) -> dict[str, Any]:
    """The row of a key."""
    return {
        "id": key.id,
        "tenant": key.tenant,
        "hash": key.hash,
        "create_time": key.create_time,
        "document": encoded(key),
    }


def _holds(claim: Claim) -> Any:
    return and_(RUNS.c.uid == claim.run.uid, RUNS.c.fence == claim.fence)
