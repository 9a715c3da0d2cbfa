"""Watching runs: every event once, in order, for any number of watchers.

One tailer a process asks the store for the news of all watched runs in one query a tick. What it
reads becomes a batch that all watchers of the run share, so an edge encodes it once. A watcher that
is older than the batches kept here reads the store from its own cursor; one that lags gets all that
waits for it at once. Hints shorten the tick; polling is the truth.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from time import monotonic

from tunesmith_server.app.background import again_and_again
from tunesmith_server.app.presence import Presence
from tunesmith_server.app.scope import scope_of
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.errors import CursorExpired, CursorInvalid, FieldViolation
from tunesmith_server.domain.events import Event
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.names import FineTuneName, owned
from tunesmith_server.domain.tokens import Sealer
from tunesmith_server.ports import Hints, Store, Transaction

_PAGE = 500
_A_TICK = 10_000
_SHARE = 20
_KEPT_BATCHES = 64


@dataclass(frozen=True)
class Cursors:
    """Cursors: a sequence, sealed for one run of one tenant."""

    sealer: Sealer

    def of(self, run: FineTune, sequence: int) -> str:
        """The cursor that stands after event number `sequence`."""
        return self.sealer.seal("cursor", _bond(run), str(sequence))

    def read(self, run: FineTune, cursor: str) -> int:
        """The sequence that a cursor stands after, or CursorInvalid."""
        if not cursor:
            return 0
        content = self.sealer.open("cursor", _bond(run), cursor)
        if content is None or int(content) > run.last_event:
            raise CursorInvalid(
                [FieldViolation("cursor", "is none that this server gave for this fine-tune")]
            )
        return int(content)


def _bond(run: FineTune) -> str:
    return f"{run.name.tenant}/{run.uid}"


@dataclass(frozen=True)
class Snapshot:
    """The run as it is when the watch begins: the first frame."""

    run: FineTune
    cursor: str


@dataclass
class Batch:
    """Consecutive events of one run.

    `wires` is where the edges keep their encodings of them, each under a name of its own: they are
    the same for all watchers.
    """

    run: FineTune
    events: Sequence[Event]
    cursor: str
    wires: dict[str, bytes] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """Sequence of the first event."""
        return self.events[0].sequence

    @property
    def last(self) -> int:
        """Sequence of the last event."""
        return self.events[-1].sequence


@dataclass(frozen=True)
class Bookmark:
    """Nothing new for a while: shows that the stream is alive, and keeps the cursor fresh."""

    cursor: str


@dataclass(frozen=True)
class Closing:
    """The server ends the stream for its own reasons: resume at the cursor."""

    cursor: str
    reason: str


Frame = Snapshot | list[Batch] | Bookmark | Closing


@dataclass
class _Tail:
    """The news of one run in this process."""

    run: FineTune
    last: int
    watchers: int = 0
    batches: deque[Batch] = field(default_factory=lambda: deque(maxlen=_KEPT_BATCHES))
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.last = batch.last
        news, self.news = self.news, asyncio.Event()
        news.set()

    def after(self, sequence: int) -> list[Batch] | None:
        """The batches that follow a sequence; None if they are not all here, or not at a seam."""
        if sequence == self.last:
            return []
        found = [batch for batch in self.batches if batch.first > sequence]
        return found if found and found[0].first == sequence + 1 else None


class Watches:
    """The use case of following a run, and the tailer behind it."""

    def __init__(
        self,
        store: Store,
        hints: Hints,
        sealer: Sealer,
        *,
        presence: Presence,
        bookmark_every: float = 15.0,
        max_age: float = 3600.0,
        tick: float = 0.25,
        min_tick: float = 0.02,
    ) -> None:
        self._store = store
        self._hints = hints
        self._presence = presence
        self.cursors = Cursors(sealer)
        self._bookmark_every = bookmark_every
        self._max_age = max_age
        self._tick = tick
        self._min_tick = min_tick
        self._tails: dict[str, _Tail] = {}
        self._watched = asyncio.Event()
        self._draining = asyncio.Event()
        self._quiet = tick
        """How long the next look may be away (seconds)."""

    async def watch(
        self,
        principal: Principal,
        name: FineTuneName,
        cursor: str,
        *,
        bookmark_every: float | None = None,
    ) -> AsyncIterator[Frame]:
        """A snapshot, then the events after `cursor`, then new ones until the run ends.

        `bookmark_every` is how many seconds may pass without a frame, if not as many as usual.
        Raises NotFound, CursorInvalid, CursorExpired. Nothing of the database is held while waiting
        or while the caller is slow.
        """
        tenant = owned(name.tenant, principal.tenant, str(name))

        def begin(tx: Transaction) -> tuple[FineTune, int]:
            scope = scope_of(tx, tenant, name)
            run = scope.fine_tune(name.id)
            return run, scope.oldest_event(run.uid)

        run, oldest = await self._store.peek(begin)
        at = self.cursors.read(run, cursor)
        if at + 1 < oldest and at < run.last_event:
            raise CursorExpired(oldest)
        async with self._presence.watching(tenant):
            async for frame in self._frames(
                tenant, run, at, bookmark_every or self._bookmark_every
            ):
                yield frame

    async def _frames(
        self, tenant: str, run: FineTune, at: int, bookmark_every: float
    ) -> AsyncIterator[Frame]:
        """The frames of a watch of `run` that stands after event number `at`."""
        yield Snapshot(run, self.cursors.of(run, at))
        deadline = monotonic() + self._max_age
        with self._following(run) as tail:
            while True:
                waiting = tail.news  # before looking, so that no event slips between
                batches = tail.after(at)
                if batches is None:
                    batches = await self._stored(tenant, run, at)
                if batches:
                    yield batches
                    at = batches[-1].last
                    if batches[-1].events[-1].ends_run:
                        return
                    continue
                if run.state.is_terminal and at >= run.last_event:
                    return  # the cursor stood at the end already
                if self._draining.is_set() or monotonic() > deadline:
                    reason = "draining" if self._draining.is_set() else "max age"
                    yield Closing(self.cursors.of(run, at), reason)
                    return
                if not await self._news(waiting, min(bookmark_every, deadline - monotonic())):
                    yield Bookmark(self.cursors.of(run, at))

    async def ended(self, principal: Principal, name: FineTuneName, within: float) -> FineTune:
        """The run once it has ended, or as it is after `within` seconds. Raises NotFound."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                async for frame in self.watch(principal, name, ""):
                    if isinstance(frame, Closing):
                        break
        tenant = owned(name.tenant, principal.tenant, str(name))
        return await self._store.read(lambda tx: scope_of(tx, tenant, name).fine_tune(name.id))

    def drain(self) -> None:
        """End every watch with a closing frame, and new ones too."""
        self._draining.set()
        for tail in self._tails.values():
            tail.news.set()

    @property
    def count(self) -> int:
        """Watchers now."""
        return sum(tail.watchers for tail in self._tails.values())

    async def run(self) -> None:
        """Tail the store until cancelled."""
        await again_and_again("tailer", self._look, self._rest)

    async def _look(self) -> None:
        """Take what is new of all watched runs."""
        while not self._tails:  # who came may have left at once: its run had ended
            self._watched.clear()
            await self._watched.wait()
        self._quiet = min(self._tick, self._quiet * 2)
        wanted = {uid: tail.last for uid, tail in self._tails.items()}
        # as much for each: a run that talks much must not keep the others waiting
        share = min(_PAGE, max(_SHARE, _A_TICK // len(wanted)))
        found = await self._store.read(lambda tx: tx.system.events_of(wanted, share))
        for uid, events in found.items():
            tail = self._tails.get(uid)
            if tail and events and events[0].sequence == tail.last + 1:
                cursor = self.cursors.of(tail.run, events[-1].sequence)
                tail.add(Batch(tail.run, events, cursor))
                self._quiet = self._min_tick

    async def _rest(self) -> None:
        await asyncio.sleep(self._min_tick)  # joins what is written in quick succession
        if self._quiet > self._min_tick:
            await self._hints.wait("runs", self._quiet)

    @contextlib.contextmanager
    def _following(self, run: FineTune):  # type: ignore[no-untyped-def]
        tail = self._tails.get(run.uid)
        if tail is None:
            tail = self._tails[run.uid] = _Tail(run, run.last_event)
        tail.watchers += 1
        self._watched.set()
        try:
            yield tail
        finally:
            tail.watchers -= 1
            if not tail.watchers:
                self._tails.pop(run.uid, None)

    async def _stored(self, tenant: str, run: FineTune, at: int) -> list[Batch]:
        events = await self._store.read(
            lambda tx: tx.of(tenant).events(run.uid, after=at, limit=_PAGE)
        )
        if not events:
            return []
        return [Batch(run, events, self.cursors.of(run, events[-1].sequence))]

    async def _news(self, news: asyncio.Event, within: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, within)):
                await news.wait()
        return news.is_set()
