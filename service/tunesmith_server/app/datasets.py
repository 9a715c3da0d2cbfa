"""What a caller can do with datasets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace

from tunesmith.dataset_rules import Format, Inspector, Report, Shape, encode_report

from tunesmith_server.app import filters
from tunesmith_server.app.admission import Admission, UsageRow
from tunesmith_server.app.commands import Call, Commands, refuse_suspended
from tunesmith_server.app.once import Once
from tunesmith_server.app.pages import Page, Pager, PageRequest
from tunesmith_server.app.scope import scope_of
from tunesmith_server.app.statistics import analyses_of, analysis_of, begin
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.errors import (
    ChecksumMismatch,
    FieldViolation,
    NotFound,
    QuotaExceeded,
    QuotaViolation,
    ResourceInUse,
)
from tunesmith_server.domain.names import DatasetName, TenantName, checked_id, owned
from tunesmith_server.ports import Blobs, Clock, Hints, Store, TenantScope, Transaction


@dataclass(frozen=True)
class Upload:
    """What the caller says of the bytes before they come."""

    parent: TenantName
    id: str
    file_name: str = ""
    display_name: str = ""
    labels: Mapping[str, str] | None = None
    shape: Shape | None = None
    format: Format | None = None


@dataclass(frozen=True)
class Content:
    """The bytes, piece by piece; `sha256` gives what the sender says the whole is, once read."""

    chunks: AsyncIterator[bytes]
    sha256: Callable[[], str]


class Datasets:
    """The use cases around datasets."""

    def __init__(
        self,
        store: Store,
        commands: Commands,
        admission: Admission,
        blobs: Blobs,
        pager: Pager,
        hints: Hints,
        clock: Clock,
        new_uid: Callable[[], str],
    ) -> None:
        self._store = store
        self._commands = commands
        self._admission = admission
        self._blobs = blobs
        self._pager = pager
        self._hints = hints
        self._clock = clock
        self._new_uid = new_uid

    async def upload(
        self,
        call: Call,
        upload: Upload,
        content: Content,
        request: Callable[[str], Once | None] = lambda digest: None,
    ) -> Dataset:
        """Keep the bytes as a new version, inspected while they stream; memory stays constant.

        The version is READY, or INVALID with the report that says why. A stream that breaks off, or
        whose checksum is wrong, leaves nothing. The same bytes under the same name change nothing.
        `request` makes the idempotency claim of what was sent, given its digest.
        """
        principal = call.principal
        tenant = owned(upload.parent.tenant, principal.tenant, str(upload.parent))
        uid = self._new_uid()
        id = checked_id(upload.id, "dataset_id") if upload.id else f"ds-{uid[-12:]}"
        room = await self._store.read(lambda tx: self._room(tx, call, tenant))
        inspector = Inspector(
            shape=upload.shape, format=upload.format, file_name=upload.file_name, analyse=True
        )
        received = 0
        async with self._blobs.writer() as writer:
            async for chunk in content.chunks:
                received += len(chunk)
                if room.remaining is not None and received > room.remaining:
                    raise _too_large(tenant, received, room)
                # in a thread: a mebibyte takes about ten milliseconds, which others would wait for
                await asyncio.gather(asyncio.to_thread(inspector.feed, chunk), writer.write(chunk))
            report = await asyncio.to_thread(inspector.finish)
            _check_digest(report, content.sha256())
            blob = await writer.commit()
        now = self._clock.now()
        new = Dataset(
            name=DatasetName(tenant, id),
            uid=uid,
            digest=blob.digest,
            state=DatasetState.READY if report.valid else DatasetState.INVALID,
            size_bytes=blob.size,
            example_count=report.example_count,
            shape=report.shape.value if report.shape else "",
            format=report.format.value if report.format else "",
            report=encode_report(report),
            create_time=now,
            version_time=now,
            created_by=principal.id,
            display_name=upload.display_name,
            file_name=upload.file_name,
            labels=dict(upload.labels or {}),
        )

        def make(tx: Transaction) -> Dataset:
            scope = tx.of(tenant)
            version = _versioned(scope, new)
            if version is None:
                current = scope.dataset(new.name.id)
                begin(tx, scope, current)  # as it may be from before there was any
                return replace(current, analysis=analysis_of(scope, current))
            self._admission.keep_dataset(scope, version, now)
            scope.put_dataset(version)
            begin(tx, scope, version)
            return replace(version, analysis=analysis_of(scope, version))

        once = replace(call, request=request(blob.digest))
        dataset = await self._commands.run(once, tenant, new.name, Dataset, make)
        self._hints.notify("analysis")
        return dataset

    def _room(self, tx: Transaction, call: Call, tenant: str) -> UsageRow:
        """How many bytes may come, before the first is kept; NotFound, TenantSuspended."""
        if call.principal.tenant is not None:
            refuse_suspended(tx, tenant, f"tenants/{tenant}")
        return self._admission.room_for_bytes(tx.of(tenant), self._clock.now())

    async def get(self, principal: Principal, name: DatasetName) -> Dataset:
        """The current version, or NotFound."""
        tenant = owned(name.tenant, principal.tenant, str(name))

        def work(tx: Transaction) -> Dataset:
            scope = scope_of(tx, tenant, name)
            dataset = scope.dataset(name.id)
            return replace(dataset, analysis=analysis_of(scope, dataset))

        return await self._store.read(work)

    async def list(
        self, principal: Principal, parent: TenantName, page: PageRequest
    ) -> Page[Dataset]:
        """A tenant's datasets, newest first."""
        tenant = owned(parent.tenant, principal.tenant, str(parent))
        of = self._pager.of(page, f"{tenant}/datasets", filters.DATASETS)

        def work(tx: Transaction) -> list[tuple[str, Dataset]]:
            scope = tx.of(tenant)
            rows = scope.datasets(of)
            analyses = analyses_of(scope, [dataset for _, dataset in rows])
            return [
                (key, replace(dataset, analysis=analysis))
                for (key, dataset), analysis in zip(rows, analyses, strict=True)
            ]

        found = await self._store.read(work)
        return self._pager.page(page, f"{tenant}/datasets", found)

    async def content(self, principal: Principal, name: DatasetName) -> AsyncIterator[bytes]:
        """The bytes of the current version, as uploaded."""
        dataset = await self.get(principal, name)
        async for chunk in self._blobs.read(dataset.digest):
            yield chunk

    async def delete(self, call: Call, name: DatasetName) -> None:
        """Forget a dataset that no run under way uses."""
        tenant = owned(name.tenant, call.principal.tenant, str(name))

        def make(tx: Transaction) -> bool:
            scope = scope_of(tx, tenant, name)
            dataset = scope.dataset(name.id)
            if runs := scope.dataset_in_use(name.id):
                raise ResourceInUse(str(name), f"runs under way use it: {', '.join(runs)}")
            self._admission.dataset_deleted(scope, dataset, self._clock.now())
            scope.delete_dataset(name.id)
            return True

        await self._commands.run(call, tenant, DatasetName(tenant, name.id), bool, make)


def _too_large(tenant: str, received: int, room: UsageRow) -> QuotaExceeded:
    used = room.used + room.reserved
    violation = QuotaViolation(room.dimension, used, received, room.limit or 0, room.source)
    return QuotaExceeded(tenant, [violation])


def _check_digest(report: Report, said: str) -> None:
    if said and said.lower() != report.sha256:
        raise ChecksumMismatch(
            [FieldViolation("finish.sha256", f"is {said}, but what arrived has {report.sha256}")]
        )


def _versioned(scope: TenantScope, new: Dataset) -> Dataset | None:
    """`new` as the next version of its name; None if it is the current one already."""
    try:
        current = scope.dataset(new.name.id)
    except NotFound:
        return new
    # the same bytes read as another format are other examples
    if current.digest == new.digest and _format(current) is _format(new):
        return None
    return replace(
        new,
        uid=current.uid,
        create_time=current.create_time,
        parent_digest=current.digest,
        version=current.version + 1,
    )


def _format(dataset: Dataset) -> Format:
    """Of a version from before there were others, JSON lines."""
    return Format(dataset.format or Format.JSONL)
