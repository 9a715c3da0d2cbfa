"""What no tenant owns, and what the dispatcher does across tenants."""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tunesmith_server.adapters.sql.analyses import SqlSystemAnalyses
from tunesmith_server.adapters.sql.assembled_uploads import expired_assemblies, known_parts
from tunesmith_server.adapters.sql.datasets import VERSIONS, expired_datasets
from tunesmith_server.adapters.sql.documents import (
    by_place,
    decoded,
    encoded,
    kept,
    page_key,
    paged,
    upsert,
)
from tunesmith_server.adapters.sql.filters import filtered, label_column
from tunesmith_server.adapters.sql.model_shares import forget_receiver
from tunesmith_server.adapters.sql.prepared import Prepared
from tunesmith_server.adapters.sql.queue import QueueStatements
from tunesmith_server.adapters.sql.quota import bury
from tunesmith_server.adapters.sql.runs import RUNS, event_of, news, pinned
from tunesmith_server.adapters.sql.tables import (
    ApiKeyRow,
    AuditRow,
    BaseModelRow,
    ModelRow,
    PresenceRow,
    RequestRow,
    SecretRow,
    ShareRow,
    TenantRow,
    UploadRow,
)
from tunesmith_server.adapters.sql.uploads import UPLOADS, all_uploads
from tunesmith_server.domain.audit import AuditRecord
from tunesmith_server.domain.errors import AlreadyExists, NotFound, ResourceInUse
from tunesmith_server.domain.events import Event
from tunesmith_server.domain.model import BaseModel, Model
from tunesmith_server.domain.names import DatasetName
from tunesmith_server.domain.states import State
from tunesmith_server.domain.tenant import ApiKey, Tenant
from tunesmith_server.domain.upload import AssembledUpload, KeptUpload
from tunesmith_server.ports import PageOf, Remembered

SECRETS: Any = SecretRow.__table__  # type: ignore[attr-defined]
TENANTS: Any = TenantRow.__table__  # type: ignore[attr-defined]
KEYS: Any = ApiKeyRow.__table__  # type: ignore[attr-defined]
BASES: Any = BaseModelRow.__table__  # type: ignore[attr-defined]

MODELS: Any = ModelRow.__table__  # type: ignore[attr-defined]
AUDIT: Any = AuditRow.__table__  # type: ignore[attr-defined]
REQUESTS: Any = RequestRow.__table__  # type: ignore[attr-defined]

_TENANT = Prepared(lambda _: select(TENANTS.c.document).where(TENANTS.c.id == bindparam("id")))
_LOCKED_TENANT = Prepared(
    lambda _: select(TENANTS.c.document).where(TENANTS.c.id == bindparam("id")).with_for_update()
)
# the lock that a row which refers to the tenant takes anyway: here it is taken before the tenant is
# read, so that limits and suspensions do not change between the look and what follows from it
_SHARED_TENANT = Prepared(
    lambda _: (
        select(TENANTS.c.document)
        .where(TENANTS.c.id == bindparam("id"))
        .with_for_update(read=True, key_share=True)
    )
)
_KEY = Prepared(
    lambda _: select(KEYS.c.document, KEYS.c.last_use_time).where(KEYS.c.hash == bindparam("hash"))
)
_BASE = Prepared(lambda _: select(BASES.c.document).where(BASES.c.id == bindparam("id")))
_AUDIT = Prepared(lambda dialect: dialect.insert(AUDIT), [f.name for f in fields(AuditRecord)])
_CLAIM = Prepared(
    lambda dialect: (
        dialect.insert(REQUESTS).on_conflict_do_nothing().returning(REQUESTS.c.request_id)
    ),
    ["tenant", "request_id", "method", "body_hash", "answer", "create_time"],
)
_ANSWER = Prepared(
    lambda _: (
        update(REQUESTS)
        .where(REQUESTS.c.tenant == bindparam("of"), REQUESTS.c.request_id == bindparam("id"))
        .values(answer=bindparam("answer"))
    )
)

# what refers to a tenant and goes with it, in an order that keeps every reference good
_OF_TENANT: tuple[Any, ...] = (ApiKeyRow, ShareRow, PresenceRow, UploadRow)

_RUNS_A_STATEMENT = 1000


