"""How a dataset gets a version, wherever the bytes came from: an upload, an import, a fix."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from tunesmith.dataset_rules import Report, encode_report

from tunesmith_server.app.admission import Admission
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.names import DatasetName, checked_id
from tunesmith_server.ports import BlobRef, TenantScope


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
    """Adds versions."""

    def __init__(self, admission: Admission, new_uid: Callable[[], str]) -> None:
        self._admission = admission
        self._new_uid = new_uid

    def name(self, tenant: str, id: str, field: str) -> DatasetName:
        """The name for a dataset; of our choice if `id` is empty. InvalidArgument names `field`."""
        return DatasetName(tenant, checked_id(id, field) if id else f"ds-{self._new_uid()[-12:]}")

    def add(self, scope: TenantScope, new: NewVersion, now: datetime) -> Dataset:
        """Record a version and make it the current one of its name, within a transaction.

        To be given to `Commands.run`, which writes the audit record and answers a repeated
        request. The bytes that are the current version already change nothing. Raises
        QuotaExceeded.
        """
        current = _current(scope, new.name.id)
        if current is not None and current.digest == new.blob.digest:
            return current
        version = Dataset(
            name=new.name,
            uid=self._new_uid(),
            digest=new.blob.digest,
            state=DatasetState.READY if new.report.valid else DatasetState.INVALID,
            size_bytes=new.blob.size,
            example_count=new.report.example_count,
            shape=new.report.shape.value if new.report.shape else "",
            report=encode_report(new.report),
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
        return version


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


def _current(scope: TenantScope, id: str) -> Dataset | None:
    try:
        return scope.dataset(id)
    except NotFound:
        return None
