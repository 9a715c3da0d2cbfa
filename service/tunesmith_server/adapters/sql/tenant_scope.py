"""One tenant's rows: every statement here, and in `runs`, carries the tenant."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from tunesmith_server.adapters.sql.analyses import SqlTenantAnalyses
from tunesmith_server.adapters.sql.assembled_uploads import AssembledUploadStatements
from tunesmith_server.adapters.sql.datasets import MODELS, DatasetStatements
from tunesmith_server.adapters.sql.documents import (
    by_place,
    decoded,
    encoded,
    page_key,
    paged,
    upsert,
)
from tunesmith_server.adapters.sql.filters import filtered, label_column
from tunesmith_server.adapters.sql.model_shares import SqlTenantShares
from tunesmith_server.adapters.sql.queue import SHARES
from tunesmith_server.adapters.sql.quota import LEDGER, Book
from tunesmith_server.adapters.sql.runs import RunStatements
from tunesmith_server.adapters.sql.system import KEYS, key_columns, key_of
from tunesmith_server.adapters.sql.tables import PresenceRow
from tunesmith_server.adapters.sql.uploads import UploadStatements
from tunesmith_server.domain.dataset import Dataset
from tunesmith_server.domain.errors import AlreadyExists, NotFound, QuotaViolation
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fair_share import Share
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import ApiKeyName, ModelName
from tunesmith_server.domain.quota import Ask, Dimension, Hold, LedgerEntry, tenant_scope
from tunesmith_server.domain.states import State
from tunesmith_server.domain.tenant import ApiKey, Tenant
from tunesmith_server.domain.upload import AssembledUpload, KeptUpload, UploadPart
from tunesmith_server.ports import PageOf, Usage

PRESENCE: Any = PresenceRow.__table__  # type: ignore[attr-defined]


class SqlTenantScope:
    """The TenantScope port."""

    def __init__(
        self,
        connection: Connection,
        tenant: Tenant,
        locks: bool,
        tenants: Callable[[str], Tenant],
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._tenants = tenants
        self._chain: list[Tenant] | None = None
        self._id = tenant.id
        self._locks = locks
        self._runs = RunStatements(connection, tenant.id, locks)
        self._datasets = DatasetStatements(connection, tenant.id, locks)
        self._uploads = UploadStatements(connection, tenant.id, locks)
        self._assembled = AssembledUploadStatements(connection, tenant.id, locks)
        self.analyses = SqlTenantAnalyses(connection, tenant.id)
        self.shares = SqlTenantShares(connection, tenant.id, locks)

    def tenant(self) -> Tenant:
        """The tenant itself."""
        return self._tenant

    # runs

    def fine_tune(self, id: str) -> FineTune:
        """The run, or NotFound."""
        return self._runs.get(id)

    def fine_tunes(
        self, page: PageOf, *, states: Sequence[State] = ()
    ) -> Sequence[tuple[str, FineTune]]:
        """Runs, newest first."""
        return self._runs.page(page, states)

    def add_fine_tune(self, run: FineTune, events: Sequence[Event]) -> FineTune:
        """Record a new run with its first events, or AlreadyExists."""
        return self._runs.add(run, events)

    def put_fine_tune(self, run: FineTune, events: Sequence[Event] = ()) -> FineTune:
        """Record a changed run and the events that tell of it."""
        return self._runs.put(run, events)

    def delete_fine_tune(self, run: FineTune) -> None:
        """Forget a run and its events."""
        self._runs.delete(run)

    def events(
        self, uid: str, *, after: int, limit: int, kinds: Sequence[Kind] = ()
    ) -> Sequence[Event]:
        """Events of a run after a sequence, in order."""
        return self._runs.events(uid, after, limit, kinds)

    def oldest_event(self, uid: str) -> int:
        """Sequence of the oldest event kept."""
        return self._runs.oldest_event(uid)

    # datasets

    def dataset(self, id: str) -> Dataset:
        """The current version, or NotFound."""
        return self._datasets.get(id)

    def datasets(self, page: PageOf) -> Sequence[tuple[str, Dataset]]:
        """Datasets, newest first."""
        return self._datasets.page(page)

    def put_dataset(self, dataset: Dataset) -> None:
        """Record a version and make it the current one of its name."""
        self._datasets.put(dataset)

    def datasets_of(self, digest: str) -> Sequence[Dataset]:
        """Those whose current version has this digest."""
        return self._datasets.of_digest(digest)

    def dataset_version(self, id: str, which: str) -> Dataset:
        """The version of a number or a digest, or NotFound."""
        return self._datasets.version(id, which)

    def dataset_versions(self, id: str, page: PageOf) -> Sequence[tuple[str, Dataset]]:
        """Versions of a dataset, newest first."""
        return self._datasets.versions(id, page)

    def dataset_in_use(self, id: str) -> Sequence[str]:
        """Ids of runs not yet ended that use the dataset."""
        return self._runs.using_dataset(id)

    def descendants(self, id: str, page: PageOf) -> Sequence[tuple[str, str]]:
        """Ids of the models that were made with any version of a dataset, newest first."""
        return self._datasets.descendants(id, page)

    def delete_dataset(self, id: str) -> None:
        """Forget a dataset and its versions, and what was found of bytes that nothing else has."""
        digests = self._datasets.digests(id)
        self._datasets.delete(id)
        self.analyses.forget_orphans(digests)

    # uploads

    def uploads(self) -> Sequence[KeptUpload]:
        """Every upload that may go on."""
        return self._uploads.all()

    def upload(self, principal: str, request_id: str) -> KeptUpload | None:
        """The upload that a caller began with this request_id, if it may go on."""
        return self._uploads.get(principal, request_id)

    def add_upload(self, upload: KeptUpload) -> bool:
        """Record a new one; False if there is one of this caller and request_id."""
        return self._uploads.add(upload)

    def put_upload(self, upload: KeptUpload) -> bool:
        """Record a changed one; False if it is no longer there."""
        return self._uploads.put(upload)

    def delete_upload(self, upload: KeptUpload) -> None:
        """Forget one."""
        self._uploads.delete(upload)

    def assembled_uploads(self) -> Sequence[AssembledUpload]:
        """Every upload in parts."""
        return self._assembled.all()

    def assembled_upload(self, id: str) -> AssembledUpload:
        """The upload in parts, or NotFound."""
        return self._assembled.get(id)

    def pending_assemblies(self, now: datetime) -> int:
        """How many uploads in parts can still be completed."""
        return self._assembled.pending(now)

    def put_assembled_upload(self, upload: AssembledUpload) -> None:
        """Record a new or a changed upload in parts."""
        self._assembled.put(upload)

    def delete_assembled_upload(self, id: str) -> None:
        """Forget an upload in parts, and its parts."""
        self._assembled.delete(id)

    def add_upload_part(self, part: UploadPart) -> None:
        """Record a part."""
        self._assembled.add_part(part)

    def upload_parts(self, upload: str) -> Sequence[UploadPart]:
        """The parts of an upload that have arrived."""
        return self._assembled.parts(upload)

    def delete_upload_parts(self, upload: str) -> None:
        """Forget the parts of an upload."""
        self._assembled.delete_parts(upload)

    # models

    def model(self, id: str) -> Model:
        """The model, or NotFound."""
        return self._model(MODELS.c.id == id, str(ModelName(self._id, id)))

    def model_named(self, public_or_legacy_name: str) -> Model:
        """The model of a public or legacy name, or NotFound."""
        name = public_or_legacy_name
        either = or_(MODELS.c.public_name == name, MODELS.c.legacy_name == name)
        return self._model(either, name)

    def _model(self, which: Any, shown: str) -> Model:
        statement = select(MODELS.c.document).where(MODELS.c.tenant == self._id, which).limit(1)
        document = self._connection.execute(statement).scalar_one_or_none()
        if document is None:
            raise NotFound(shown)
        return decoded(document, Model)

    def models(self, page: PageOf) -> Sequence[tuple[str, Model]]:
        """Models, newest first."""
        statement = select(MODELS).where(MODELS.c.tenant == self._id)
        statement = paged(filtered(statement, MODELS, page.filter), MODELS, page)
        rows = self._connection.execute(statement)
        return [(page_key(row.create_time, row.id), decoded(row.document, Model)) for row in rows]

    def add_model(self, model: Model) -> None:
        """Record a new model, or AlreadyExists."""
        try:
            with self._connection.begin_nested():
                self._connection.execute(
                    insert(MODELS).values(
                        tenant=self._id,
                        id=model.name.id,
                        public_name=model.public_name,
                        legacy_name=model.legacy_name,
                        create_time=model.create_time,
                        base_model=model.base_model,
                        training_digest=model.training_digest,
                        validation_digest=model.validation_digest,
                        labels=label_column(model.labels),
                        document=encoded(model),
                    )
                )
        except IntegrityError as error:
            raise AlreadyExists(str(model.name)) from error

    def delete_model(self, id: str) -> None:
        """Forget a model."""
        self._connection.execute(
            delete(MODELS).where(MODELS.c.tenant == self._id, MODELS.c.id == id)
        )

    def suffix_taken(self, suffix: str, base_model: str | None) -> bool:
        """Whether a run that has not ended, or a model, has the suffix."""
        if self._locks:
            self._book.alone()
        # runs first: one that ends meanwhile is then found as a model
        bases = [run.resolved.base_model for run in self._runs.with_suffix(suffix)]
        statement = select(MODELS.c.document).where(
            MODELS.c.tenant == self._id, MODELS.c.document.contains(f'"suffix":"{suffix}"')
        )
        models = (decoded(row, Model) for row in self._connection.execute(statement).scalars())
        bases += [model.base_model for model in models if model.suffix == suffix]
        return bool(bases) if base_model is None else base_model in bases

    # keys

    def api_keys(self, page: PageOf) -> Sequence[tuple[str, ApiKey]]:
        """Keys, newest first."""
        statement = select(KEYS).where(KEYS.c.tenant == self._id)
        rows = self._connection.execute(paged(statement, KEYS, page))
        return [
            (page_key(row.create_time, row.id), key_of(row.document, row.last_use_time))
            for row in rows
        ]

    def add_api_key(self, key: ApiKey) -> None:
        """Record a new key of the tenant."""
        self._connection.execute(insert(KEYS).values(**key_columns(replace(key, tenant=self._id))))

    def api_key(self, id: str) -> ApiKey:
        """The key, or NotFound."""
        statement = select(KEYS.c.document, KEYS.c.last_use_time).where(
            KEYS.c.tenant == self._id, KEYS.c.id == id
        )
        if self._locks:
            statement = statement.with_for_update()
        row = self._connection.execute(statement).one_or_none()
        if row is None:
            raise NotFound(str(ApiKeyName(self._id, id)))
        return key_of(row.document, row.last_use_time)

    def put_api_key(self, key: ApiKey) -> None:
        """Record a changed key."""
        mine = (KEYS.c.tenant == self._id, KEYS.c.id == key.id)
        self._connection.execute(update(KEYS).where(*mine).values(document=encoded(key)))

    # quota

    def chain(self) -> Sequence[Tenant]:
        """The tenant and its parents, upwards."""
        if self._chain is None:
            chain = [self._tenant]
            while parent := chain[-1].parent:
                chain.append(self._tenants(parent))
            self._chain = chain
        return self._chain

    @property
    def _book(self) -> Book:
        return Book(self._connection, self._id, self.chain()[-1].id)

    def reserve(
        self, subject: str, asks: Sequence[Ask], at: datetime, *, spend: Sequence[Ask] = ()
    ) -> Sequence[QuotaViolation]:
        """Hold and use up all of it, or nothing and say which limits are in the way."""
        return self._book.reserve(subject, asks, at, spend)

    def permits(self, asks: Sequence[Ask]) -> bool:
        """Use all of it up, or nothing; whether a limit is in the way."""
        return self._book.permits(asks)

    def settle(self, subject: str, used: Mapping[Dimension, int], at: datetime) -> None:
        """Turn what `subject` holds of these dimensions into what was used."""
        self._book.settle(subject, used, at)

    def release(self, subject: str, dimensions: Iterable[Dimension], at: datetime) -> None:
        """Give back what `subject` holds of these dimensions."""
        self._book.release(subject, dimensions, at)

    def held(self, subject: str) -> Sequence[Hold]:
        """What `subject` holds."""
        return self._book.held(subject)

    def holders(self, counter: tuple[str, Dimension, str]) -> Sequence[FineTune]:
        """The runs that hold of a counter, of whatever tenant of the family they are."""
        return self._runs.holding(self._book.subjects(counter))

    def usage(
        self, counters: Iterable[tuple[str, Dimension, str]]
    ) -> Mapping[tuple[str, Dimension, str], Usage]:
        """The counters of these (scope, dimension, period)."""
        return self._book.usage(counters)

    def ledger(self, page: PageOf) -> Sequence[tuple[str, LedgerEntry]]:
        """The entries of the tenant's counters, newest first."""
        mine = or_(
            LEDGER.c.scope == tenant_scope(self._id),
            LEDGER.c.scope.startswith(f"{tenant_scope(self._id)}@", autoescape=True),
        )
        statement = filtered(select(LEDGER).where(mine), LEDGER, page.filter)
        rows = self._connection.execute(by_place(statement, LEDGER, page))
        return [(str(row.place), _entry(row)) for row in rows]

    def queued_before(self, run: FineTune) -> int:
        """How many of the tenant's waiting runs go before `run`."""
        return self._runs.queued_before(run)

    def active_fine_tunes(self) -> Sequence[FineTune]:
        """The runs that have not ended."""
        return self._runs.active()

    # fair queue and presence

    def share(self) -> Share:
        """Where the tenant stands in the fair queue."""
        row = self._connection.execute(
            select(SHARES).where(SHARES.c.tenant == self._id)
        ).one_or_none()
        return Share(row.start, row.finish) if row else Share()

    def put_share(self, share: Share) -> None:
        """Record where the tenant stands."""
        values = {"start": share.start, "finish": share.finish}
        self._connection.execute(
            upsert(self._connection, SHARES)
            .values(tenant=self._id, **values)
            .on_conflict_do_update(index_elements=[SHARES.c.tenant], set_=values)
        )

    def watches(self, owner: str, now: datetime) -> int:
        """Watches that other processes serve, as far as they have shown life."""
        if self._locks:
            self._book.alone()  # who counts in order to enter must not be overtaken
        statement = select(func.coalesce(func.sum(PRESENCE.c.watches), 0)).where(
            PRESENCE.c.tenant == self._id, PRESENCE.c.owner != owner, PRESENCE.c.until > now
        )
        return int(self._connection.execute(statement).scalar_one())

    def put_watches(self, owner: str, watches: int, until: datetime) -> None:
        """Say how many `owner` serves."""
        values = {"watches": watches, "until": until}
        self._connection.execute(
            upsert(self._connection, PRESENCE)
            .values(tenant=self._id, owner=owner, **values)
            .on_conflict_do_update(
                index_elements=[PRESENCE.c.tenant, PRESENCE.c.owner], set_=values
            )
        )


def _entry(row: Any) -> LedgerEntry:
    values = dict(row._mapping)
    del values["place"]
    return LedgerEntry(**values | {"dimension": Dimension(row.dimension)})
