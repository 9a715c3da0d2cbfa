"""Following a run to its end, or all runs, over every lost connection on the way."""

import random
import time
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Generic, Self, TypeVar

from tunesmith._errors import TunesmithError
from tunesmith._transport import Calls
from tunesmith.v1 import common_pb2, event_pb2, fine_tune_pb2, fine_tune_pb2_grpc

Response = TypeVar(
    "Response", fine_tune_pb2.WatchFineTuneResponse, fine_tune_pb2.WatchFineTunesResponse
)

GIVE_UP_AFTER = 120.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
# what a cut connection can look like when the service itself had no say in it
_CUT = ("UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN")
_BUSY = ("RATE_LIMITED", "OVERLOADED")
# of so many runs at most a repeated event is known
_REMEMBERED = 100_000
ENDED = frozenset(
    (
        common_pb2.FINE_TUNE_STATE_SUCCEEDED,
        common_pb2.FINE_TUNE_STATE_FAILED,
        common_pb2.FINE_TUNE_STATE_CANCELLED,
        common_pb2.FINE_TUNE_STATE_EXPIRED,
        common_pb2.FINE_TUNE_STATE_STOPPED_AT_LIMIT,
    )
)


class Followed(AsyncIterator[event_pb2.Event], Generic[Response]):
    """Events over every lost connection: what watching one run and watching all have in common.

    A connection that breaks, a service that restarts or asks its watchers to move: each is taken up
    where it broke off.
    """

    def __init__(
        self,
        calls: Calls,
        name: str,
        cursor: str,
        give_up_after: float,
        timeout: float | None,
        clock: Callable[[], float],
    ) -> None:
        self.cursor = cursor
        self.resuming = False
        self._calls = calls
        self._stub = fine_tune_pb2_grpc.FineTuneServiceStub(calls.transport.channel)
        self._name = name
        self._give_up_after = give_up_after
        self._timeout = timeout
        self._clock = clock
        self._events = self._follow()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> event_pb2.Event:
        return await anext(self._events)

    async def aclose(self) -> None:
        """Stop watching. What is watched goes on."""
        await self._events.aclose()

    @abstractmethod
    def _responses(self, seconds: float | None) -> AsyncGenerator[Response, None]:
        """The stream from `cursor` on."""

    @abstractmethod
    def _look(self, response: Response) -> None:
        """Take in what a response has besides events."""

    @abstractmethod
    def _fresh(self, event: event_pb2.Event) -> bool:
        """Whether this event has not come before."""

    _ends = True
    """Whether OK without a closing frame is the end of what is watched."""

    async def _follow(self) -> AsyncGenerator[event_pb2.Event, None]:
        deadline = None if self._timeout is None else self._clock() + self._timeout
        failing_since: float | None = None
        failures = 0
        # a service that was never there is an error at once, not a connection to take up
        await self._calls.connect()
        while True:
            try:
                closing = None
                left = None if deadline is None else max(0.0, deadline - self._clock())
                async with aclosing(self._responses(left)) as responses:
                    async for response in responses:
                        self.resuming = False
                        self._look(response)
                        if response.events or response.bookmark:
                            failing_since, failures = None, 0
                        fresh = [event for event in response.events if self._fresh(event)]
                        for event in fresh:
                            if event is fresh[-1]:
                                self.cursor = response.cursor or self.cursor
                            yield event
                        self.cursor = response.cursor or self.cursor
                        if response.HasField("closing"):
                            closing = response.closing
                if closing is None and self._ends:
                    return
                pause = closing.resume_after.ToTimedelta().total_seconds() if closing else 0.0
            except TunesmithError as error:
                now = self._clock()
                if deadline is not None and now >= deadline:
                    message = f"{self._name} has not ended within {self._timeout:g} seconds"
                    raise TimeoutError(message) from None
                failing_since = now if failing_since is None else failing_since
                if not resumable(error) or now - failing_since >= self._give_up_after:
                    raise
                self.resuming = True
                pause = error.retry_after or 0.0
            await self._calls.transport.sleep(pause + backoff(failures))
            failures += 1


class Watch(Followed[fine_tune_pb2.WatchFineTuneResponse]):
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
        resuming: whether the connection is broken at present and being taken up again.
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
        super().__init__(calls, name, cursor, give_up_after, timeout, clock)
        self.snapshot: fine_tune_pb2.FineTune | None = None
        self._sequence = 0

    def _responses(
        self, seconds: float | None
    ) -> AsyncGenerator[fine_tune_pb2.WatchFineTuneResponse, None]:
        request = fine_tune_pb2.WatchFineTuneRequest(name=self._name, cursor=self.cursor)
        return self._calls.stream(self._stub.WatchFineTune, request, seconds)

    def _look(self, response: fine_tune_pb2.WatchFineTuneResponse) -> None:
        if response.HasField("snapshot"):
            self.snapshot = response.snapshot

    def _fresh(self, event: event_pb2.Event) -> bool:
        newer = event.sequence > self._sequence
        self._sequence = max(event.sequence, self._sequence)
        return newer


class WatchAll(Followed[fine_tune_pb2.WatchFineTunesResponse]):
    """The events of all runs of a tenant, each once and in order for its run; without end.

    Without a `cursor` it begins now: `runs` has each run that has not ended, and what happens to
    them and to every run made later comes as events. Stop by leaving it and calling `aclose`
    (`close` when blocking). Lost connections are taken up as by `Watch`; UnavailableError when
    nothing has come in `give_up_after` seconds of trying.

    Attributes:
        cursor: where another watch can go on from, as of `Watch`; keep it to lose nothing over a
            restart of your own program.
        runs: by name, each run as it was when the watch began or when the run was made, until the
            event after the one it ended with. Look there for what an event's run is about.
        resuming: whether the connection is broken at present and being taken up again.
    """

    _ends = False

    def __init__(
        self,
        calls: Calls,
        name: str,
        *,
        cursor: str = "",
        give_up_after: float = GIVE_UP_AFTER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(calls, name, cursor, give_up_after, None, clock)
        self.runs: dict[str, fine_tune_pb2.FineTune] = {}
        self._sequences: dict[str, int] = {}
        self._ended: list[str] = []

    async def __anext__(self) -> event_pb2.Event:
        while self._ended:  # whoever watches has seen them end
            self.runs.pop(self._ended.pop(), None)
        event = await super().__anext__()
        if event.WhichOneof("detail") == "state_changed" and event.state_changed.to in ENDED:
            self._ended.append(event.run)
        return event

    def _responses(
        self, seconds: float | None
    ) -> AsyncGenerator[fine_tune_pb2.WatchFineTunesResponse, None]:
        request = fine_tune_pb2.WatchFineTunesRequest(parent=self._name, cursor=self.cursor)
        return self._calls.stream(self._stub.WatchFineTunes, request, seconds)

    def _look(self, response: fine_tune_pb2.WatchFineTunesResponse) -> None:
        self.runs.update((run.name, run) for run in response.snapshots)

    def _fresh(self, event: event_pb2.Event) -> bool:
        run = event.run_uid or event.run  # a name may come again for another run
        known = self._sequences.pop(run, 0)
        self._sequences[run] = max(known, event.sequence)  # put last: the oldest go first
        if len(self._sequences) > _REMEMBERED:
            del self._sequences[next(iter(self._sequences))]
        return event.sequence > known


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
