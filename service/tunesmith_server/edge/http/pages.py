"""Lists: read to the end from the use cases, and shown in pages as OpenAI does."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from tunesmith_server.app.pages import MAX_PAGE, Page, PageRequest
from tunesmith_server.edge.http.envelopes import refused

T = TypeVar("T")
_FIRST = 100


async def every(page_of: Callable[[PageRequest], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """All rows of a list, page after page. The first is small, as most readers stop early."""
    token = ""
    while True:
        page = await page_of(PageRequest(MAX_PAGE if token else _FIRST, token))
        for row in page.rows:
            yield row
        token = page.next_token
        if not token:
            return


async def page_after(
    rows: AsyncIterator[T] | Iterable[T],
    query: Mapping[str, str],
    id_of: Callable[[T], str],
    *,
    default: int,
    most: int = MAX_PAGE,
) -> tuple[list[T], bool]:
    """`limit` rows after the one that `after` names, and whether there are more.

    Reads no further than it must. Refused if the limit is none, or no row is named so.
    """
    limit, after = _limit(query.get("limit"), default, most), query.get("after", "")
    found, begun = list[T](), not after
    async for row in rows if isinstance(rows, AsyncIterator) else _each(rows):
        if begun:
            found.append(row)
            if len(found) > limit:
                return found[:limit], True
        else:
            begun = id_of(row) == after
    if not begun:
        raise refused(f"there is no {after[:100]!r} in this list - 'after'", "after", status=404)
    return found, False


def with_ends(rows: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    """A page that names its first and its last."""
    return {
        "object": "list",
        "data": rows,
        "has_more": more,
        "first_id": rows[0]["id"] if rows else None,
        "last_id": rows[-1]["id"] if rows else None,
    }


async def _each(rows: Iterable[T]) -> AsyncIterator[T]:
    for row in rows:
        yield row


def _limit(text: str | None, default: int, most: int) -> int:
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 6 or not 1 <= int(text) <= most:
        raise refused(f"{text[:20]!r} is not between 1 and {most} - 'limit'", "limit")
    return int(text)
