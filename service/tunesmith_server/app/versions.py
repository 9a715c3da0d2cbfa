"""How a dataset gets a version, wherever the bytes came from: an upload, an import, a fix."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from tunesmith.dataset_rules import Format, Report, encode_report
from tunesmith.dataset_rules.sensitive import Policy

from tunesmith_server.app.admission import Admission
from tunesmith_server.app.sensitive_data import conclude, policy_of, searched
from tunesmith_server.app.statistics import analysis_of, begin
from tunesmith_server.domain.dataset import Dataset
from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.names import DatasetName, checked_id
from tunesmith_server.domain.tenant import SensitiveDataPolicy
from tunesmith_server.ports import BlobRef, Hints, TenantScope, Transaction


@dataclass(frozen=True)
class NewVersion:
    """Bytes that the blob store keeps already, and what is known of them."""

    name: DatasetName
    """See `Versions.name`."""
    blob: BlobRef
    report: Report
    created_by: str
    """Id of the principal."""
    file_name: str = ""
    display_name: str | None = None
    """None, here and for the labels: those of the version before."""
    labels: Mapping[str, str] | None = None
    expire_time: datetime | None = None
    """None is that of the version before."""
    parent_digest: str | None = None
    """What it was made from; None for the version before of the same name."""


class Versions:
    """Adds versions.

    Args:
        analysed_at_once: the whole is looked at while the bytes come, as nobody here does it in the
            background.
    """

    def __init__(
        self,
        admission: Admission,
        hints: Hints,
        new_uid: Callable[[], str],
        *,
        analysed_at_once: bool,
    ) -> None:
        self._analysed_at_once = analysed_at_once
        self._admission = admission
        self._hints = hints
        self._new_uid = new_uid

    def searched_at_once(self, policy: SensitiveDataPolicy) -> Policy | None:
        """With what the whole is looked at while bytes come; None where that is done later.

        Where nobody may train before it is done, it is always left to those who also redact.
        """
        return searched(policy) if self._analysed_at_once and not policy.withholds else None

    def name(self, tenant: str, id: str, field: str) -> DatasetName:
        """The name for a dataset; of our choice if `id` is empty. InvalidArgument names `field`."""
        return DatasetName(tenant, checked_id(id, field) if id else f"ds-{self._new_uid()[-12:]}")

    def add(self, tx: Transaction, new: NewVersion, now: datetime) -> Dataset:
        """Record a version and make it the current one of its name, within a transaction.

        To be given to `Commands.run`, which writes the audit record and answers a repeated
        request; `announce` comes after it. The bytes that are the current version already change
        nothing. Raises QuotaExceeded.
        """
        scope = tx.of(new.name.tenant)
        policy = policy_of(scope)
        decision = conclude(policy, new.report)
        current = _current(scope, new.name.id)
        if current is not None and _is_same(current, new, policy):
            begin(tx, scope, current)  # as it may be from before there was any analysis
            return replace(current, analysis=analysis_of(scope, current))
        version = Dataset(
            name=new.name,
            uid=self._new_uid(),
            digest=new.blob.digest,
            state=decision.state,
            size_bytes=new.blob.size,
            example_count=new.report.example_count,
            shape=new.report.shape.value if new.report.shape else "",
            format=new.report.format.value if new.report.format else "",
            report=encode_report(decision.report),
            create_time=now,
            version_time=now,
            created_by=new.created_by,
            display_name=new.display_name or "",
            file_name=new.file_name,
            labels=dict(new.labels or {}),
            parent_digest=new.parent_digest or "",
            expire_time=new.expire_time,
        )
        if current is not None:
            version = _after(current, version, new)
        self._admission.keep_dataset(scope, version, now)
        scope.put_dataset(version)
        begin(tx, scope, version)
        return replace(version, analysis=analysis_of(scope, version))

    def announce(self) -> None:
        """Tell those who analyse that there is a version."""
        self._hints.notify("analysis")


def _after(current: Dataset, version: Dataset, new: NewVersion) -> Dataset:
    return replace(
        version,
        uid=current.uid,
        create_time=current.create_time,
        version=current.version + 1,
        parent_digest=version.parent_digest or current.digest,
        display_name=current.display_name if new.display_name is None else new.display_name,
        labels=current.labels if new.labels is None else version.labels,
        expire_time=version.expire_time or current.expire_time,
    )


def _is_same(current: Dataset, new: NewVersion, policy: SensitiveDataPolicy) -> bool:
    """Whether there is nothing new. The same bytes read as another format are other examples."""
    if policy is SensitiveDataPolicy.REDACT and current.parent_digest == new.blob.digest:
        return True  # what was made of them is the current version
    # of a version from before there were others, JSON lines
    before = Format(current.format or Format.JSONL)
    after = new.report.format or Format.JSONL
    return current.digest == new.blob.digest and before is after


def _current(scope: TenantScope, id: str) -> Dataset | None:
    try:
        return scope.dataset(id)
    except NotFound:
        return None
