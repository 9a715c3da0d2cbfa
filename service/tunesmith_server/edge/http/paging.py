"""Pages of lists after the id of an element, as OpenAI has them."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

from tunesmith_server.app.pages import MAX_PAGE
from tunesmith_server.edge.http.envelopes import refused

T = TypeVar("T")


async def page_after(
    rows: AsyncIterator[T], query: Any, id_of: Callable[[T], str], default: int
) -> tuple[list[T], bool]:
    """So many rows after the one that `after` names, and whether there are more."""
    text, after = query.get("limit", str(default)), query.get("after", "")
    if not text.isdecimal() or not 1 <= int(text) <= MAX_PAGE:
        raise refused(f"{text[:20]!r} is not between 1 and {MAX_PAGE} - 'limit'", "limit")
    limit, found, begun = int(text), list[T](), not after
    async for row in rows:
        if begun:
            found.append(row)
            if len(found) > limit:
                return found[:limit], True
        else:
            begun = id_of(row) == after
    if not begun:
        raise refused(f"there is no {after[:100]!r} in this list - 'after'", "after", status=404)
    return found, False


async def each(rows: Sequence[T]) -> AsyncIterator[T]:
    """Rows that are all there, as `page_after` takes them."""
    for row in rows:
        yield row
