"""Statements about analyses: one tenant's, and the leases on all that are open."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, or_, select, update

from tunesmith_server.adapters.sql.documents import decoded, encoded, upsert
from tunesmith_server.adapters.sql.prepared import Prepared
from tunesmith_server.adapters.sql.tables import AnalysisRow, DatasetRow, VersionRow
from tunesmith_server.domain.analysis import (
    LEAKAGE,
    RULES,
    Analysis,
    AnalysisState,
    Content,
    Outcome,
)
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.ports.analyses import AnalysisClaim

ANALYSES: Any = AnalysisRow.__table__  # type: ignore[attr-defined]
_VERSIONS: Any = VersionRow.__table__  # type: ignore[attr-defined]
_DATASETS: Any = DatasetRow.__table__  # type: ignore[attr-defined]

_A = ANALYSES.c
_ROW = (_A.state, _A.bytes_done, _A.document)
_ONE = Prepared(
    lambda _: select(*_ROW).where(
        _A.tenant == bindparam("of"),
        _A.digest == bindparam("content"),
        _A.reading == bindparam("as_read"),
        _A.subject == bindparam("about"),
    )
)


class SqlTenantAnalyses:
    """The TenantAnalyses port."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._id = tenant

    def of(self, digests: Collection[str]) -> Sequence[Analysis]:
        """All of these contents."""
        if not digests:
            return []
        statement = select(*_ROW).where(_A.tenant == self._id, _A.digest.in_(digests))
        return [_analysis(row) for row in self._connection.execute(statement)]

    def one(self, content: Content, subject: str) -> Analysis | None:
        """The analysis of one subject."""
        row = _ONE.first(
            self._connection,
            of=self._id,
            content=content.digest,
            as_read=content.reading,
            about=subject,
        )
        return _analysis(row) if row else None

    def add(self, analyses: Sequence[Analysis], at: datetime) -> None:
        """Record those that are not there yet."""
        for analysis in analyses:
            content = analysis.content
            statement = upsert(self._connection, ANALYSES).values(
                tenant=self._id,
                digest=content.digest,
                reading=content.reading,
                subject=analysis.subject,
                state=analysis.state.value,
                bytes_done=0,
                rank=content.rank(at),
                due=at,
                attempts=0,
                document=encoded(analysis),
            )
            self._connection.execute(statement.on_conflict_do_nothing())

    def restart(self, analysis: Analysis, at: datetime) -> None:
        """As `add`, also where it is done; one that is open goes on."""
        self._connection.execute(
            delete(ANALYSES).where(
                _A.tenant == self._id,
                _A.digest == analysis.content.digest,
                _A.reading == analysis.content.reading,
                _A.subject == analysis.subject,
                _A.due.is_(None),
            )
        )
        self.add([analysis], at)

    def forget_orphans(self, digests: Collection[str]) -> None:
        """Forget those of these digests that no version has any more."""
        used = select(_VERSIONS.c.digest).where(_VERSIONS.c.tenant == self._id)
        self._connection.execute(
            delete(ANALYSES).where(
                _A.tenant == self._id, _A.digest.in_(digests), _A.digest.not_in(used)
            )
        )


