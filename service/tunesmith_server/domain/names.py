"""Resource names after AIP-122: how they are spelled, read and owned."""

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from tunesmith_server.domain.errors import InvalidArgument, NotFound

ID_PATTERN = r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?"
"""One segment of a name: 1 to 63 of a-z, 0-9, '.' and '-', the ends alphanumeric."""

_ID = re.compile(ID_PATTERN)
_RESOURCE = re.compile(rf"tenants/({ID_PATTERN}|-)/([a-zA-Z]+)/({ID_PATTERN})")
_TENANT = re.compile(rf"tenants/({ID_PATTERN}|-)")

OWN_TENANT = "-"
"""In place of a tenant's id: the tenant of the caller's credential."""


def checked_id(text: str, field: str) -> str:
    """`text` if it can be the last segment of a name, else InvalidArgument."""
    if _ID.fullmatch(text):
        return text
    raise InvalidArgument.of(
        field,
        f"{text[:80]!r} is no id: use 1 to 63 of a-z, 0-9, '.' and '-', "
        "beginning and ending with a letter or digit",
    )


def base_model_id(text: str, field: str = "name") -> str:
    """The id in `baseModels/{base_model}`, or InvalidArgument."""
    return checked_id(text.removeprefix("baseModels/"), field)


def can_name(text: str) -> bool:
    """Whether a text may be the name of anything: not with line breaks, NUL or the like in it.

    PostgreSQL refuses to even look for a text with NUL in it.
    """
    return text.isprintable()


@dataclass(frozen=True, order=True)
class TenantName:
    """`tenants/{tenant}`."""

    tenant: str

    @classmethod
    def parse(cls, text: str, field: str = "name") -> Self:
        """The name that `text` spells, or InvalidArgument. `tenants/-` is the caller's own."""
        if match := _TENANT.fullmatch(text):
            return cls(match[1])
        raise InvalidArgument.of(field, f"{text[:80]!r} is not of the form tenants/{{tenant}}")

    def __str__(self) -> str:
        return f"tenants/{self.tenant}"


@dataclass(frozen=True, order=True)
class ResourceName:
    """`tenants/{tenant}/{collection}/{id}`; a subclass a collection."""

    collection: ClassVar[str]
    tenant: str
    id: str

    @classmethod
    def parse(cls, text: str, field: str = "name") -> Self:
        """The name that `text` spells, or InvalidArgument."""
        match = _RESOURCE.fullmatch(text)
        if match and match[2] == cls.collection:
            return cls(match[1], match[3])
        raise InvalidArgument.of(
            field,
            f"{text[:80]!r} is not of the form tenants/{{tenant}}/{cls.collection}/{{id}}",
        )

    def __str__(self) -> str:
        return f"tenants/{self.tenant}/{self.collection}/{self.id}"


class FineTuneName(ResourceName):
    """`tenants/{tenant}/fineTunes/{id}`."""

    collection = "fineTunes"


class DatasetName(ResourceName):
    """`tenants/{tenant}/datasets/{id}`."""

    collection = "datasets"


class ModelName(ResourceName):
    """`tenants/{tenant}/models/{id}`."""

    collection = "models"


class ApiKeyName(ResourceName):
    """`tenants/{tenant}/apiKeys/{id}`."""

    collection = "apiKeys"


def owned(name_tenant: str, own: str | None, shown: str) -> str:
    """The tenant whose resources a call may touch.

    `own` is the tenant of the credential; None for a platform administrator, who may name any.
    A foreign tenant is NotFound under the name `shown`, as an absent resource would be.
    """
    if name_tenant == OWN_TENANT:
        if own is None:
            raise InvalidArgument.of(
                "name", "a platform administrator's key has no tenant: name one instead of '-'"
            )
        return own
    if own is not None and name_tenant != own:
        raise NotFound(shown)
    return name_tenant
