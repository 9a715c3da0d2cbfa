"""From the claims of a verified identity token to a principal. The claims are the issuer's word."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote, urlsplit

from tunesmith_server.domain.access import Principal, Role
from tunesmith_server.domain.names import ID_PATTERN

Claims = Mapping[str, Any]

PRINCIPAL_ID_LENGTH = 200
"""The most characters that the id of a principal has."""

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_ID = re.compile(ID_PATTERN)


@dataclass(frozen=True)
class ClaimRule:
    """Whom a token stands for, if its claims match.

    `match` has claim paths, such as `sub` or `kubernetes.io.namespace`, each with the text or the
    pattern (`*`, `?`, `[…]`) that one value at that path must match; all of them must.
    """

    match: Mapping[str, str]
    tenant: str | None
    """An id, or text around one `{claim.path}`. None is the platform, for its admins alone."""
    role: Role

    def __post_init__(self) -> None:
        """ValueError unless the rule makes sense."""
        if (self.tenant is None) is not (self.role is Role.PLATFORM_ADMIN):
            raise ValueError(
                f"the role {Role.PLATFORM_ADMIN} goes with the tenant null, and only with it"
            )
        if self.tenant is None and not self.match:
            raise ValueError(f"a rule for {Role.PLATFORM_ADMIN} must match on at least one claim")
        if self.tenant is not None:
            if len(_PLACEHOLDER.findall(self.tenant)) > 1:
                # "{a}-{b}" would make a-b of "a-b" and "" as well as of "a" and "b"
                raise ValueError(
                    f"tenant {self.tenant!r}: take it from one claim, not from several"
                )
            if not _ID.fullmatch(_PLACEHOLDER.sub("x", self.tenant)):
                raise ValueError(
                    f"tenant {self.tenant!r} can be no tenant's id: use a-z, 0-9, '.' and '-', "
                    "around at most one {claim.path}"
                )

    def principal(self, issuer: str, claims: Claims) -> Principal | None:
        """Who the bearer of these claims is by this rule, or None if it does not apply."""
        for path, pattern in self.match.items():
            if not any(fnmatchcase(text, pattern) for text in texts_at(claims, path)):
                return None
        tenant = self._tenant(claims)
        if tenant is None and self.tenant is not None:
            return None
        return Principal(principal_id(issuer, str(claims["sub"])), tenant, self.role)

    def _tenant(self, claims: Claims) -> str | None:
        if self.tenant is None:
            return None
        if not (placeholder := _PLACEHOLDER.search(self.tenant)):
            return self.tenant
        values = tuple(texts_at(claims, placeholder[1]))
        if len(values) != 1:  # of several, none is the tenant
            return None
        named = self.tenant.replace(placeholder[0], values[0])
        return named if _ID.fullmatch(named) else None


def principal_by(rules: Sequence[ClaimRule], issuer: str, claims: Claims) -> Principal | None:
    """Who the bearer is by the first rule that applies, or None if none does."""
    found = (rule.principal(issuer, claims) for rule in rules)
    return next((principal for principal in found if principal), None)


def texts_at(claims: Claims, path: str) -> Iterator[str]:
    """The values at a path: the text or truth value there, or the texts of the list there.

    Names of claims may have dots themselves (`kubernetes.io`, `https://example.com/team`), so a
    path is read from the longest name that is there to the shortest.
    """
    value = _at(claims, path)
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, bool):
            yield "true" if item else "false"
        elif isinstance(item, str):
            yield item


def _at(claims: Claims, path: str) -> Any:
    if path in claims:
        return claims[path]
    for name in sorted(claims, key=len, reverse=True):
        inner = claims[name]
        if path.startswith(f"{name}.") and isinstance(inner, Mapping):
            found = _at(inner, path[len(name) + 1 :])
            if found is not None:
                return found
    return None


def principal_id(issuer: str, subject: str) -> str:
    """`jwt:{issuer}:{subject}`: the same for each token of a subject, different for different ones.

    The issuer without its scheme. What is too long, or would not print, ends in a digest.
    """
    # quoted, since a colon within it would make two subjects of two issuers look like one
    readable = f"jwt:{quote(issuer.partition('://')[2] or issuer, safe='/-._~')}:{subject}"
    if len(readable) <= PRINCIPAL_ID_LENGTH and readable.isprintable():
        return readable
    digest = hashlib.sha256(readable.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    printable = "".join(c if c.isprintable() else "?" for c in readable)
    return f"{printable[: PRINCIPAL_ID_LENGTH - 17]}~{digest}"


def is_tamper_proof(url: str) -> bool:
    """Whether nobody on the way can change what comes from this URL: https, or this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