class SqlSystemAnalyses:
    """The SystemAnalyses port."""

    def __init__(self, connection: Connection, locks: bool) -> None:
        self._connection = connection
        self._locks = locks

    def claim(
        self,
        holder: str,
        *,
        now: datetime,
        lease: timedelta,
        subjects: Collection[str],
        dead: Collection[str] = (),
    ) -> AnalysisClaim | None:
        """Lease the next content, all of its open `subjects` at once."""
        free = or_(_A.lease_owner.is_(None), _A.lease_until < now, _A.lease_owner.in_(list(dead)))
        wanted = or_(_A.subject.in_(list(subjects)), _A.subject.startswith(LEAKAGE))
        open_ones = and_(_A.due <= now, free, wanted)
        statement = (
            select(_A.tenant, _A.digest, _A.reading).where(open_ones).order_by(_A.rank).limit(1)
        )
        if self._locks:
            statement = statement.with_for_update(skip_locked=True)
        head = self._connection.execute(statement).one_or_none()
        if head is None:
            return None
        rows = self._connection.execute(
            update(ANALYSES)
            .where(
                _A.tenant == head.tenant,
                _A.digest == head.digest,
                _A.reading == head.reading,
                open_ones,
            )
            .values(
                state=AnalysisState.RUNNING.value,
                lease_owner=holder,
                lease_until=now + lease,
                attempts=_A.attempts + 1,
                bytes_done=0,
            )
            .returning(_A.subject, _A.attempts, _A.document)
        ).all()
        return AnalysisClaim(
            tenant=head.tenant,
            content=decoded(rows[0].document, Analysis).content,
            subjects=tuple(sorted(row.subject for row in rows)),
            attempt=max(row.attempts for row in rows),
            holder=holder,
        )

    def holders(self) -> Sequence[str]:
        """Who holds leases."""
        statement = select(_A.lease_owner).where(_A.due.is_not(None), _A.lease_owner.is_not(None))
        return list(self._connection.execute(statement.distinct()).scalars())

    def progress(self, claim: AnalysisClaim, bytes_done: int, until: datetime) -> bool:
        """Note how far it is, and keep the lease."""
        done = self._connection.execute(
            update(ANALYSES).where(*_held(claim)).values(bytes_done=bytes_done, lease_until=until)
        )
        return bool(done.rowcount)

    def finish(
        self,
        claim: AnalysisClaim,
        outcomes: Mapping[str, Outcome],
        now: datetime,
        state: DatasetState | None = None,
    ) -> bool:
        """Record what came of the subjects."""
        statement = select(_A.subject, *_ROW).where(*_held(claim))
        if self._locks:
            statement = statement.with_for_update()
        rows = self._connection.execute(statement).all()
        for row in rows:
            outcome = outcomes[row.subject]
            if row.subject == RULES and outcome.report is not None and state is not None:
                self._complete_reports(claim, outcome.report, state)
            ended = _ended(_analysis(row[1:]), outcome, now)
            self._connection.execute(
                update(ANALYSES)
                .where(*_held(claim), _A.subject == row.subject)
                .values(
                    state=ended.state.value,
                    bytes_done=ended.bytes_done,
                    due=None,
                    lease_owner=None,
                    lease_until=None,
                    document=encoded(ended),
                )
            )
        return bool(rows)

    def give_back(
        self, claim: AnalysisClaim, *, due: datetime, error: str = "", counts: bool = True
    ) -> None:
        """End the lease, to be tried again at `due`."""
        statement = select(_A.subject, *_ROW).where(*_held(claim))
        for row in self._connection.execute(statement).all():
            waiting = replace(_analysis(row[1:]), state=AnalysisState.PENDING, error=error)
            self._connection.execute(
                update(ANALYSES)
                .where(*_held(claim), _A.subject == row.subject)
                .values(
                    state=waiting.state.value,
                    due=due,
                    lease_owner=None,
                    lease_until=None,
                    attempts=_A.attempts - (0 if counts else 1),
                    document=encoded(waiting),
                )
            )

    def _complete_reports(
        self, claim: AnalysisClaim, report: Mapping[str, Any], state: DatasetState
    ) -> None:
        """Put the complete report into every version of the tenant that has this content."""
        versions = select(_VERSIONS.c.id, _VERSIONS.c.number, _VERSIONS.c.document).where(
            _VERSIONS.c.tenant == claim.tenant, _VERSIONS.c.digest == claim.content.digest
        )
        for id, number, document in self._connection.execute(versions).all():
            version = decoded(document, Dataset)
            if not _has(version, claim.content):
                continue
            self._connection.execute(
                update(_VERSIONS)
                .where(
                    _VERSIONS.c.tenant == claim.tenant,
                    _VERSIONS.c.id == id,
                    _VERSIONS.c.number == number,
                )
                .values(document=encoded(replace(version, report=report, state=state)))
            )
            mine = (_DATASETS.c.tenant == claim.tenant, _DATASETS.c.id == id)
            current = select(_DATASETS.c.document).where(*mine)
            if self._locks:
                current = current.with_for_update()
            row = self._connection.execute(current).one_or_none()
            dataset = decoded(row.document, Dataset) if row else None
            if dataset is not None and _has(dataset, claim.content):
                dataset = replace(dataset, report=report, state=state)
                self._connection.execute(
                    update(_DATASETS)
                    .where(*mine)
                    .values(document=encoded(dataset), state=state.value)
                )


def _has(dataset: Dataset, content: Content) -> bool:
    """Whether the version is of this content, and read in the same way."""
    return (dataset.digest, dataset.content.reading) == (content.digest, content.reading)


def _ended(before: Analysis, outcome: Outcome, now: datetime) -> Analysis:
    if outcome.error:
        return replace(before, state=AnalysisState.FAILED, error=outcome.error, complete_time=None)
    return replace(
        before,
        state=AnalysisState.COMPLETE,
        bytes_done=before.content.size_bytes,
        error="",
        complete_time=now,
        tokenizer=outcome.tokenizer,
        count=outcome.count,
        findings=outcome.findings,
    )


def _analysis(row: Any) -> Analysis:
    analysis = decoded(row[2], Analysis)
    return replace(analysis, state=AnalysisState(row[0]), bytes_done=row[1])


def _held(claim: AnalysisClaim) -> tuple[Any, ...]:
    return (
        _A.tenant == claim.tenant,
        _A.digest == claim.content.digest,
        _A.lease_owner == claim.holder,
    )
