"""What the ways in for a dataset's bytes have in common: who may send how much, and the version."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tunesmith.dataset_rules import Format, Shape

from tunesmith_server.app.admission import Admission, UsageRow
from tunesmith_server.app.commands import Call, Commands, refuse_suspended
from tunesmith_server.app.intake import Intake
from tunesmith_server.app.sensitive_data import policy_of
from tunesmith_server.app.versions import Versions
from tunesmith_server.domain.tenant import SensitiveDataPolicy
from tunesmith_server.ports import Blobs, Clock, Store, Transaction

T = TypeVar("T")


@dataclass(frozen=True)
class Means:
    """What it takes to take bytes in, by whatever way."""

    store: Store
    commands: Commands
    admission: Admission
    blobs: Blobs
    versions: Versions
    clock: Clock


@dataclass(frozen=True)
class Room:
    """What there is to know of a tenant before the first byte."""

    bytes: UsageRow
    """How many may come."""
    policy: SensitiveDataPolicy


class WayIn:
    """The base of `Uploads`, `AssembledUploads` and `Imports`."""

    def __init__(self, means: Means) -> None:
        self._store = means.store
        self._commands = means.commands
        self._admission = means.admission
        self._blobs = means.blobs
        self._versions = means.versions
        self._clock = means.clock

    def _room(self, tx: Transaction, call: Call, tenant: str) -> Room:
        """Raises NotFound and TenantSuspended."""
        if call.principal.tenant is not None:
            refuse_suspended(tx, tenant, f"tenants/{tenant}")
        scope = tx.of(tenant)
        room = self._admission.room_for_bytes(scope, self._clock.now())
        return Room(room, policy_of(scope))

    def _intake(
        self,
        tenant: str,
        room: Room,
        *,
        shape: Shape | None = None,
        format: Format | None = None,
        file_name: str = "",
    ) -> Intake:
        """For the bytes of one version, looked at as this tenant's policy wants it."""
        return Intake(
            tenant,
            room.bytes,
            shape=shape,
            format=format,
            file_name=file_name,
            sensitive=self._versions.searched_at_once(room.policy),
        )

    async def _keep(
        self,
        call: Call,
        tenant: str,
        resource: object,
        kind: type[T],
        make: Callable[[Transaction], T],
    ) -> T:
        """As `Commands.run`, of something that adds a version."""
        kept = await self._commands.run(call, tenant, resource, kind, make)
        self._versions.announce()
        return kept
