"""One tenant's rows within a transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tunesmith_server.domain.dataset import Dataset
from tunesmith_server.domain.errors import QuotaViolation
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fair_share import Share
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.quota import Ask, Dimension, Hold, LedgerEntry
from tunesmith_server.domain.states import State
from tunesmith_server.domain.tenant import ApiKey, Tenant
from tunesmith_server.domain.upload import AssembledUpload, KeptUpload, UploadPart
from tunesmith_server.ports.analyses import TenantAnalyses
from tunesmith_server.ports.rows import PageOf, Usage
from tunesmith_server.ports.shares import TenantShares


class TenantScope(Protocol):
    """One tenant's rows within a transaction: no method can reach another tenant's.

    But `shares` reaches what another has shared with it.

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
    @property
    def analyses(self) -> TenantAnalyses: ...
    @property
    def shares(self) -> TenantShares: ...
    def dataset(self, id: str) -> Dataset: ...
    def datasets(self, page: PageOf) -> Sequence[tuple[str, Dataset]]: ...
    def put_dataset(self, dataset: Dataset) -> None:
        """Record a version and make it the current one of its name."""
        ...

    def datasets_of(self, digest: str) -> Sequence[Dataset]:
        """Those whose current version has this digest."""
        ...

    def dataset_version(self, id: str, which: str) -> Dataset:
        """The version of a number or, the newest, of a digest; NotFound."""
        ...

    def dataset_versions(self, id: str, page: PageOf) -> Sequence[tuple[str, Dataset]]:
        """Versions of a dataset, newest first."""
        ...

    def dataset_in_use(self, id: str) -> Sequence[str]:
        """Ids of runs not yet ended that train on, or validate with, the dataset."""
        ...

    def descendants(self, id: str, page: PageOf) -> Sequence[tuple[str, str]]:
        """Ids of the models that were trained on, or validated with, the bytes of any version."""
        ...

    def delete_dataset(self, id: str) -> None: ...

    # uploads that may go on
    def uploads(self) -> Sequence[KeptUpload]: ...
    def upload(self, principal: str, request_id: str) -> KeptUpload | None: ...
    def add_upload(self, upload: KeptUpload) -> bool:
        """Record a new one; False if there is one of this caller and request_id."""
        ...

    def put_upload(self, upload: KeptUpload) -> bool:
        """Record a changed one; False if it is no longer there."""
        ...

    def delete_upload(self, upload: KeptUpload) -> None: ...

    # uploads in parts: see app/assembled_uploads.py
    def assembled_uploads(self) -> Sequence[AssembledUpload]: ...
    def assembled_upload(self, id: str) -> AssembledUpload:
        """The upload, or NotFound."""
        ...

    def pending_assemblies(self, now: datetime) -> int:
        """How many can still be completed."""
        ...

    def put_assembled_upload(self, upload: AssembledUpload) -> None: ...
    def delete_assembled_upload(self, id: str) -> None:
        """Forget an upload and its parts."""
        ...

    def add_upload_part(self, part: UploadPart) -> None: ...
    def upload_parts(self, upload: str) -> Sequence[UploadPart]: ...
    def delete_upload_parts(self, upload: str) -> None: ...

    # models
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
