"""What a caller can do with datasets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace

from tunesmith.dataset_rules import Inspector, Report, Shape, encode_report

from tunesmith_server.app.once import Once, once
from tunesmith_server.app.pages import Page, Pager, PageRequest
from tunesmith_server.app.scope import scope_of
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.errors import (
    ChecksumMismatch,
    FieldViolation,
    NotFound,
    PreconditionFailed,
)
from tunesmith_server.domain.names import DatasetName, TenantName, checked_id, owned
from tunesmith_server.ports import Blobs, Clock, Store, TenantScope, Transaction


@dataclass(frozen=True)
class Upload:
    """What the caller says of the bytes before they come."""

    parent: TenantName
    id: str
    file_name: str = ""
    display_name: str = ""
    labels: Mapping[str, str] | None = None
    shape: Shape | None = None


@dataclass(frozen=True)
class Content:
    """The bytes, piece by piece; `sha256` gives what the sender says the whole is, once read."""

    chunks: AsyncIterator[bytes]
    sha256: Callable[[], str]


class Datasets:
    """The use cases around datasets."""

    def __init__(
        self, store: Store, blobs: Blobs, pager: Pager, clock: Clock, new_uid: Callable[[], str]
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._pager = pager
        self._clock = clock
        self._new_uid = new_uid

    async def upload(
        self,
        principal: Principal,
        upload: Upload,
        content: Content,
        request: Callable[[str], Once | None] = lambda digest: None,
    ) -> Dataset:
        """Keep the bytes as a new version, inspected while they stream; memory stays constant.

        The version is READY, or INVALID with the report that says why. A stream that breaks off, or
        whose checksum is wrong, leaves nothing. The same bytes under the same name change nothing.
        `request` makes the idempotency claim of what was sent, given its digest.
        """
        tenant = owned(upload.parent.tenant, principal.tenant, str(upload.parent))
        uid = self._new_uid()
        id = checked_id(upload.id, "dataset_id") if upload.id else f"ds-{uid[-12:]}"
        await self._store.read(lambda tx: tx.of(tenant).tenant())  # before a byte is kept
        inspector = Inspector(shape=upload.shape)
        async with self._blobs.writer() as writer:
            async for chunk in content.chunks:
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
            report=encode_report(report),
            create_time=now,
            version_time=now,
            created_by=principal.id,
            display_name=upload.display_name,
            file_name=upload.file_name,
            labels=dict(upload.labels or {}),
        )

        def work(tx: Transaction) -> Dataset:
            scope = tx.of(tenant)
            return once(scope, request(blob.digest), now, Dataset, lambda: _versioned(scope, new))

        return await self._store.write(work)

    async def get(self, principal: Principal, name: DatasetName) -> Dataset:
        """The current version, or NotFound."""
        tenant = owned(name.tenant, principal.tenant, str(name))
        return await self._store.read(lambda tx: scope_of(tx, tenant, name).dataset(name.id))

    async def list(
        self, principal: Principal, parent: TenantName, page: PageRequest
    ) -> Page[Dataset]:
        """A tenant's datasets, newest first."""
        tenant = owned(parent.tenant, principal.tenant, str(parent))
        of = self._pager.of(page, f"{tenant}/datasets")
        found = await self._store.read(lambda tx: tx.of(tenant).datasets(of))
        return self._pager.page(page, f"{tenant}/datasets", found)

    async def content(self, principal: Principal, name: DatasetName) -> AsyncIterator[bytes]:
        """The bytes of the current version, as uploaded."""
        dataset = await self.get(principal, name)
        async for chunk in self._blobs.read(dataset.digest):
            yield chunk

    async def delete(self, principal: Principal, name: DatasetName) -> None:
        """Forget a dataset that no run under way uses."""
        tenant = owned(name.tenant, principal.tenant, str(name))

        def work(tx: Transaction) -> None:
            scope = scope_of(tx, tenant, name)
            scope.dataset(name.id)
            if runs := scope.dataset_in_use(name.id):
                raise PreconditionFailed(str(name), f"runs under way use it: {', '.join(runs)}")
            scope.delete_dataset(name.id)

        await self._store.write(work)


def _check_digest(report: Report, said: str) -> None:
    if said and said.lower() != report.sha256:
        raise ChecksumMismatch(
            [FieldViolation("finish.sha256", f"is {said}, but what arrived has {report.sha256}")]
        )


def _versioned(scope: TenantScope, new: Dataset) -> Dataset:
    """Record `new` as the next version of its name, unless it is the current one already."""
    try:
        current = scope.dataset(new.name.id)
    except NotFound:
        scope.put_dataset(new)
        return new
    if current.digest == new.digest:
        return current
    version = replace(
        new,
        uid=current.uid,
        create_time=current.create_time,
        parent_digest=current.digest,
        version=current.version + 1,
    )
    scope.put_dataset(version)
    return version
