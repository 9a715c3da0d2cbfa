"""Work that goes on for as long as the service does, whatever goes wrong with it."""

from collections.abc import Awaitable, Callable

import structlog

from tunesmith_server.domain.errors import DomainError

log = structlog.get_logger(__name__)


async def again_and_again(
    name: str, work: Callable[[], Awaitable[object]], pause: Callable[[], Awaitable[object]]
) -> None:
    """Do the work, pause, and do it again, until cancelled.

    An error ends a turn, never the work for good: a store that is away comes back, and of a bug,
    which the log tells, not everybody else's work may die. `name` completes "delayed" in the log.
    """
    delayed = False
    while True:
        try:
            await work()
        except DomainError as error:
            if not delayed:  # an outage is told once, not with every turn
                log.warning("background_delayed", work=name, error=str(error))
            delayed = True
        except Exception:
            log.exception("background_failed", work=name)
        else:
            if delayed:
                log.info("background_resumed", work=name)
            delayed = False
        await pause()
