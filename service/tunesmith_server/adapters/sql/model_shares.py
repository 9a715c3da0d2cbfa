"""Statements about shared models: one party's tenant is in every one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, delete, null, or_, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from tunesmith_server.adapters.sql.datasets import MODELS
from tunesmith_server.adapters.sql.documents import decoded, encoded, page_key, paged, upsert
from tunesmith_server.adapters.sql.filters import filtered
from tunesmith_server.adapters.sql.tables import ModelShareRow
from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import ModelName
from tunesmith_server.domain.sharing import ModelShare, lent
from tunesmith_server.ports import PageOf

MODEL_SHARES: Any = ModelShareRow.__table__  # type: ignore[attr-defined]
_WHOLE = -1
"""Step of a share of the model: a null is not equal to itself."""


class SqlTenantShares:
    """The TenantShares port."""

    def __init__(self, connection: Connection, tenant: str, locks: bool) -> None:
        self._connection = connection
        self._tenant = tenant
        self._locks = locks

    def find(self, model: ModelName, tenant: str, checkpoint: int | None) -> ModelShare | None:
        """The share of just this with just that tenant, if this one is a party."""
        if self._tenant not in (model.tenant, tenant):
            return None
        statement = select(MODEL_SHARES.c.document).where(*_key(model, tenant, checkpoint))
        if self._locks:
            statement = statement.with_for_update()
        document = self._connection.execute(statement).scalar_one_or_none()
        return decoded(document, ModelShare) if document else None

    def given(self, page: PageOf, model: str | None = None) -> Sequence[tuple[str, ModelShare]]:
        """What the tenant shares with others, newest first."""
        of = [] if model is None else [MODEL_SHARES.c.model == model]
        return self._page(page, MODEL_SHARES.c.tenant == self._tenant, *of)

    def received(
        self, page: PageOf, model: ModelName | None = None
    ) -> Sequence[tuple[str, ModelShare]]:
        """What others share with the tenant, newest first."""
        of = (
            [MODEL_SHARES.c.tenant == model.tenant, MODEL_SHARES.c.model == model.id]
            if model
            else []
        )
        return self._page(page, MODEL_SHARES.c.receiver == self._tenant, *of)

    def _page(self, page: PageOf, *which: Any) -> Sequence[tuple[str, ModelShare]]:
        statement = paged(select(MODEL_SHARES).where(*which), MODEL_SHARES, page)
        return [
            (page_key(row.create_time, row.id), decoded(row.document, ModelShare))
            for row in self._connection.execute(statement)
        ]

    def standing(self, model: str, now: datetime) -> Sequence[ModelShare]:
        """Offers and shares of a model that have not expired, the oldest first."""
        if self._locks:
            # who shares the model, and so refers to its row, or deletes it, waits for us
            of = (MODELS.c.tenant == self._tenant, MODELS.c.id == model)
            self._connection.execute(select(MODELS.c.id).where(*of).with_for_update())
        statement = (
            select(MODEL_SHARES.c.document)
            .where(
                MODEL_SHARES.c.tenant == self._tenant,
                MODEL_SHARES.c.model == model,
                _not_expired(now),
            )
            .order_by(MODEL_SHARES.c.create_time, MODEL_SHARES.c.id)
        )
        rows = self._connection.execute(statement).scalars()
        return [decoded(document, ModelShare) for document in rows]

    def put(self, share: ModelShare) -> None:
        """Record a share of the tenant's own model; NotFound if it has none of this name."""
        values = {
            "accept_time": share.accept_time,
            "expire_time": share.expire_time,
            "document": encoded(share),
        }
        statement = upsert(self._connection, MODEL_SHARES).values(
            id=share.uid,
            tenant=self._tenant,
            model=share.model.id,
            receiver=share.tenant,
            step=_step(share.checkpoint),
            create_time=share.create_time,
            **values,
        )
        statement = statement.on_conflict_do_update(
            index_elements=[
                MODEL_SHARES.c.tenant,
                MODEL_SHARES.c.model,
                MODEL_SHARES.c.receiver,
                MODEL_SHARES.c.step,
            ],
            set_=values | {"id": share.uid, "create_time": share.create_time},
        )
        try:
            with self._connection.begin_nested():
                self._connection.execute(statement)
        except IntegrityError as error:  # deleted this moment
            raise NotFound(str(share.model)) from error

    def accept(self, share: ModelShare) -> None:
        """Record what the tenant has consented to."""
        self._connection.execute(
            update(MODEL_SHARES)
            .where(MODEL_SHARES.c.id == share.uid, MODEL_SHARES.c.receiver == self._tenant)
            .values(accept_time=share.accept_time, document=encoded(share))
        )

    def delete(self, share: ModelShare) -> None:
        """Forget a share that the tenant is a party of."""
        party = or_(MODEL_SHARES.c.tenant == self._tenant, MODEL_SHARES.c.receiver == self._tenant)
        self._connection.execute(delete(MODEL_SHARES).where(MODEL_SHARES.c.id == share.uid, party))

    def lent(self, name: ModelName | str, now: datetime) -> Model:
        """The other tenant's model of this name that may be asked now, or NotFound."""
        if isinstance(name, ModelName):
            which = and_(MODELS.c.tenant == name.tenant, MODELS.c.id == name.id)
        else:
            which = or_(MODELS.c.public_name == name, MODELS.c.legacy_name == name)
        rows = self._connection.execute(
            select(MODELS.c.tenant, MODELS.c.id, MODELS.c.document, MODEL_SHARES.c.step)
            .join(MODEL_SHARES, _OF_MODEL)
            .where(which, *self._askable(now))
            .order_by(MODELS.c.tenant, MODELS.c.id)
        ).all()
        if not rows:
            raise NotFound(str(name))
        # a name for people may be that of two models, of tenants whose organisations are
        # called alike
        first = rows[0]
        steps = [_checkpoint(row.step) for row in rows if row[:2] == first[:2]]
        return lent(decoded(first.document, Model), steps)

    def models(self, page: PageOf, now: datetime) -> Sequence[tuple[str, Model]]:
        """The tenant's own models and those that it may ask now, newest first."""
        steps: dict[tuple[str, str], list[int | None]] = {}
        columns = (MODEL_SHARES.c.tenant, MODEL_SHARES.c.model, MODEL_SHARES.c.step)
        for row in self._connection.execute(select(*columns).where(*self._askable(now))):
            steps.setdefault((row.tenant, row.model), []).append(_checkpoint(row.step))
        own = MODELS.c.tenant == self._tenant
        table: Any = MODELS
        statement = select(MODELS).where(own)
        if steps:  # nobody filters by labels of others, which are not shown to them
            labels = case((own, MODELS.c.labels), else_=null()).label("labels")
            others = [column for column in MODELS.c if column.name != "labels"]
            among = tuple_(MODELS.c.tenant, MODELS.c.id).in_(list(steps))
            table = select(*others, labels).where(or_(own, among)).subquery()
            statement = select(table)
        statement = paged(filtered(statement, table, page.filter), table, page)
        found = []
        for row in self._connection.execute(statement):
            model = decoded(row.document, Model)
            if row.tenant != self._tenant:
                model = lent(model, steps[row.tenant, row.id])
            found.append((page_key(row.create_time, row.id), model))
        return found

    def _askable(self, now: datetime) -> tuple[Any, ...]:
        return (
            MODEL_SHARES.c.receiver == self._tenant,
            MODEL_SHARES.c.accept_time.is_not(None),
            _not_expired(now),
        )


_OF_MODEL = and_(MODEL_SHARES.c.tenant == MODELS.c.tenant, MODEL_SHARES.c.model == MODELS.c.id)


def forget_receiver(connection: Connection, tenant: str) -> None:
    """End what a tenant that is deleted had consented to.

    Offers stay: to those who made them, they are as offers to a tenant that there never was.
    """
    connection.execute(
        delete(MODEL_SHARES).where(
            MODEL_SHARES.c.receiver == tenant, MODEL_SHARES.c.accept_time.is_not(None)
        )
    )


def _not_expired(now: datetime) -> Any:
    return or_(MODEL_SHARES.c.expire_time.is_(None), MODEL_SHARES.c.expire_time > now)


def _key(model: ModelName, tenant: str, checkpoint: int | None) -> tuple[Any, ...]:
    return (
        MODEL_SHARES.c.tenant == model.tenant,
        MODEL_SHARES.c.model == model.id,
        MODEL_SHARES.c.receiver == tenant,
        MODEL_SHARES.c.step == _step(checkpoint),
    )


def _step(checkpoint: int | None) -> int:
    return _WHOLE if checkpoint is None else checkpoint


def _checkpoint(step: int) -> int | None:
    return None if step == _WHOLE else step
