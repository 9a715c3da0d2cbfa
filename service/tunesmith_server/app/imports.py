"""Files that the service fetches itself."""

from dataclasses import dataclass

from tunesmith.dataset_rules import Format, Shape

from tunesmith_server.app.commands import Call
from tunesmith_server.app.once import remembered
from tunesmith_server.app.versions import NewVersion
from tunesmith_server.app.way_in import Means, WayIn
from tunesmith_server.domain.dataset import Dataset
from tunesmith_server.domain.names import TenantName, owned
from tunesmith_server.ports import BlobRef, Sources


@dataclass(frozen=True)
class Import:
    """What the caller wants to have."""

    parent: TenantName
    id: str
    uri: str
    shape: Shape | None = None
    format: Format | None = None
    sha256: str = ""
    """That the file must have; empty is not checked."""


class Imports(WayIn):
    """Takes files in from URIs."""

    def __init__(self, means: Means, sources: Sources) -> None:
        super().__init__(means)
        self._sources = sources

    async def take(self, call: Call, wanted: Import) -> Dataset:
        """Fetch the file and keep it as a new version, as an upload of it would be.

        Raises what `Sources` raises. To validate only is to open the source and to hold its size
        against the quota: what comes back then has neither digest nor findings that mean anything.
        """
        tenant = owned(wanted.parent.tenant, call.principal.tenant, str(wanted.parent))
        name = self._versions.name(tenant, wanted.id, "dataset_id")
        room, answer = await self._store.read(
            lambda tx: (
                self._room(tx, call, tenant),
                remembered(tx, tenant, call.request, Dataset),
            )
        )
        if answer is not None:  # not fetched again: it may be another file by now
            return answer
        async with self._sources.open(wanted.uri, tenant) as source:
            intake = self._intake(
                tenant,
                room,
                shape=wanted.shape,
                format=wanted.format,
                file_name=source.file_name,
            )
            intake.admit(source.size or 0)
            blob = BlobRef("", source.size or 0)
            if call.validate_only:
                report = await intake.finish("", "")
            else:
                async with self._blobs.writer() as writer:
                    async for chunk in source.chunks:
                        await intake.take(chunk, writer)
                    report = await intake.finish(wanted.sha256, "sha256")
                    blob = await writer.commit()
        new = NewVersion(
            name=name,
            blob=blob,
            report=report,
            created_by=call.principal.id,
            file_name=source.file_name,
        )
        now = self._clock.now()
        return await self._keep(
            call, tenant, name, Dataset, lambda tx: self._versions.add(tx, new, now)
        )
