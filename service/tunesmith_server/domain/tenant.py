"""A tenant and its keys."""

import functools
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tunesmith_server.domain.access import Role
from tunesmith_server.domain.naming import NO_RULES, NamingPolicy
from tunesmith_server.domain.quota import Limits

KEY_PREFIX = "sk-ts-"
"""The old OpenAI client insists on `sk-` when it reads a key from a file."""


class SuspendedRuns(StrEnum):
    """What becomes of the runs under way of a tenant that is suspended."""

    FINISH = "finish"
    PAUSE = "pause"


class SensitiveDataPolicy(StrEnum):
    """What becomes of secrets and personal data that are recognised in a tenant's datasets."""

    INHERITED = "inherited"
    """What the tenant above says; WARN if none does."""
    OFF = "off"
    """Nothing is looked for."""
    WARN = "warn"
    """They are findings."""
    BLOCK = "block"
    """They are errors: the version is INVALID."""
    REDACT = "redact"
    """They are findings, and a new version without them is made at once."""

    @property
    def withholds(self) -> bool:
        """Whether a version may not be trained on before it has been looked at as a whole."""
        return self in (SensitiveDataPolicy.BLOCK, SensitiveDataPolicy.REDACT)


@dataclass(frozen=True)
class Suspension:
    """Why, and since when, a tenant may not act."""

    since: datetime
    reason: str = ""
    running: SuspendedRuns = SuspendedRuns.FINISH


@dataclass(frozen=True)
class Tenant:
    """One customer of the platform: the unit of quota, naming and isolation."""

    id: str
    create_time: datetime
    display_name: str = ""
    organization: str = ""
    """The slug in model names; the tenant's id unless chosen."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    """The tenant it belongs to, whose limits bound both together. Fixed once made."""
    limits: Limits = field(default_factory=dict)
    """See `domain/quota.py`: absent is inherited, None is unlimited."""
    allowed_base_models: tuple[str, ...] = ()
    """Ids of the base models it may train; empty for all."""
    share_weight: int = 1
    """Its share of capacity that is short, relative to other tenants'."""
    naming: NamingPolicy = NO_RULES
    """How its models may be called."""
    sensitive_data: SensitiveDataPolicy = SensitiveDataPolicy.INHERITED
    suspension: Suspension | None = None
    uid: str = ""
    update_time: datetime | None = None
    version: int = 1


def sensitive_data_policy(chain: Sequence[Tenant]) -> SensitiveDataPolicy:
    """The policy in force for the first tenant of a chain upwards; never INHERITED."""
    for tenant in chain:
        if tenant.sensitive_data is not SensitiveDataPolicy.INHERITED:
            return tenant.sensitive_data
    return SensitiveDataPolicy.WARN


@dataclass(frozen=True)
class ApiKey:
    """A credential. The secret itself is not kept: `hash` is its keyed hash."""

    id: str
    tenant: str | None
    role: Role
    hash: str
    create_time: datetime
    display_name: str = ""
    expire_time: datetime | None = None
    revoke_time: datetime | None = None
    last_use_time: datetime | None = None
    """To the hour."""

    def opens(self, at: datetime) -> bool:
        """Whether the key is good at that moment."""
        return not self.revoke_time and (self.expire_time is None or at < self.expire_time)


def key_hash(secret: bytes, key: str) -> str:
    """The keyed hash (HMAC-SHA-256, hex) under which a key is kept.

    Keys are 256 random bits, so a plain look-up by hash leaks nothing that timing could tell.
    """
    keyed = _keyed(secret).copy()
    keyed.update(key.encode())
    return keyed.hexdigest()


@functools.lru_cache(4)
def _keyed(secret: bytes) -> hmac.HMAC:
    """To be copied: every call comes by here, and to look SHA-256 up costs more than to compute."""
    return hmac.new(secret, digestmod="sha256")
