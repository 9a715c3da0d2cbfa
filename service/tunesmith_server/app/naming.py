"""The suffix that a run gets, by its tenant's rules."""

from tunesmith_server.domain.naming import SuffixScope, applied
from tunesmith_server.ports import TenantScope


def suffix_for(scope: TenantScope, wish: str, base_model: str) -> str:
    """The suffix used for the one asked for, or NamingPolicyBroken.

    In a write transaction, the suffix is then the caller's: until it ends, no other transaction is
    told that it is free.
    """
    policy = scope.tenant().naming
    within = base_model if policy.unique_within is SuffixScope.BASE_MODEL else None
    return applied(policy, wish, taken=lambda suffix: scope.suffix_taken(suffix, within))
