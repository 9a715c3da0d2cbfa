"""Statements about uploads in parts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select

from tunesmith_server.adapters.sql.documents import decoded, encoded, upsert
from tunesmith_server.adapters.sql.tables import AssembledUploadRow, UploadPartRow
from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.upload import AssembledUpload, AssemblyState, UploadPart

ASSEMBLED: Any = AssembledUploadRow.__table__  # type: ignore[attr-defined]
PARTS: Any = UploadPartRow.__table__  # type: ignore[attr-defined]


class AssembledUploadStatements:
    """The uploads in parts of one tenant."""

    def __init__(self, connection: Connection, tenant: str, locks: bool) -> None:
        self._connection = connection
        self._tenant = tenant
        self._locks = locks

    def get(self, id: str) -> AssembledUpload:
        """The upload, or NotFound."""
        statement = select(ASSEMBLED.c.document).where(*self._one(id))
        if self._locks:
            statement = statement.with_for_update()
        row = self._connection.execute(statement).one_or_none()
        if row is None:
            raise NotFound(f"tenants/{self._tenant}/uploads/{id}")
        return decoded(row[0], AssembledUpload)

    def all(self) -> Sequence[AssembledUpload]:
        """Every upload in parts."""
        statement = select(ASSEMBLED.c.document).where(ASSEMBLED.c.tenant == self._tenant)
        rows = self._connection.execute(statement)
        return [decoded(row[0], AssembledUpload) for row in rows]

    def pending(self, now: datetime) -> int:
        """How many can still be completed."""
        statement = select(func.count()).where(
            ASSEMBLED.c.tenant == self._tenant,
            ASSEMBLED.c.state == AssemblyState.PENDING.value,
            ASSEMBLED.c.expire_time > now,
        )
        return int(self._connection.execute(statement).scalar_one())

    def put(self, upload: AssembledUpload) -> None:
        """Record a new or a changed one."""
        values = {
            "state": upload.state.value,
            "expire_time": upload.expire_time,
            "document": encoded(upload),
        }
        statement = upsert(self._connection, ASSEMBLED).values(
            tenant=self._tenant, id=upload.id, **values
        )
        key = [ASSEMBLED.c.tenant, ASSEMBLED.c.id]
        self._connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values))

    def delete(self, id: str) -> None:
        """Forget one and its parts."""
        self.delete_parts(id)
        self._connection.execute(delete(ASSEMBLED).where(*self._one(id)))

    def add_part(self, part: UploadPart) -> None:
        """Record a part that has arrived."""
        self._connection.execute(PARTS.insert().values(**vars(part)))

    def parts(self, upload: str) -> Sequence[UploadPart]:
        """The parts that have arrived."""
        statement = select(PARTS).where(*self._parts_of(upload))
        return [UploadPart(**row._mapping) for row in self._connection.execute(statement)]

    def delete_parts(self, upload: str) -> None:
        """Forget the parts of one."""
        self._connection.execute(delete(PARTS).where(*self._parts_of(upload)))

    def _one(self, id: str) -> tuple[Any, Any]:
        return ASSEMBLED.c.tenant == self._tenant, ASSEMBLED.c.id == id

    def _parts_of(self, upload: str) -> tuple[Any, Any]:
        return PARTS.c.tenant == self._tenant, PARTS.c.upload == upload


def expired_assemblies(
    connection: Connection, now: datetime, limit: int
) -> Sequence[AssembledUpload]:
    """Uploads in parts of any tenant whose time is over, completed or not; the oldest first."""
    statement = select(ASSEMBLED.c.document).where(ASSEMBLED.c.expire_time <= now)
    rows = connection.execute(statement.order_by(ASSEMBLED.c.expire_time).limit(limit))
    return [decoded(row[0], AssembledUpload) for row in rows]


def known_parts(connection: Connection, uids: Sequence[str]) -> set[str]:
    """Those of the uids that are of parts of uploads."""
    return set(connection.execute(select(PARTS.c.uid).where(PARTS.c.uid.in_(uids))).scalars())
