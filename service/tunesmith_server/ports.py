"""What the use cases need from the world, as seen from the use cases."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar

from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.audit import AuditRecord
from tunesmith_server.domain.completion import (
    AdapterRef,
    Completion,
    CompletionDelta,
    CompletionRequest,
)
from tunesmith_server.domain.dataset import Dataset
from tunesmith_server.domain.errors import QuotaViolation
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fair_share import Share
from tunesmith_server.domain.filters import EVERYTHING, Filter
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import BaseModel, Model
from tunesmith_server.domain.observation import Observation, Report, StopMode
from tunesmith_server.domain.quota import Ask, Dimension, Hold, LedgerEntry
from tunesmith_server.domain.states import State
from tunesmith_server.domain.tenant import ApiKey, Tenant

T = TypeVar("T")


class Clock(Protocol):
    """Tells the time, with a time zone."""

    def now(self) -> datetime: ...


# --- the store --------------------------------------------------------------------------------


@dataclass(frozen=True)
class PageOf:
    """Which page of a list: at most `limit` rows of those that match and come after `after`.

    `after` is the key of the last row of the page before, as the store gave it; newest first.
    """

    limit: int
    after: str = ""
    filter: Filter = EVERYTHING


@dataclass(frozen=True)
class Usage:
    """How much of one counter is taken."""

    used: int
    reserved: int


@dataclass(frozen=True)
class Remembered:
    """The first answer to a request_id."""

    method: str
    body_hash: str
    answer: bytes


class TenantScope(Protocol):
    """One tenant's rows within a transaction: no method can reach another tenant's.

    What is read in a write transaction is locked until it ends, so that "read, decide, write" is
    safe against every other writer on every replica.
    """

    def tenant(self) -> Tenant: ...

    # runs
    def fine_tune(self, id: str) -> FineTune:
        """The run, or NotFound."""
        ...

    def fine_tunes(
        self, page: PageOf, *, states: Sequence[State] = ()
    ) -> Sequence[tuple[str, FineTune]]:
        """Runs, newest first, each with its key for `PageOf.after`."""
        ...

    def add_fine_tune(self, run: FineTune, events: Sequence[Event]) -> FineTune:
        """Record a new run with its first events, or AlreadyExists. Returns it as recorded."""
        ...

    def put_fine_tune(self, run: FineTune, events: Sequence[Event] = ()) -> FineTune:
        """Record a changed run and append the events that tell of it, in order, numbered densely.

        Returns the run as recorded: `version` and `last_event` moved on.
        """
        ...

    def delete_fine_tune(self, run: FineTune) -> None: ...

    def events(
        self, uid: str, *, after: int, limit: int, kinds: Sequence[Kind] = ()
    ) -> Sequence[Event]:
        """Events of a run after a sequence, in order."""
        ...

    def oldest_event(self, uid: str) -> int:
        """Sequence of the oldest event kept; 1 unless history was trimmed."""
        ...

    # datasets and models
    def dataset(self, id: str) -> Dataset: ...
    def datasets(self, page: PageOf) -> Sequence[tuple[str, Dataset]]: ...
    def put_dataset(self, dataset: Dataset) -> None:
        """Record a version and make it the current one of its name."""
        ...

    def dataset_in_use(self, id: str) -> Sequence[str]:
        """Ids of runs not yet ended that train on, or validate with, the dataset."""
        ...

    def delete_dataset(self, id: str) -> None: ...
    def model(self, id: str) -> Model: ...
    def model_named(self, public_or_legacy_name: str) -> Model: ...
    def models(self, page: PageOf) -> Sequence[tuple[str, Model]]: ...
    def add_model(self, model: Model) -> None: ...
    def delete_model(self, id: str) -> None: ...

    def suffix_taken(self, suffix: str, base_model: str | None) -> bool:
        """Whether a run that has not ended, or a model, has the suffix; None is of any base model.

        In a write transaction, no other one of the tenant is told about suffixes until it ends.
        """
        ...

    # keys
    def api_keys(self, page: PageOf) -> Sequence[tuple[str, ApiKey]]: ...
    def api_key(self, id: str) -> ApiKey: ...
    def add_api_key(self, key: ApiKey) -> None: ...
    def put_api_key(self, key: ApiKey) -> None: ...

    # quota: see app/admission.py, the only caller
    def chain(self) -> Sequence[Tenant]:
        """The tenant and its parents, upwards."""
        ...

    def reserve(
        self, subject: str, asks: Sequence[Ask], at: datetime, *, spend: Sequence[Ask] = ()
    ) -> Sequence[QuotaViolation]:
        """Hold all of `asks` for `subject` (a run's uid), and use up all of `spend`.

        Or do nothing of it, and say which limits are in the way. Guarded in the database: no race
        takes a counter past its limit. What `subject` holds already it is not asked for again. One
        ledger row for each.
        """
        ...

    def permits(self, asks: Sequence[Ask]) -> bool:
        """Use all of it up, or nothing; whether a limit is in the way.

        For rates: no ledger row is written, and the counters of earlier windows are forgotten.
        """
        ...

    def settle(self, subject: str, used: Mapping[Dimension, int], at: datetime) -> None:
        """Turn what `subject` holds of these dimensions into what was used.

        Harmless where it holds nothing.
        """
        ...

    def release(self, subject: str, dimensions: Iterable[Dimension], at: datetime) -> None:
        """Give back what `subject` holds of these dimensions; harmless when it holds nothing."""
        ...

    def held(self, subject: str) -> Sequence[Hold]:
        """What `subject` holds."""
        ...

    def holders(self, counter: tuple[str, Dimension, str]) -> Sequence[FineTune]:
        """The runs that hold of a (scope, dimension, period): for sums over a family's pool."""
        ...

    def usage(
        self, counters: Iterable[tuple[str, Dimension, str]]
    ) -> Mapping[tuple[str, Dimension, str], Usage]:
        """The counters of these (scope, dimension, period); absent where nothing was ever taken."""
        ...

    def ledger(self, page: PageOf) -> Sequence[tuple[str, LedgerEntry]]:
        """The entries of the tenant's counters, newest first; those of tenants below included."""
        ...

    def queued_before(self, run: FineTune) -> int:
        """How many of the tenant's waiting runs, none of them held, go before `run`."""
        ...

    def active_fine_tunes(self) -> Sequence[FineTune]:
        """The runs that have not ended."""
        ...

    # fair queue
    def share(self) -> Share: ...
    def put_share(self, share: Share) -> None: ...
    def watches(self, owner: str, now: datetime) -> int:
        """Watches that other processes than `owner` serve, as far as they have shown life."""
        ...

    def put_watches(self, owner: str, watches: int, until: datetime) -> None:
        """Say how many `owner` serves; void after `until`."""
        ...


@dataclass(frozen=True, eq=False)
class Claim:
    """A run leased to one dispatcher. Only writes that carry the present fence take effect."""

    run: FineTune
    fence: int


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


class Transaction(Protocol):
    """All of its writes happen, or none."""

    @property
    def system(self) -> SystemScope: ...

    def of(self, tenant: str) -> TenantScope:
        """The rows of a tenant; NotFound if there is no such tenant."""
        ...


class Store(Protocol):
    """Keeps what the platform knows.

    `work` is a plain function that runs in a thread with a transaction; it must do nothing but
    read, compute and write through it, since it may run again after a conflict. Nothing else can
    be awaited inside, by construction.
    """

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on one consistent snapshot."""
        ...

    async def peek(self, work: Callable[[Transaction], T]) -> T:
        """As `read`, for a few look-ups by key, which may be made without a thread."""
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a write transaction and return once it is durable."""
        ...

    async def close(self) -> None: ...


# --- identity ---------------------------------------------------------------------------------


class Identities(Protocol):
    """Knows the bearers of tokens that others have issued: OIDC providers, Kubernetes."""

    async def principal(self, token: str) -> Principal | None:
        """Whom a valid token stands for; None for every other, whatever is wrong with it.

        Valid: signed with a present key of a trusted issuer, for our audience, at this time, and
        mapped by a rule of the operator. Whether the tenant exists is not looked at. The log tells
        why a token was refused, and never the token. Asks an issuer at most once in a while,
        however many tokens come.
        """
        ...


# --- wake-ups ---------------------------------------------------------------------------------


class Hints(Protocol):
    """Wake-ups across tasks and replicas. A hint may be lost, so those who wait also poll."""

    def notify(self, topic: str) -> None:
        """Wake whoever waits for `topic`.

        `runs`: new events somewhere; `work`: runs under way want a look; `queue`: a run may start.
        """
        ...

    async def wait(self, topic: str, within: float) -> bool:
        """Whether a hint came since the last return; waits at most `within` seconds."""
        ...


# --- blobs, bases, artefacts ------------------------------------------------------------------


@dataclass(frozen=True)
class BlobRef:
    """A blob by its content."""

    digest: str
    size: int


class BlobWriter(Protocol):
    """Receives a blob piece by piece."""

    async def write(self, chunk: bytes) -> None: ...
    async def commit(self) -> BlobRef: ...


class Blobs(Protocol):
    """Keeps bytes under their sha256 (hex). Raises StorageFull and Unavailable."""

    def writer(self) -> AbstractAsyncContextManager[BlobWriter]:
        """A writer; without a commit nothing remains of what was written."""
        ...

    def read(self, digest: str) -> AsyncIterator[bytes]: ...
    async def fetch(self, digest: str, to_path: Path) -> None: ...


class Artefacts(Protocol):
    """Keeps the folders of tuned models, each under its model's uid."""

    async def keep(self, uid: str, folder: Path, digest: str) -> int:
        """Copy a trained model's folder in, verified against `digest`; its size in bytes."""
        ...

    def path(self, uid: str) -> Path: ...
    async def delete(self, uid: str) -> None: ...


# --- inference --------------------------------------------------------------------------------


class Inference(Protocol):
    """Answers prompts. Raises InvalidArgument, PromptTooLong and Unavailable.

    Cancelling the caller's task stops the work.
    """

    async def complete(
        self, base: BaseModel, adapter: AdapterRef | None, request: CompletionRequest
    ) -> Completion: ...

    def stream_complete(
        self, base: BaseModel, adapter: AdapterRef | None, request: CompletionRequest
    ) -> AsyncIterator[CompletionDelta]: ...

    async def unload(self, adapter_id: str) -> None:
        """Forget an adapter: it is in no memory afterwards."""
        ...


# --- backends ---------------------------------------------------------------------------------


class Backend(Protocol):
    """Where training runs. Everything is idempotent by the run's uid and attempt."""

    name: str
    node: str

    async def start(self, run: FineTune) -> None:
        """Start the run's current attempt; does nothing if that attempt was started before."""
        ...

    async def observe(self, run: FineTune) -> Observation:
        """What is to be seen of the run's current attempt."""
        ...

    async def reports(self, run: FineTune, after: int, limit: int) -> Sequence[Report]:
        """The trainer's reports of this attempt after a sequence, in order."""
        ...

    async def stop(self, run: FineTune, mode: StopMode) -> None:
        """Ask the attempt to stop; harmless when it has.

        Ask again until it has ended: that is what kills one that does not within its grace. A
        stronger mode takes a weaker one's place, never the other way round: CANCEL is stronger than
        FINISH, and that than PAUSE. An attempt that was never started keeps no trace of the asking.
        A later attempt honours a FINISH that an earlier one was lost over, and no other mode.
        """
        ...

    async def discard(self, run: FineTune) -> None:
        """Remove what the run left behind on the backend; harmless when there is nothing."""
        ...

    async def kept(self) -> Sequence[str]:
        """Uids of the runs that have left something behind here, but for very young ones."""
        ...

    async def forget(self, uid: str) -> None:
        """As `discard`, for a run of which nothing but its uid is known any more."""
        ...

    def model_folder(self, run: FineTune) -> Path:
        """Where a finished attempt left its model."""
        ...

    async def reap(self, active_uids: Sequence[str]) -> Sequence[str]:
        """Stop attempts of runs that are not active any more; the uids of those."""
        ...
