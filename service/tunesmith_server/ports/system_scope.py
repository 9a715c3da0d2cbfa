"""What no tenant owns, and what the dispatcher and the scheduler do across tenants."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from tunesmith_server.domain.audit import AuditRecord
from tunesmith_server.domain.events import Event
from tunesmith_server.domain.fair_share import Share
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.domain.names import DatasetName
from tunesmith_server.domain.tenant import ApiKey, Tenant
from tunesmith_server.domain.upload import AssembledUpload, KeptUpload
from tunesmith_server.ports.analyses import SystemAnalyses
from tunesmith_server.ports.rows import Claim, PageOf, Remembered


class SystemScope(Protocol):
    """What no tenant owns, and what the dispatcher does across tenants."""

    def secret(self, new: Callable[[], bytes]) -> bytes:
        """The installation's secret, made by `new` on first use."""
        ...

    def alone(self, what: str) -> None:
        """Wait until no other transaction on any replica is `alone` with `what`, then be so.

        It lasts until the transaction ends, so "look, then write" is safe after it.
        """
        ...

    def tenant(self, id: str, *, lock: bool = False) -> Tenant:
        """The tenant, or NotFound; with `lock` this transaction is going to change it.

        While a transaction that writes lasts, nobody else changes a tenant that it has looked at.
        """
        ...

    def tenants(self, page: PageOf) -> Sequence[tuple[str, Tenant]]: ...
    def add_tenant(self, tenant: Tenant) -> None: ...
    def put_tenant(self, tenant: Tenant) -> None: ...
    def children(self, tenant: str) -> Sequence[str]:
        """Ids of the tenants right below."""
        ...

    def delete_tenant(self, id: str) -> None:
        """Forget a tenant that has nothing but keys, counters, its bill and remembered requests."""
        ...

    def api_key(self, hash: str) -> ApiKey | None: ...
    def key_used(self, id: str, at: datetime) -> None:
        """Note that a key was used."""
        ...

    def add_platform_key(self, key: ApiKey) -> None: ...
    def has_api_keys(self) -> bool: ...

    def base_model(self, id: str) -> BaseModel: ...
    def base_models(self) -> Sequence[BaseModel]: ...
    def put_base_model(self, base: BaseModel) -> None: ...
    def delete_base_model(self, id: str) -> None: ...
    def base_model_users(self, id: str) -> int:
        """How many runs that have not ended, and models, are made with an entry."""
        ...

    def claim(
        self,
        owner: str,
        node: str,
        *,
        now: datetime,
        lease: timedelta,
        limit: int,
        dead: Sequence[str] = (),
    ) -> Sequence[Claim]:
        """Lease up to `limit` due runs that are unleased or whose lease has run out.

        Due: under way, its time to look has come, and not bound to another node. A lease of an
        owner in `dead` is void. Skips rows that others are claiming.
        """
        ...

    def abandon(self, owner: str, now: datetime) -> None:
        """Give all leases of an owner back, due at once."""
        ...

    def lease_owners(self) -> Sequence[str]:
        """Who holds leases, run out or not."""
        ...

    def renew(
        self, owner: str, uids: Sequence[str], *, now: datetime, lease: timedelta
    ) -> None: ...

    def fenced(self, claim: Claim) -> FineTune | None:
        """The run as it is now, locked, if the claim's fence still holds; else None."""
        ...

    def unclaim(self, claim: Claim, *, due: datetime | None) -> None:
        """Give the lease back; look again at `due`, or never for a run that has ended."""
        ...

    @property
    def analyses(self) -> SystemAnalyses: ...

    # the scheduler: see app/scheduler.py, the only caller
    def schedule_alone(self) -> None:
        """Wait until no other scheduler is in a transaction: a fair order needs one at a time."""
        ...

    def waiting(self, of_each: int) -> Sequence[FineTune]:
        """The runs that may go next, by rank; at most so many of each tenant and base; none held.

        Per base, since the quota of one is no reason for runs on another to wait.
        """
        ...

    def queue_lengths(self) -> Mapping[str, int]:
        """How many runs that are not held wait, by tenant; those without any are absent."""
        ...

    def past_deadline(self, now: datetime, limit: int) -> Sequence[FineTune]:
        """Waiting runs whose deadline for a start has passed."""
        ...

    def shares(self) -> Mapping[str, Share]:
        """Where every tenant stands that was ever started from."""
        ...

    def slots_used(self, node: str) -> int:
        """Slots of a node that runs hold."""
        ...

    def under_way(self, node: str) -> Sequence[FineTune]:
        """Runs of any tenant that hold a slot of a node."""
        ...

    def recent_runs(self, base_model: str, limit: int) -> Sequence[FineTune]:
        """Runs on a base that succeeded, of any tenant, newest first: for forecasts."""
        ...

    # audit
    def add_audit(self, records: Sequence[AuditRecord]) -> None: ...
    def audit(self, tenant: str | None, page: PageOf) -> Sequence[tuple[str, AuditRecord]]:
        """Records of a tenant, or of the whole platform for None, newest first."""
        ...

    def remember(
        self, tenant: str, request_id: str, first: Remembered, at: datetime
    ) -> Remembered | None:
        """None if `first` is now the answer to `request_id`; else the answer that was there.

        Waits for a concurrent transaction that has claimed the same id. `tenant` is empty for what
        no tenant owns.
        """
        ...

    def remembered(self, tenant: str, request_id: str) -> Remembered | None:
        """The answer to `request_id`, if it has one."""
        ...

    def set_answer(self, tenant: str, request_id: str, answer: bytes) -> None:
        """Fill in the answer of a request_id claimed in this transaction."""
        ...

    def events_of(self, after: Mapping[str, int], limit: int) -> Mapping[str, Sequence[Event]]:
        """Events of many runs at once, by uid, each after its own sequence: the tailer's query.

        At most `limit` of each run, in order, however many the others have.
        """
        ...

    def unknown(self, uids: Sequence[str]) -> Sequence[str]:
        """Those of the uids that no run has: it was deleted."""
        ...

    def active_uids(self) -> Sequence[str]:
        """Uids of the runs that have not ended, for the orphan reaper."""
        ...

    # the sweeper: see app/sweeping.py, the only caller
    def uploads(self, after: str, limit: int) -> Sequence[KeptUpload]:
        """Uploads of any tenant after a uid, by uid."""
        ...

    def known_uploads(self, uids: Sequence[str]) -> set[str]:
        """Those of the uids that are of uploads that may go on, or of parts of uploads."""
        ...

    def expired_assemblies(self, now: datetime, limit: int) -> Sequence[AssembledUpload]:
        """Uploads in parts of any tenant whose time is over, whatever came of them."""
        ...

    def expired_datasets(
        self, now: datetime, after: tuple[datetime, str, str] | None, limit: int
    ) -> Sequence[tuple[datetime, DatasetName]]:
        """Datasets of any tenant that have expired, and when.

        By expiry, tenant and id; those after such a place.
        """
        ...

    def referred_to(self, digests: Sequence[str]) -> set[str]:
        """Those of the digests that a version of a dataset or a run that has not ended has."""
        ...
