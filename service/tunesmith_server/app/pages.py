"""Pages of a list: tokens are sealed, and bound to the tenant, the list and its filter.

A list that can be filtered gives its fields to `Pager.of`, and hands the store the `PageOf` that
comes back; that is all there is to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tunesmith_server.domain.errors import FieldViolation, PageTokenInvalid
from tunesmith_server.domain.filter_parser import parse
from tunesmith_server.domain.filters import Fields
from tunesmith_server.domain.tokens import Sealer
from tunesmith_server.ports import PageOf

T = TypeVar("T")

DEFAULT_PAGE = 50
MAX_PAGE = 1000


@dataclass(frozen=True)
class PageRequest:
    """What the caller sent: `size` 0 is the default, more than MAX_PAGE is MAX_PAGE."""

    size: int = 0
    token: str = ""
    filter: str = ""

    @property
    def limit(self) -> int:
        """Rows on the page."""
        return min(self.size or DEFAULT_PAGE, MAX_PAGE)


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows, and the token of the page that follows; empty on the last."""

    rows: tuple[T, ...]
    next_token: str


class Pager:
    """Turns tokens into keys and keys into tokens."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def of(self, request: PageRequest, bound_to: str, fields: Fields | None = None) -> PageOf:
        """The rows to ask the store for: one more than the page, to know whether more follow.

        Raises InvalidArgument for a filter that is not one over `fields`, PageTokenInvalid.
        """
        filter = parse(request.filter, fields or {})
        if not request.token:
            return PageOf(request.limit + 1, filter=filter)
        after = self._sealer.open("page", _bond(request, bound_to), request.token)
        if after is None:
            raise PageTokenInvalid(
                [
                    FieldViolation(
                        "page_token", "is none that this server gave for this list and filter"
                    )
                ]
            )
        return PageOf(request.limit + 1, after, filter)

    def page(self, request: PageRequest, bound_to: str, found: Sequence[tuple[str, T]]) -> Page[T]:
        """The page that `found`, asked for by `of`, makes."""
        shown = found[: request.limit]
        more = len(found) > request.limit
        token = self._sealer.seal("page", _bond(request, bound_to), shown[-1][0]) if more else ""
        return Page(tuple(row for _, row in shown), token)


def _bond(request: PageRequest, bound_to: str) -> str:
    return f"{bound_to}?{request.filter}" if request.filter else bound_to
