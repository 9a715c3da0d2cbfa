"""Naming policies between the contract and the domain."""

from tunesmith.v1 import tenant_pb2 as pb

from tunesmith_server.domain.naming import NO_RULES, NamingPolicy, SuffixCollision, SuffixScope

_SCOPES = {
    pb.SUFFIX_SCOPE_UNSPECIFIED: SuffixScope.ANYTHING_GOES,
    pb.SUFFIX_SCOPE_BASE_MODEL: SuffixScope.BASE_MODEL,
    pb.SUFFIX_SCOPE_TENANT: SuffixScope.TENANT,
}
_SCOPE_OF = {scope: number for number, scope in _SCOPES.items()}
_COLLISIONS = {
    pb.SUFFIX_COLLISION_UNSPECIFIED: SuffixCollision.UNSPECIFIED,
    pb.SUFFIX_COLLISION_REFUSE: SuffixCollision.REFUSE,
    pb.SUFFIX_COLLISION_NUMBER: SuffixCollision.NUMBER,
}
_COLLISION_OF = {collision: number for number, collision in _COLLISIONS.items()}


def naming_policy(message: pb.NamingPolicy) -> NamingPolicy:
    """The policy that a caller asks for, not checked."""
    return NamingPolicy(
        suffix_pattern=message.suffix_pattern,
        required_prefix=message.required_prefix,
        auto_prefix=message.auto_prefix,
        reserved_words=tuple(message.reserved_words),
        max_length=message.max_length if message.HasField("max_length") else None,
        suffix_required=message.suffix_required,
        unique_within=_SCOPES[message.unique_within],
        on_collision=_COLLISIONS[message.on_collision],
    )


def naming_message(policy: NamingPolicy) -> pb.NamingPolicy | None:
    """A policy as the contract shows it; None, which stays unset, for one without rules."""
    if policy == NO_RULES:
        return None
    return pb.NamingPolicy(
        suffix_pattern=policy.suffix_pattern,
        required_prefix=policy.required_prefix,
        auto_prefix=policy.auto_prefix,
        reserved_words=policy.reserved_words,
        max_length=policy.max_length,
        suffix_required=policy.suffix_required,
        unique_within=_SCOPE_OF[policy.unique_within],
        on_collision=_COLLISION_OF[policy.on_collision],
    )
