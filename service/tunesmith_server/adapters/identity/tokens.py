"""JSON Web Tokens of trusted issuers (RFC 7519, RFC 8725)."""

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt
import structlog

from tunesmith_server.adapters.identity.signing_keys import SigningKeys
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.identity import ClaimRule, principal_by

log = structlog.get_logger(__name__)

MOST_CHARACTERS = 16 * 1024
"""Longer tokens are not looked at. Tokens of people in many groups have 4 to 10 thousand."""

_MUST_HAVE = ["iss", "sub", "aud", "exp"]


@dataclass(frozen=True)
class TrustedIssuer:
    """An issuer, what its tokens must be like, and whom they stand for."""

    issuer: str
    audiences: Sequence[str]
    algorithms: Sequence[str]
    leeway_seconds: float
    rules: Sequence[ClaimRule]
    keys: SigningKeys


class TokenIdentities:
    """Verifies tokens: the port `Identities`."""

    def __init__(self, issuers: Sequence[TrustedIssuer]) -> None:
        self._issuers = {trusted.issuer: trusted for trusted in issuers}

    async def run(self) -> None:
        """Keep the issuers' keys fresh, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for trusted in self._issuers.values():
                group.create_task(trusted.keys.run(), name=f"keys of {trusted.issuer}")

    async def principal(self, token: str) -> Principal | None:
        """Whom the token stands for, or None."""
        try:
            return await self._checked(token)
        except _Refused as refusal:
            log.info("token_refused", cause=refusal.cause, **refusal.particulars)
            return None

    async def _checked(self, token: str) -> Principal:
        if len(token) > MOST_CHARACTERS:
            raise _Refused("too long", characters=len(token))
        header, issuer = _claimed(token)
        trusted = self._issuers.get(issuer) if isinstance(issuer, str) else None
        if trusted is None:
            raise _Refused("issuer not trusted")
        key_id, algorithm = header.get("kid"), header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in trusted.algorithms:
            raise _Refused("algorithm not allowed", issuer=trusted.issuer)
        if not isinstance(key_id, str):
            raise _Refused("no key id", issuer=trusted.issuer)
        key = await trusted.keys.find(key_id, algorithm)
        if key is None:
            raise _Refused("no such key", issuer=trusted.issuer, kid=ascii(key_id[:64]))
        claims = _verified(token, trusted, key)
        caller = principal_by(trusted.rules, trusted.issuer, claims)
        if caller is None:
            subject = ascii(claims["sub"][:200])
            raise _Refused("no rule applies", issuer=trusted.issuer, sub=subject)
        return caller


class _Refused(Exception):
    """Why a token is refused: for the log."""

    def __init__(self, cause: str, **particulars: object) -> None:
        super().__init__(cause)
        self.cause = cause
        self.particulars = particulars


def _claimed(token: str) -> tuple[dict[str, Any], Any]:
    """The header and the issuer that a token claims to have: which key to try. Proves nothing.

    PyJWT looks at all of it once more, and more strictly. It would do this too, but character by
    character: a millisecond of everybody's time for any long text that a stranger sends.
    """
    try:
        header, payload, _ = token.split(".")
        claimed_header, claimed = (
            json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, payload)
        )
    except (ValueError, RecursionError) as error:
        raise _Refused("not a token", error=type(error).__name__) from None
    if not isinstance(claimed_header, dict) or not isinstance(claimed, dict):
        raise _Refused("not a token")
    return claimed_header, claimed.get("iss")


def _verified(token: str, trusted: TrustedIssuer, key: jwt.PyJWK) -> dict[str, Any]:
    try:
        return jwt.decode(
            token,
            key,
            algorithms=trusted.algorithms,
            audience=trusted.audiences,
            issuer=trusted.issuer,
            leeway=trusted.leeway_seconds,
            options={"require": _MUST_HAVE, "enforce_minimum_key_length": True},
        )
    # the type alone is logged: the words may quote the token
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise _Refused(type(error).__name__, issuer=trusted.issuer) from None
