"""Who did what, or tried to: records that are only ever added."""

from dataclasses import dataclass
from datetime import datetime

DONE = "OK"
"""The result of what was done; anything else is the reason of the error."""


@dataclass(frozen=True)
class AuditRecord:
    """One mutation, or one attempt that was refused. Never holds a secret or training text."""

    time: datetime
    tenant: str
    """Id of the tenant concerned; empty for the platform."""
    principal: str
    """Id of the credential; empty where none was good."""
    method: str
    """`Service/Method`."""
    resource: str
    """Name of what was changed."""
    result: str
    peer: str = ""
    call_id: str = ""
    detail: str = ""
    """What was changed, for people."""
