"""An upload that may go on: what the service remembers of it besides its bytes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

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
