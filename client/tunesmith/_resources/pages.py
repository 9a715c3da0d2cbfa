"""Lists that fetch their pages themselves."""

from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any, TypeVar

from tunesmith._transport import Calls, Request, Response, Unary

PAGE = 100
Item = TypeVar("Item")


async def paged(
    calls: Calls,
    call: Unary[Request, Response],
    request: Request,
    entries: Callable[[Response], Iterable[Item]],
) -> AsyncGenerator[Item, None]:
    """Every entry of every page, in order. `request` is the first page's; `entries` opens one."""
    paging: Any = request  # every List request has page_size and page_token
    paging.page_size = PAGE
    while True:
        page: Any = await calls.unary(call, request)
        for entry in entries(page):
            yield entry
        if not page.next_page_token:
            return
        paging.page_token = page.next_page_token
