"""Statements about uploads that may go on."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from tunesmith_server.adapters.sql.documents import upsert
from tunesmith_server.adapters.sql.tables import UploadRow
from tunesmith_server.domain.upload import KeptUpload

UPLOADS: Any = UploadRow.__table__  # type: ignore[attr-defined]


class UploadStatements:
    """The uploads of one tenant."""

    def __init__(self, connection: Connection, tenant: str, locks: bool) -> None:
        self._connection = connection
        self._tenant = tenant
        self._locks = locks

    def all(self) -> Sequence[KeptUpload]:
        """Every upload that may go on."""
        rows = self._connection.execute(select(UPLOADS).where(UPLOADS.c.tenant == self._tenant))
        return [KeptUpload(**row._mapping) for row in rows]

    def get(self, principal: str, request_id: str) -> KeptUpload | None:
        """The upload that a caller began with this request_id, if it may go on."""
        statement = select(UPLOADS).where(*self._one(principal, request_id))
        if self._locks:
            statement = statement.with_for_update()
        row = self._connection.execute(statement).one_or_none()
        return KeptUpload(**row._mapping) if row else None

    def add(self, upload: KeptUpload) -> bool:
        """Record a new one; False if there is one of this caller and request_id."""
        statement = upsert(self._connection, UPLOADS).values(**vars(upload))
        added = statement.on_conflict_do_nothing().returning(UPLOADS.c.uid)
        return self._connection.execute(added).first() is not None

    def put(self, upload: KeptUpload) -> bool:
        """Record a changed one; False if it is no longer there."""
        changed = self._connection.execute(
            UPLOADS.update()
            .where(*self._one(upload.principal, upload.request_id), UPLOADS.c.uid == upload.uid)
            .values(kept_bytes=upload.kept_bytes, expire_time=upload.expire_time)
        )
        return changed.rowcount > 0

    def delete(self, upload: KeptUpload) -> None:
        """Forget one."""
        self._connection.execute(
            delete(UPLOADS).where(UPLOADS.c.tenant == self._tenant, UPLOADS.c.uid == upload.uid)
        )

    def _one(self, principal: str, request_id: str) -> tuple[Any, ...]:
        return (
            UPLOADS.c.tenant == self._tenant,
            UPLOADS.c.principal == principal,
            UPLOADS.c.request_id == request_id,
        )


def all_uploads(connection: Connection, after: str, limit: int) -> Sequence[KeptUpload]:
    """Uploads of any tenant, by uid."""
    statement = select(UPLOADS).where(UPLOADS.c.uid > after)
    rows = connection.execute(statement.order_by(UPLOADS.c.uid).limit(limit))
    return [KeptUpload(**row._mapping) for row in rows]
