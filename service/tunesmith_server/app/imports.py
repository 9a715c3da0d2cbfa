"""Files that the service fetches itself."""

from dataclasses import dataclass

from tunesmith.dataset_rules import Format, Shape

from tunesmith_server.app.admission import Admission, UsageRow
from tunesmith_server.app.commands import Call, Commands, refuse_suspended
from tunesmith_server.app.intake import Intake
from tunesmith_server.app.once import remembered
from tunesmith_server.app.sensitive_data import policy_of
from tunesmith_server.app.versions import NewVersion, Versions
from tunesmith_server.domain.dataset import Dataset
from tunesmith_server.domain.names import TenantName, owned
from tunesmith_server.domain.tenant import SensitiveDataPolicy
from tunesmith_server.ports import (
    BlobRef,
    Blobs,
    Clock,
    Sources,
    Store,
    Transaction,
)


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


class Imports:
    """Takes files in from URIs."""

    def __init__(
        self,
        store: Store,
        commands: Commands,
        admission: Admission,
        blobs: Blobs,
        sources: Sources,
        versions: Versions,
        clock: Clock,
    ) -> None:
        self._store = store
        self._commands = commands
        self._admission = admission
        self._blobs = blobs
        self._sources = sources
        self._versions = versions
        self._clock = clock

    async def take(self, call: Call, wanted: Import) -> Dataset:
        """Fetch the file and keep it as a new version, as an upload of it would be.

        Raises what `Sources` raises. To validate only is to open the source and to hold its size
        against the quota: what comes back then has neither digest nor findings that mean anything.
        """
        tenant = owned(wanted.parent.tenant, call.principal.tenant, str(wanted.parent))
        name = self._versions.name(tenant, wanted.id, "dataset_id")
        answer, room, policy = await self._store.read(lambda tx: self._begin(tx, call, tenant))
        if answer is not None:  # not fetched again: it may be another file by now
            return answer
        async with self._sources.open(wanted.uri, tenant) as source:
            intake = Intake(
                tenant,
                room,
                shape=wanted.shape,
                format=wanted.format,
                file_name=source.file_name,
                sensitive=self._versions.searched_at_once(policy),
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
        dataset = await self._commands.run(
            call, tenant, name, Dataset, lambda tx: self._versions.add(tx, new, now)
        )
        self._versions.announce()
        return dataset

    def _begin(
        self, tx: Transaction, call: Call, tenant: str
    ) -> tuple[Dataset | None, UsageRow, SensitiveDataPolicy]:
        """The answer that the request had, how many bytes may come, and the tenant's policy."""
        if call.principal.tenant is not None:
            refuse_suspended(tx, tenant, f"tenants/{tenant}")
        room = self._admission.room_for_bytes(tx.of(tenant), self._clock.now())
        return remembered(tx, tenant, call.request, Dataset), room, policy_of(tx.of(tenant))
