"""The clock, whose a credential is, and hints that there is work."""

from datetime import datetime
from typing import Protocol

from tunesmith_server.domain.access import Principal


class Clock(Protocol):
    """Tells the time, with a time zone."""

    def now(self) -> datetime: ...


class Identities(Protocol):
    """Knows the bearers of tokens that others have issued: OIDC providers, Kubernetes."""

    async def principal(self, token: str) -> Principal | None:
        """Whom a valid token stands for; None for every other, whatever is wrong with it.

        Valid: signed with a present key of a trusted issuer, for our audience, at this time, and
        mapped by a rule of the operator. Whether the tenant exists is not looked at. The log tells
        why a token was refused, and never the token. Asks an issuer at most once in a while,
        however many tokens come.
        """
        ...


class Hints(Protocol):
    """Wake-ups across tasks and replicas. A hint may be lost, so those who wait also poll."""

    def notify(self, topic: str) -> None:
        """Wake whoever waits for `topic`.

        `runs`: new events somewhere; `work`: runs under way want a look; `queue`: a run may start;
        `analysis`: a dataset wants a look.
        """
        ...

    async def wait(self, topic: str, within: float) -> bool:
        """Whether a hint came since the last return; waits at most `within` seconds."""
        ...