class SqlSystemScope(QueueStatements):
    """The SystemScope port."""

    def __init__(self, connection: Connection, locks: bool) -> None:
        super().__init__(connection, locks)
        self._tenants: dict[str, Tenant] = {}
        """As this transaction sees them: one look is enough, whoever asks."""
        self.analyses = SqlSystemAnalyses(connection, locks)

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

    def alone(self, what: str) -> None:
        """Wait until no other transaction is alone with `what`; SQLite's writer always is."""
        if self._locks:
            digest = hashlib.blake2b(what.encode(), digest_size=8, person=b"system").digest()
            lock = int.from_bytes(digest, signed=True)
            self._connection.execute(select(func.pg_advisory_xact_lock(lock)))

    def tenant(self, id: str, *, lock: bool = False) -> Tenant:
        """The tenant, or NotFound; with `lock` this transaction is going to change it.

        While a transaction that writes lasts, nobody else changes a tenant that it has looked at.
        """
        known = self._tenants.get(id)
        if known is not None and not lock:
            return known
        statement = _TENANT
        if self._locks:
            statement = _LOCKED_TENANT if lock else _SHARED_TENANT
        row = statement.first(self._connection, id=id)
        if row is None:
            raise NotFound(f"tenants/{id}")
        tenant = self._tenants[id] = kept(row[0], Tenant)
        return tenant

    def tenants(self, page: PageOf) -> Sequence[tuple[str, Tenant]]:
        """Tenants, newest first."""
        statement = paged(filtered(select(TENANTS), TENANTS, page.filter), TENANTS, page)
        rows = self._connection.execute(statement)
        return [(page_key(row.create_time, row.id), decoded(row.document, Tenant)) for row in rows]

    def add_tenant(self, tenant: Tenant) -> None:
        """Record a new tenant, or AlreadyExists."""
        row = {
            "id": tenant.id,
            "parent": tenant.parent,
            "create_time": tenant.create_time,
            **_changing(tenant),
        }
        try:
            with self._connection.begin_nested():
                self._connection.execute(insert(TENANTS).values(row))
        except IntegrityError as error:
            raise AlreadyExists(f"tenants/{tenant.id}") from error

    def put_tenant(self, tenant: Tenant) -> None:
        """Record a changed tenant."""
        self._tenants.pop(tenant.id, None)
        statement = update(TENANTS).where(TENANTS.c.id == tenant.id)
        self._connection.execute(statement.values(**_changing(tenant)))

    def children(self, tenant: str) -> Sequence[str]:
        """Ids of the tenants right below."""
        statement = select(TENANTS.c.id).where(TENANTS.c.parent == tenant)
        return list(self._connection.execute(statement).scalars())

    def delete_tenant(self, id: str) -> None:
        """Forget a tenant that has nothing but keys, counters, its bill and remembered requests.

        Its bill and its counters stay, under its uid, which nobody has again: what was used was
        used, but a new tenant of the same name sees and pays nothing of it.
        """
        try:
            bury(self._connection, self.tenant(id))
            del self._tenants[id]
            forget_receiver(self._connection, id)
            for row in _OF_TENANT:
                table = row.__table__
                self._connection.execute(table.delete().where(table.c.tenant == id))
            self._connection.execute(REQUESTS.delete().where(REQUESTS.c.tenant == id))
            self._connection.execute(TENANTS.delete().where(TENANTS.c.id == id))
        except IntegrityError as error:
            raise ResourceInUse(f"tenants/{id}", "something was made in it this moment") from error

    def api_key(self, hash: str) -> ApiKey | None:
        """The key of this keyed hash."""
        row = _KEY.first(self._connection, hash=hash)
        return key_of(*row) if row else None

    def key_used(self, id: str, at: datetime) -> None:
        """Note that a key was used."""
        self._connection.execute(update(KEYS).where(KEYS.c.id == id).values(last_use_time=at))

    def add_platform_key(self, key: ApiKey) -> None:
        """Record a platform administrator's key."""
        self._connection.execute(insert(KEYS).values(**key_columns(key)))

    def has_api_keys(self) -> bool:
        """Whether there is any key."""
        return self._connection.execute(select(KEYS.c.id).limit(1)).first() is not None

    def base_model(self, id: str) -> BaseModel:
        """The entry, or NotFound."""
        row = _BASE.first(self._connection, id=id)
        if row is None:
            raise NotFound(f"baseModels/{id}")
        return kept(row[0], BaseModel)

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

    def base_model_users(self, id: str) -> int:
        """How many runs that have not ended, and models, are made with an entry."""
        ended = [state.value for state in State if state.is_terminal]
        runs = select(func.count()).where(RUNS.c.base_model == id, RUNS.c.state.not_in(ended))
        models = select(MODELS.c.document)
        made = (decoded(document, Model) for document in self._connection.execute(models).scalars())
        return int(self._connection.execute(runs).scalar_one()) + sum(
            model.base_model == id for model in made
        )

    def delete_base_model(self, id: str) -> None:
        """Forget an entry."""
        self._connection.execute(BASES.delete().where(BASES.c.id == id))

    def events_of(self, after: Mapping[str, int], limit: int) -> Mapping[str, Sequence[Event]]:
        """Events of many runs at once, each after its own sequence."""
        found: dict[str, list[Event]] = {}
        runs = list(after.items())
        for start in range(0, len(runs), _RUNS_A_STATEMENT):
            some = dict(runs[start : start + _RUNS_A_STATEMENT])
            for row in self._connection.execute(news(self._connection, some, limit)):
                found.setdefault(row.run_uid, []).append(event_of(row))
        return found

    def add_audit(self, records: Sequence[AuditRecord]) -> None:
        """Write records down."""
        if records:
            _AUDIT.many(self._connection, [vars(record) for record in records])

    def audit(self, tenant: str | None, page: PageOf) -> Sequence[tuple[str, AuditRecord]]:
        """Records of a tenant, or of the whole platform for None, newest first."""
        statement = select(AUDIT)
        if tenant is not None:
            # not what a former tenant of the same name did
            made = select(TENANTS.c.create_time).where(TENANTS.c.id == tenant).scalar_subquery()
            since = func.coalesce(made, AUDIT.c.time)
            statement = statement.where(AUDIT.c.tenant == tenant, AUDIT.c.time >= since)
        statement = by_place(filtered(statement, AUDIT, page.filter), AUDIT, page)
        rows = self._connection.execute(statement)
        return [(str(row.place), AuditRecord(**_without_place(row))) for row in rows]

    def remember(
        self, tenant: str, request_id: str, first: Remembered, at: datetime
    ) -> Remembered | None:
        """None if `first` is now the answer to `request_id`; else the answer that was there."""
        claimed = _CLAIM.first(
            self._connection,
            tenant=tenant,
            request_id=request_id,
            method=first.method,
            body_hash=first.body_hash,
            answer=first.answer,
            create_time=at,
        )
        if claimed:
            return None
        row = self._connection.execute(select(REQUESTS).where(*_request(tenant, request_id))).one()
        return Remembered(row.method, row.body_hash, bytes(row.answer))

    def remembered(self, tenant: str, request_id: str) -> Remembered | None:
        """The answer to `request_id`, if it has one."""
        statement = select(REQUESTS).where(*_request(tenant, request_id))
        row = self._connection.execute(statement).one_or_none()
        return Remembered(row.method, row.body_hash, bytes(row.answer)) if row else None

    def uploads(self, after: str, limit: int) -> Sequence[KeptUpload]:
        """Uploads of any tenant after a uid, by uid."""
        return all_uploads(self._connection, after, limit)

    def known_uploads(self, uids: Sequence[str]) -> set[str]:
        """Those of the uids that are of uploads that may go on, or of parts of uploads."""
        statement = select(UPLOADS.c.uid).where(UPLOADS.c.uid.in_(uids))
        found = set(self._connection.execute(statement).scalars())
        return found | known_parts(self._connection, uids)

    def expired_assemblies(self, now: datetime, limit: int) -> Sequence[AssembledUpload]:
        """Uploads in parts of any tenant whose time is over."""
        return expired_assemblies(self._connection, now, limit)

    def expired_datasets(
        self, now: datetime, after: tuple[datetime, str, str] | None, limit: int
    ) -> Sequence[tuple[datetime, DatasetName]]:
        """Datasets of any tenant that have expired."""
        return expired_datasets(self._connection, now, after, limit)

    def referred_to(self, digests: Sequence[str]) -> set[str]:
        """Those of the digests that a version of a dataset or a run that has not ended has."""
        statement = select(VERSIONS.c.digest).where(VERSIONS.c.digest.in_(digests))
        found = set(self._connection.execute(statement).scalars())
        return found | (pinned(self._connection) & set(digests))

    def set_answer(self, tenant: str, request_id: str, answer: bytes) -> None:
        """Fill in the answer of a request_id claimed in this transaction."""
        _ANSWER.all(self._connection, of=tenant, id=request_id, answer=answer)

    def unknown(self, uids: Sequence[str]) -> Sequence[str]:
        """Those of the uids that no run has."""
        statement = select(RUNS.c.uid).where(RUNS.c.uid.in_(uids))
        known = set(self._connection.execute(statement).scalars())
        return [uid for uid in uids if uid not in known]

    def active_uids(self) -> Sequence[str]:
        """Uids of the runs that have not ended."""
        ended = [state.value for state in State if state.is_terminal]
        statement = select(RUNS.c.uid).where(RUNS.c.state.not_in(ended))
        return list(self._connection.execute(statement).scalars())


