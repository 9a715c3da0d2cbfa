"""Pages, counters and claims: small values that the store and its callers share."""

from dataclasses import dataclass

from tunesmith_server.domain.filters import EVERYTHING, Filter
from tunesmith_server.domain.fine_tune import FineTune


@dataclass(frozen=True)
class PageOf:
    """Which page of a list: at most `limit` rows of those that match and come after `after`.

    `after` is the key of the last row of the page before, as the store gave it; newest first.
    """

    limit: int
    after: str = ""
    filter: Filter = EVERYTHING


@dataclass(frozen=True)
class Usage:
    """How much of one counter is taken."""

    used: int
    reserved: int


@dataclass(frozen=True)
class Remembered:
    """The first answer to a request_id."""

    method: str
    body_hash: str
    answer: bytes


@dataclass(frozen=True, eq=False)
class Claim:
    """A run leased to one dispatcher. Only writes that carry the present fence take effect."""

    run: FineTune
    fence: int
