"""Uploads that are not datasets yet: what the service remembers of them besides their bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tunesmith_server.domain.errors import InvalidArgument

KEPT_FOR = timedelta(hours=24)
"""How long what has arrived is kept after a stream of it was last open."""


@dataclass(frozen=True)
class KeptUpload:
    """One upload of one caller, by the request_id that it gave."""

    tenant: str
    principal: str
    request_id: str
    uid: str
    """Where the bytes are in the blob store, and what holds their room in the quota."""
    header_hash: str
    kept_bytes: int
    """What counts against the quota: what had arrived when its last stream broke off."""
    expire_time: datetime


ASSEMBLED_WITHIN = timedelta(hours=1)
"""How long after it was begun an upload in parts can be completed."""
MOST_PART_BYTES = 64 * 2**20
MOST_PARTS = 10_000
MOST_PENDING = 1_000
"""Uploads in parts that a tenant may have under way at once."""
SHORTEST_EXPIRY, LONGEST_EXPIRY = timedelta(hours=1), timedelta(days=30)
"""Bounds of what a caller may ask a dataset to be kept for."""


class AssemblyState(StrEnum):
    """Where an upload in parts stands."""

    PENDING = "pending"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class AssembledUpload:
    """An upload whose parts come in any order, until a call says which of them, in which order."""

    tenant: str
    id: str
    principal: str
    file_name: str
    mime_type: str
    """As the caller says; nothing is decided by it."""
    size_bytes: int
    """What the parts must come to."""
    keep_seconds: int | None
    """How long the dataset is to be kept once it is made; None is for good."""
    create_time: datetime
    expire_time: datetime
    state: AssemblyState = AssemblyState.PENDING
    part_ids: Sequence[str] = ()
    """Of which it was made, in order, once it is completed."""
    dataset: str | None = None
    """Id of what it became."""


@dataclass(frozen=True)
class UploadPart:
    """One part that has arrived whole."""

    tenant: str
    upload: str
    id: str
    uid: str
    """Where the bytes are in the blob store, and what holds their room in the quota."""
    size_bytes: int
    create_time: datetime


def check_expiry(keep_seconds: int | None) -> None:
    """InvalidArgument unless a dataset may be kept for so long."""
    low, high = (int(bound.total_seconds()) for bound in (SHORTEST_EXPIRY, LONGEST_EXPIRY))
    if keep_seconds is not None and not low <= keep_seconds <= high:
        raise InvalidArgument.of(
            "expires_after.seconds", f"is {keep_seconds}; a file is kept for {low} to {high}"
        )


def expiry(keep_seconds: int | None, now: datetime) -> datetime | None:
    """When a dataset expires that is made now; None is never."""
    return None if keep_seconds is None else now + timedelta(seconds=keep_seconds)
