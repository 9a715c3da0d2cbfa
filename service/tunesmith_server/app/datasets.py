"""What a caller can do with the datasets that there are."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from tunesmith_server.app import filters
from tunesmith_server.app.admission import Admission
from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.pages import Page, Pager, PageRequest
from tunesmith_server.app.scope import scope_of
from tunesmith_server.app.statistics import analyses_of, analysis_of
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.dataset import Dataset
from tunesmith_server.domain.errors import InvalidArgument, NotFound, ResourceInUse
from tunesmith_server.domain.names import DatasetName, ModelName, TenantName, owned
from tunesmith_server.ports import Blobs, Clock, Store, TenantScope, Transaction


class Datasets:
    """The use cases around datasets, but for how they come in: see `uploads` and `imports`."""

    def __init__(
        self,
        store: Store,
        commands: Commands,
        admission: Admission,
        blobs: Blobs,
        pager: Pager,
        clock: Clock,
    ) -> None:
        self._store = store
        self._commands = commands
        self._admission = admission
        self._blobs = blobs
        self._pager = pager
        self._clock = clock

    async def get(self, principal: Principal, name: DatasetName, version: str = "") -> Dataset:
        """A version, by its number or digest, or the current one; NotFound."""
        tenant = owned(name.tenant, principal.tenant, str(name))

        def read(tx: Transaction) -> Dataset:
            scope = scope_of(tx, tenant, name)
            current = scope.dataset(name.id)
            dataset = scope.dataset_version(name.id, version) if version else current
            return replace(dataset, analysis=analysis_of(scope, dataset))

        return await self._store.peek(read)

    async def list(
        self, principal: Principal, parent: TenantName, page: PageRequest
    ) -> Page[Dataset]:
        """A tenant's datasets, newest first."""
        tenant = owned(parent.tenant, principal.tenant, str(parent))
        of = self._pager.of(page, f"{tenant}/datasets", filters.DATASETS)

        def work(tx: Transaction) -> list[tuple[str, Dataset]]:
            scope = tx.of(tenant)
            return _analysed(scope, scope.datasets(of))

        found = await self._store.read(work)
        return self._pager.page(page, f"{tenant}/datasets", found)

    async def versions(
        self, principal: Principal, name: DatasetName, page: PageRequest
    ) -> Page[Dataset]:
        """The versions of a dataset, newest first; NotFound."""
        tenant = owned(name.tenant, principal.tenant, str(name))
        bond = f"{tenant}/datasets/{name.id}/versions"
        of = self._pager.of(page, bond)

        def read(tx: Transaction) -> list[tuple[str, Dataset]]:
            scope = scope_of(tx, tenant, name)
            scope.dataset(name.id)
            return _analysed(scope, scope.dataset_versions(name.id, of))

        return self._pager.page(page, bond, await self._store.read(read))

    async def descendants(
        self, principal: Principal, name: DatasetName, page: PageRequest
    ) -> Page[ModelName]:
        """The models that were made with any version of a dataset, newest first; NotFound."""
        tenant = owned(name.tenant, principal.tenant, str(name))
        bond = f"{tenant}/datasets/{name.id}/descendants"
        of = self._pager.of(page, bond)

        def read(tx: Transaction) -> list[tuple[str, ModelName]]:
            scope = scope_of(tx, tenant, name)
            scope.dataset(name.id)
            return [(key, ModelName(tenant, id)) for key, id in scope.descendants(name.id, of)]

        return self._pager.page(page, bond, await self._store.read(read))

    async def content(
        self, principal: Principal, name: DatasetName, version: str = "", offset: int = 0
    ) -> AsyncIterator[bytes]:
        """The bytes of a version from an offset on, as uploaded; InvalidArgument past the end."""
        dataset = await self.get(principal, name, version)
        if offset > dataset.size_bytes:
            raise InvalidArgument.of(
                "offset", f"is {offset}, but the version has {dataset.size_bytes} bytes"
            )
        async for chunk in self._blobs.read(dataset.digest, offset):
            yield chunk

    async def delete(self, call: Call, name: DatasetName) -> None:
        """Forget a dataset that no run under way uses. Its bytes go with the next sweep."""
        tenant = owned(name.tenant, call.principal.tenant, str(name))

        def make(tx: Transaction) -> bool:
            scope = scope_of(tx, tenant, name)
            return self._forget(scope, scope.dataset(name.id), name)

        await self._commands.run(call, tenant, DatasetName(tenant, name.id), bool, make)

    async def expire(self, call: Call, name: DatasetName) -> bool:
        """Delete a dataset whose time is over; whether it is gone.

        One that runs under way use waits for them.
        """

        def make(tx: Transaction) -> bool:
            scope = scope_of(tx, name.tenant, name)
            dataset = scope.dataset(name.id)
            if dataset.expire_time is None or dataset.expire_time > self._clock.now():
                raise ResourceInUse(str(name), "it has not expired")
            return self._forget(scope, dataset, name)

        try:
            return await self._commands.run(call, name.tenant, name, bool, make, detail="expired")
        except ResourceInUse:
            return False
        except NotFound:
            return True

    def _forget(self, scope: TenantScope, dataset: Dataset, name: DatasetName) -> bool:
        """Forget a dataset, with what it took; ResourceInUse, by the name that was asked for."""
        if runs := scope.dataset_in_use(dataset.name.id):
            raise ResourceInUse(str(name), f"runs under way use it: {', '.join(runs)}")
        self._admission.dataset_deleted(scope, dataset, self._clock.now())
        scope.delete_dataset(dataset.name.id)
        return True


def _analysed(scope: TenantScope, rows: Sequence[tuple[str, Dataset]]) -> list[tuple[str, Dataset]]:
    """The same with how far the look at each as a whole is."""
    analyses = analyses_of(scope, [dataset for _, dataset in rows])
    return [
        (key, replace(dataset, analysis=analysis))
        for (key, dataset), analysis in zip(rows, analyses, strict=True)
    ]
