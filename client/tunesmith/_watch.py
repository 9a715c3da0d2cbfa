"""Following one run to its end, over every lost connection on the way."""

import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Self

from tunesmith._errors import TunesmithError
from tunesmith._transport import Calls
from tunesmith.v1 import event_pb2, fine_tune_pb2, fine_tune_pb2_grpc

GIVE_UP_AFTER = 120.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
# what a cut connection can look like when the service itself had no say in it
_CUT = ("UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN")
_BUSY = ("RATE_LIMITED", "OVERLOADED")


class Watch(AsyncIterator[event_pb2.Event]):
    """The events of one run, once and in order, from `cursor` on until the run has ended.

    A connection that breaks, a service that restarts or asks its watchers to move: each is taken up
    where it broke off. Raises UnavailableError when nothing has come in `give_up_after` seconds of
    trying, and TimeoutError when the run has not ended within `timeout` seconds.

    Attributes:
        cursor: where another watch can go on from. It never passes an event that was not handed
            out. Events come in batches with one cursor each: who stops within a batch and resumes
            from here gets the first events of that batch again, under the same `sequence`.
        snapshot: the run as it was when the watch began or was last resumed. None before the first
            event.
    """

    def __init__(
        self,
        calls: Calls,
        name: str,
        *,
        cursor: str = "",
        give_up_after: float = GIVE_UP_AFTER,
        timeout: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cursor = cursor
        self.snapshot: fine_tune_pb2.FineTune | None = None
        self._calls = calls
        self._stub = fine_tune_pb2_grpc.FineTuneServiceStub(calls.transport.channel)
        self._name = name
        self._give_up_after = give_up_after
        self._timeout = timeout
        self._clock = clock
        self._sequence = 0
        self._events = self._follow()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> event_pb2.Event:
        return await anext(self._events)

    async def aclose(self) -> None:
        """Stop watching. The run goes on."""
        await self._events.aclose()

    async def _follow(self) -> AsyncGenerator[event_pb2.Event, None]:
        deadline = None if self._timeout is None else self._clock() + self._timeout
        failing_since: float | None = None
        failures = 0
        # a service that was never there is an error at once, not a connection to take up
        await self._calls.connect()
        while True:
            try:
                closing = None
                async with aclosing(self._responses(deadline)) as responses:
                    async for response in responses:
                        if response.HasField("snapshot"):
                            self.snapshot = response.snapshot
                        if response.events or response.bookmark:
                            failing_since, failures = None, 0
                        fresh = [e for e in response.events if e.sequence > self._sequence]
                        for event in fresh:
                            self._sequence = event.sequence
                            if event is fresh[-1]:
                                self.cursor = response.cursor or self.cursor
                            yield event
                        self.cursor = response.cursor or self.cursor
                        if response.HasField("closing"):
                            closing = response.closing
                if closing is None:
                    return  # the contract: OK without a closing frame is the end of the run
                pause = closing.resume_after.ToTimedelta().total_seconds()
            except TunesmithError as error:
                now = self._clock()
                if deadline is not None and now >= deadline:
                    message = f"{self._name} has not ended within {self._timeout:g} seconds"
                    raise TimeoutError(message) from None
                failing_since = now if failing_since is None else failing_since
                if not resumable(error) or now - failing_since >= self._give_up_after:
                    raise
                pause = error.retry_after or 0.0
            await self._calls.transport.sleep(pause + backoff(failures))
            failures += 1

    def _responses(
        self, deadline: float | None
    ) -> AsyncGenerator[fine_tune_pb2.WatchFineTuneResponse, None]:
        request = fine_tune_pb2.WatchFineTuneRequest(name=self._name, cursor=self.cursor)
        left = None if deadline is None else max(0.0, deadline - self._clock())
        return self._calls.stream(self._stub.WatchFineTune, request, left)


def resumable(error: TunesmithError) -> bool:
    """Whether a watch that ended with this can go on from its last cursor.

    A cut connection has no reason; what the service says itself is final, unless it says that it
    is away or busy at present.
    """
    if not error.reason:
        return error.code in _CUT
    return error.code == "UNAVAILABLE" or error.reason in _BUSY


def backoff(failures: int) -> float:
    """Seconds before try number `failures` + 1: doubling, at most 5, and half of it by chance.

    Chance, because all watchers of a service that restarts lose it at the same moment.
    """
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures, 16))
    return longest * random.uniform(0.5, 1.0)
