"""Waiting for what another process does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """What was seen when it held at last; TimeoutError after a minute."""
    async with asyncio.timeout(60):
        while not holds(found := await look()):  # noqa: ASYNC110  # another process is at it
            await asyncio.sleep(0.05)
        return found
