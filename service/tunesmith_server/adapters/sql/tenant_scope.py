"""One tenant's rows: every statement here, and in `runs`, carries the tenant."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from tunesmith_server.adapters.sql import quota
from tunesmith_server.adapters.sql.documents import decoded, encoded, page_key, paged, upsert
from tunesmith_server.adapters.sql.runs import RunStatements
from tunesmith_server.adapters.sql.system import KEYS, key_columns
from tunesmith_server.adapters.sql.tables import (
    DatasetRow,
    DatasetVersionRow,
    ModelRow,
    RequestRow,
)
from tunesmith_server.domain.dataset import Dataset
from tunesmith_server.domain.errors import AlreadyExists, NotFound, QuotaViolation
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import ApiKeyName, DatasetName, ModelName
from tunesmith_server.domain.quota import Dimension, Hold, Limits
from tunesmith_server.domain.states import State
from tunesmith_server.domain.tenant import ApiKey, Tenant
from tunesmith_server.ports import PageOf, Remembered, Usage

DATASETS: Any = DatasetRow.__table__  # type: ignore[attr-defined]
VERSIONS: Any = DatasetVersionRow.__table__  # type: ignore[attr-defined]
MODELS: Any = ModelRow.__table__  # type: ignore[attr-defined]
REQUESTS: Any = RequestRow.__table__  # type: ignore[attr-defined]


class SqlTenantScope:
    """The TenantScope port."""

    def __init__(self, connection: Connection, tenant: Tenant, locks: bool) -> None:
        self._connection = connection
        self._tenant = tenant
        self._id = tenant.id
        self._locks = locks
        self._runs = RunStatements(connection, tenant.id, locks)

    def tenant(self) -> Tenant:
        """The tenant itself."""
        return self._tenant

    # runs

    def fine_tune(self, id: str) -> FineTune:
        """The run, or NotFound."""
        return self._runs.get(id)

    def fine_tunes(
        self, page: PageOf, *, states: Sequence[State] = (), labels: Mapping[str, str] | None = None
    ) -> Sequence[tuple[str, FineTune]]:
        """Runs, newest first."""
        return self._runs.page(page, states, labels)

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
        statement = select(DATASETS.c.document).where(
            DATASETS.c.tenant == self._id, DATASETS.c.id == id
        )
        if self._locks:
            statement = statement.with_for_update(read=True)  # against a delete at the same time
        document = self._connection.execute(statement).scalar_one_or_none()
        if document is None:
            raise NotFound(str(DatasetName(self._id, id)))
        return decoded(document, Dataset)

    def datasets(self, page: PageOf) -> Sequence[tuple[str, Dataset]]:
        """Datasets, newest first."""
        statement = select(DATASETS).where(DATASETS.c.tenant == self._id)
        rows = self._connection.execute(paged(statement, DATASETS, page))
        return [(page_key(row.create_time, row.id), decoded(row.document, Dataset)) for row in rows]

    def put_dataset(self, dataset: Dataset) -> None:
        """Record a version and make it the current one of its name."""
        key = {"tenant": self._id, "id": dataset.name.id}
        current = {"create_time": dataset.create_time, "document": encoded(dataset)}
        statement = upsert(self._connection, DATASETS).values(**key, **current)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[DATASETS.c.tenant, DATASETS.c.id], set_=current
            )
        )
        version = upsert(self._connection, VERSIONS).values(
            **key, digest=dataset.digest, document=current["document"]
        )
        self._connection.execute(version.on_conflict_do_nothing())

    def dataset_in_use(self, id: str) -> Sequence[str]:
        """Ids of runs not yet ended that use the dataset."""
        return self._runs.using_dataset(id)

    def delete_dataset(self, id: str) -> None:
        """Forget a dataset and its versions."""
        for table in (VERSIONS, DATASETS):
            self._connection.execute(
                delete(table).where(table.c.tenant == self._id, table.c.id == id)
            )

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
        rows = self._connection.execute(paged(statement, MODELS, page))
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

    # keys

    def api_keys(self, page: PageOf) -> Sequence[tuple[str, ApiKey]]:
        """Keys, newest first."""
        statement = select(KEYS).where(KEYS.c.tenant == self._id)
        rows = self._connection.execute(paged(statement, KEYS, page))
        return [(page_key(row.create_time, row.id), decoded(row.document, ApiKey)) for row in rows]

    def add_api_key(self, key: ApiKey) -> None:
        """Record a new key of the tenant."""
        self._connection.execute(insert(KEYS).values(**key_columns(replace(key, tenant=self._id))))

    def revoke_api_key(self, id: str, at: datetime) -> ApiKey:
        """Make a key open nothing, or NotFound."""
        mine = (KEYS.c.tenant == self._id, KEYS.c.id == id)
        statement = select(KEYS.c.document).where(*mine)
        document = self._connection.execute(statement).scalar_one_or_none()
        if document is None:
            raise NotFound(str(ApiKeyName(self._id, id)))
        key = decoded(document, ApiKey)
        key = replace(key, revoke_time=key.revoke_time or at)
        self._connection.execute(update(KEYS).where(*mine).values(document=encoded(key)))
        return key

    # quota

    def reserve(
        self, subject: str, holds: Sequence[Hold], limits: Limits, at: datetime
    ) -> Sequence[QuotaViolation]:
        """Take every hold, or none and say which limits are in the way."""
        quota.alone(self._connection, self._id)
        return quota.reserve(self._connection, subject, holds, limits, at)

    def settle(self, subject: str, dimension: Dimension, used: int, at: datetime) -> None:
        """Turn what `subject` holds of a dimension into `used`."""
        quota.alone(self._connection, self._id)
        quota.settle(self._connection, subject, dimension, used, at)

    def release(self, subject: str, dimensions: Sequence[Dimension], at: datetime) -> None:
        """Give back what `subject` holds of these dimensions."""
        quota.alone(self._connection, self._id)
        quota.release(self._connection, subject, dimensions, at)

    def usage(self, period_of: Callable[[Dimension], str]) -> Mapping[Dimension, Usage]:
        """The tenant's counters in their present periods."""
        return quota.usage(self._connection, self._id, period_of)

    # idempotency

    def remember(self, request_id: str, first: Remembered, at: datetime) -> Remembered | None:
        """None if `first` is now the answer to `request_id`; else the answer that was there."""
        claimed = self._connection.execute(
            upsert(self._connection, REQUESTS)
            .values(
                tenant=self._id,
                request_id=request_id,
                method=first.method,
                body_hash=first.body_hash,
                answer=first.answer,
                create_time=at,
            )
            .on_conflict_do_nothing()
            .returning(REQUESTS.c.request_id)
        )
        if claimed.first():
            return None
        row = self._connection.execute(select(REQUESTS).where(*self._request(request_id))).one()
        return Remembered(row.method, row.body_hash, bytes(row.answer))

    def set_answer(self, request_id: str, answer: bytes) -> None:
        """Fill in the answer of a request_id claimed in this transaction."""
        self._connection.execute(
            update(REQUESTS).where(*self._request(request_id)).values(answer=answer)
        )

    def _request(self, request_id: str) -> tuple[Any, ...]:
        return REQUESTS.c.tenant == self._id, REQUESTS.c.request_id == request_id
