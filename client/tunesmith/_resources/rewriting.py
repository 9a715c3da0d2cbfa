"""Changing a part of what can only be written as a whole."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tunesmith._errors import ConflictError

Resource = TypeVar("Resource")
Written = TypeVar("Written")
_TRIES = 5


async def rewritten(
    read: Callable[[], Awaitable[Resource]], write: Callable[[Resource], Awaitable[Written]]
) -> Written:
    """What `write` answers to what `read` found.

    `write` sends the etag of what it was given. If somebody else changed the resource in between,
    both are done again, so that nobody's change is lost: ConflictError after five times.
    """
    tries = 0
    while True:
        try:
            return await write(await read())
        except ConflictError as error:
            tries += 1
            if error.reason != "ETAG_MISMATCH" or tries == _TRIES:
                raise
