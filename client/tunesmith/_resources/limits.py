"""A tenant's limits as a mapping: `{"datasets": 5, "trained_tokens_per_month@ada": None}`.

A key is a dimension, with `@` and a base model's id for the limit of that base alone. A value is in
the dimension's own unit (bytes, tokens, micros of the currency, or a count); None is unlimited. A
dimension that is not there is inherited: from the tenants above, else from the installation.
"""

from collections.abc import Mapping

from tunesmith._resources.values import wrong
from tunesmith.v1 import tenant_pb2 as pb

Limits = Mapping[str, int | None]


def as_messages(limits: Limits) -> list[pb.QuotaLimit]:
    """The limits as the contract has them; InvalidArgumentError names the one that is none."""
    return [_message(key, value) for key, value in limits.items()]


def as_mapping(tenant: pb.Tenant) -> dict[str, int | None]:
    """The limits that are set on a tenant itself."""
    return {
        key(limit.dimension, limit.base_model): limit.value if limit.HasField("value") else None
        for limit in tenant.limits
    }


def key(dimension: str, base_model: str) -> str:
    """`datasets`, or `trained_tokens_per_month@ada`."""
    return f"{dimension}@{base_model}" if base_model else dimension


def _message(key: str, value: int | None) -> pb.QuotaLimit:
    dimension, at, base = key.partition("@")
    if not dimension or (at and not base):
        raise wrong(f"limits[{key!r}]", "a dimension or DIMENSION@BASE is expected")
    if value is None:
        return pb.QuotaLimit(dimension=dimension, base_model=base, unlimited=True)
    # bool is an int to Python, and True would be a limit of 1
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(f"limits[{key!r}]", f"{value!r} is no whole number; None is unlimited")
    if value < 0:
        raise wrong(f"limits[{key!r}]", f"{value} is below 0; None is unlimited")
    return pb.QuotaLimit(dimension=dimension, base_model=base, value=value)
