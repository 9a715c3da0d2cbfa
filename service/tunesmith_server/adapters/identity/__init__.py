"""Tokens of OIDC providers and of Kubernetes, verified with PyJWT, their keys got over httpx."""

from tunesmith_server.adapters.identity.jwks import Jwks
from tunesmith_server.adapters.identity.signing_keys import SigningKeys
from tunesmith_server.adapters.identity.tokens import TokenIdentities, TrustedIssuer

__all__ = ["Jwks", "SigningKeys", "TokenIdentities", "TrustedIssuer"]
