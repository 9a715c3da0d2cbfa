"""Statements about datasets and their versions, with the tenant in every one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, or_, select, tuple_

from tunesmith_server.adapters.sql.documents import decoded, encoded, page_key, paged, upsert
from tunesmith_server.adapters.sql.filters import filtered, label_column
from tunesmith_server.adapters.sql.prepared import Prepared
from tunesmith_server.adapters.sql.tables import (
    DatasetRow,
    DatasetVersionRow,
    ModelRow,
    VersionRow,
)
from tunesmith_server.domain.dataset import Dataset
from tunesmith_server.domain.errors import FieldViolation, NotFound, PageTokenInvalid
from tunesmith_server.domain.names import DatasetName
from tunesmith_server.ports import PageOf

DATASETS: Any = DatasetRow.__table__  # type: ignore[attr-defined]
VERSIONS: Any = VersionRow.__table__  # type: ignore[attr-defined]
_OLD_VERSIONS: Any = DatasetVersionRow.__table__  # type: ignore[attr-defined]
MODELS: Any = ModelRow.__table__  # type: ignore[attr-defined]


_DATASET = Prepared(
    lambda _: select(DATASETS.c.document).where(
        DATASETS.c.tenant == bindparam("of"), DATASETS.c.id == bindparam("id")
    )
)
_LOCKED_DATASET = Prepared(  # against a delete at the same time
    lambda _: (
        select(DATASETS.c.document)
        .where(DATASETS.c.tenant == bindparam("of"), DATASETS.c.id == bindparam("id"))
        .with_for_update(read=True)
    )
)


class DatasetStatements:
    """What is done with the datasets of one tenant."""

    def __init__(self, connection: Connection, tenant: str, locks: bool) -> None:
        self._connection = connection
        self._tenant = tenant
        self._locks = locks

    def get(self, id: str) -> Dataset:
        """The current version, or NotFound."""
        statement = _LOCKED_DATASET if self._locks else _DATASET
        row = statement.first(self._connection, of=self._tenant, id=id)
        if row is None:
            raise NotFound(str(DatasetName(self._tenant, id)))
        return decoded(row[0], Dataset)

    def page(self, page: PageOf) -> Sequence[tuple[str, Dataset]]:
        """Datasets, newest first."""
        statement = select(DATASETS).where(DATASETS.c.tenant == self._tenant)
        statement = paged(filtered(statement, DATASETS, page.filter), DATASETS, page)
        rows = self._connection.execute(statement)
        return [(page_key(row.create_time, row.id), decoded(row.document, Dataset)) for row in rows]

    def put(self, dataset: Dataset) -> None:
        """Record a version and make it the current one of its name."""
        key = {"tenant": self._tenant, "id": dataset.name.id}
        current = {
            "create_time": dataset.create_time,
            "state": dataset.state.value,
            "labels": label_column(dataset.labels),
            "expire_time": dataset.expire_time,
            "document": encoded(dataset),
        }
        statement = upsert(self._connection, DATASETS).values(**key, **current)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[DATASETS.c.tenant, DATASETS.c.id], set_=current
            )
        )
        version = upsert(self._connection, VERSIONS).values(
            **key,
            number=dataset.version,
            digest=dataset.digest,
            parent_digest=dataset.parent_digest,
            version_time=dataset.version_time,
            document=current["document"],
        )
        self._connection.execute(version.on_conflict_do_nothing())

    def version(self, id: str, which: str) -> Dataset:
        """The version of a number or a digest, or NotFound; of a digest, the newest."""
        of = VERSIONS.c.number == int(which) if len(which) < 10 else VERSIONS.c.digest == which
        statement = select(VERSIONS.c.document).where(*self._versions_of(id), of)
        row = self._connection.execute(statement.order_by(VERSIONS.c.number.desc())).first()
        if row is None:
            raise NotFound(f"{DatasetName(self._tenant, id)} version {which}")
        return decoded(row[0], Dataset)

    def versions(self, id: str, page: PageOf) -> Sequence[tuple[str, Dataset]]:
        """Versions, newest first."""
        statement = select(VERSIONS.c.number, VERSIONS.c.document).where(*self._versions_of(id))
        if page.after:
            if not page.after.isdecimal():
                raise PageTokenInvalid([FieldViolation("page_token", "is malformed")])
            statement = statement.where(VERSIONS.c.number < int(page.after))
        statement = statement.order_by(VERSIONS.c.number.desc()).limit(page.limit)
        rows = self._connection.execute(statement)
        return [(str(row.number), decoded(row.document, Dataset)) for row in rows]

    def of_digest(self, digest: str) -> Sequence[Dataset]:
        """Those whose current version has this digest."""
        statement = select(VERSIONS.c.id).where(
            VERSIONS.c.tenant == self._tenant, VERSIONS.c.digest == digest
        )
        ids = self._connection.execute(statement.distinct()).scalars().all()
        return [each for each in map(self.get, ids) if each.digest == digest]

    def digests(self, id: str) -> Sequence[str]:
        """Of all versions."""
        statement = select(VERSIONS.c.digest).where(*self._versions_of(id)).distinct()
        return list(self._connection.execute(statement).scalars())

    def descendants(self, id: str, page: PageOf) -> Sequence[tuple[str, str]]:
        """Ids of the models that were trained on, or validated with, the bytes of any version."""
        digests = select(VERSIONS.c.digest).where(*self._versions_of(id))
        statement = select(MODELS.c.create_time, MODELS.c.id).where(
            MODELS.c.tenant == self._tenant,
            or_(MODELS.c.training_digest.in_(digests), MODELS.c.validation_digest.in_(digests)),
        )
        rows = self._connection.execute(paged(statement, MODELS, page))
        return [(page_key(row.create_time, row.id), row.id) for row in rows]

    def delete(self, id: str) -> None:
        """Forget a dataset and its versions."""
        for table in (VERSIONS, _OLD_VERSIONS, DATASETS):
            self._connection.execute(
                delete(table).where(table.c.tenant == self._tenant, table.c.id == id)
            )

    def _versions_of(self, id: str) -> tuple[Any, Any]:
        return VERSIONS.c.tenant == self._tenant, VERSIONS.c.id == id


def expired_datasets(
    connection: Connection, now: datetime, after: tuple[datetime, str, str] | None, limit: int
) -> Sequence[tuple[datetime, DatasetName]]:
    """Datasets of any tenant that have expired, by expiry, tenant and id, after such a place."""
    order = (DATASETS.c.expire_time, DATASETS.c.tenant, DATASETS.c.id)
    statement = select(*order).where(DATASETS.c.expire_time <= now)
    if after is not None:
        statement = statement.where(tuple_(*order) > tuple_(*after))
    rows = connection.execute(statement.order_by(*order).limit(limit))
    return [(row.expire_time, DatasetName(row.tenant, row.id)) for row in rows]