@functools.lru_cache(512)
def key_of(document: str, last_use_time: datetime | str | None) -> ApiKey:
    """The key of a row's document and time of last use, in which SQLite has text.

    Kept, since every call reads one; by all that was read, so that a change is seen at once.
    """
    if isinstance(last_use_time, str):
        last_use_time = datetime.fromisoformat(last_use_time).replace(tzinfo=UTC)
    return replace(decoded(document, ApiKey), last_use_time=last_use_time)


def _changing(tenant: Tenant) -> dict[str, Any]:
    """The columns of a tenant that a change of it changes."""
    return {
        "state": "suspended" if tenant.suspension else "active",
        "labels": label_column(tenant.labels),
        "document": encoded(tenant),
    }


def key_columns(key: ApiKey) -> dict[str, Any]:
    """The row of a key. Its last use has a column of its own, see `Keys`."""
    return {
        "id": key.id,
        "tenant": key.tenant,
        "hash": key.hash,
        "create_time": key.create_time,
        "document": encoded(key),
    }


def _request(tenant: str, request_id: str) -> tuple[Any, ...]:
    return REQUESTS.c.tenant == tenant, REQUESTS.c.request_id == request_id


def _without_place(row: Any) -> dict[str, Any]:
    values = dict(row._mapping)
    del values["place"]
    return values
