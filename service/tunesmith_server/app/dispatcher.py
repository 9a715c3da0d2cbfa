"""Sees that somebody looks after every run under way: level-triggered, safe against any crash.

A run that has taken a slot is claimed (lease and fence) and then looked at until it is under way no
more; what a look does is the driver's business, who waits and whose turn it is the scheduler's.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import structlog

from tunesmith_server.app.background import again_and_again
from tunesmith_server.app.driver import Driver
from tunesmith_server.domain.errors import DomainError, StorageFull, Unavailable
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.states import State
from tunesmith_server.ports import Backend, Claim, Clock, Hints, Store, Transaction

log = structlog.get_logger(__name__)

_REAPED_EVERY = 30.0


class Dispatcher:
    """One per process; any number of processes share the work."""

    def __init__(
        self,
        store: Store,
        backend: Backend,
        driver: Driver,
        hints: Hints,
        clock: Clock,
        *,
        owner: str,
        is_alive: Callable[[str], bool] = lambda owner: True,
        lease: timedelta = timedelta(seconds=10),
        poll: timedelta = timedelta(seconds=0.5),
        batch: int = 32,
    ) -> None:
        self._store = store
        self._backend = backend
        self._driver = driver
        self._hints = hints
        self._clock = clock
        self._owner = owner
        self._is_alive = is_alive
        self._lease = lease
        self._poll = poll
        self._batch = batch
        self._busy: dict[Claim, asyncio.Event] = {}

    async def run(self) -> None:
        """Dispatch until cancelled. Runs under way are left as they are for the next dispatcher."""
        between = partial(asyncio.sleep, self._lease.total_seconds() / 3)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(again_and_again("leases", self._renew, between))
            reaped = partial(asyncio.sleep, _REAPED_EVERY)
            tasks.create_task(again_and_again("reaper", self._reap, reaped))
            try:
                await again_and_again("dispatcher", partial(self._claim, tasks), self._rest)
            finally:
                await asyncio.shield(self._abandon())

    async def _rest(self) -> None:
        if await self._hints.wait("work", self._poll.total_seconds()):
            for look in self._busy.values():
                look.set()

    async def _abandon(self) -> None:
        """Give all leases back, so that whoever comes next need not wait for them to run out."""
        now = self._clock.now()
        with contextlib.suppress(DomainError):
            await self._store.write(lambda tx: tx.system.abandon(self._owner, now))

    async def _claim(self, tasks: asyncio.TaskGroup) -> None:
        room = self._batch - len(self._busy)
        if room <= 0:
            return
        owners = await self._store.read(lambda tx: tx.system.lease_owners())
        # a process of this node that is gone does not come back for its runs: do not wait
        dead = [owner for owner in owners if owner != self._owner and not self._is_alive(owner)]
        now = self._clock.now()

        def work(tx: Transaction) -> Sequence[Claim]:
            return tx.system.claim(
                self._owner, self._backend.node, now=now, lease=self._lease, limit=room, dead=dead
            )

        for claim in await self._store.write(work):
            self._busy[claim] = asyncio.Event()
            task = tasks.create_task(self._drive(claim))
            task.add_done_callback(partial(self._forget, claim))

    def _forget(self, claim: Claim, _: "asyncio.Task[None]") -> None:
        self._busy.pop(claim, None)

    async def _renew(self) -> None:
        if not self._busy:
            return
        uids, now = [claim.run.uid for claim in self._busy], self._clock.now()
        await self._store.write(
            lambda tx: tx.system.renew(self._owner, uids, now=now, lease=self._lease)
        )

    async def _reap(self) -> None:
        """Stop what trains for nobody: an attempt whose run has ended meanwhile."""
        active = await self._store.read(lambda tx: tx.system.active_uids())
        if reaped := await self._backend.reap(active):
            log.warning("orphans_stopped", runs=list(reaped))
        await self._forget_deleted()

    async def _forget_deleted(self) -> None:
        """Remove what deleted runs have left behind, their training data among it."""
        kept = await self._backend.kept()
        if not kept:
            return
        for uid in await self._store.read(lambda tx: tx.system.unknown(kept)):
            await self._backend.forget(uid)

    async def _drive(self, claim: Claim) -> None:
        """Look after one run for as long as it is under way and the fence holds.

        What nobody foresaw ends it here; the run is claimed anew once its lease has run out.
        """
        structlog.contextvars.bind_contextvars(run=str(claim.run.name))
        try:
            await self._look_after(claim)
            await self._store.write(lambda tx: tx.system.unclaim(claim, due=self._clock.now()))
        except DomainError as error:
            log.warning("drive_interrupted", error=str(error))
        except Exception:
            log.exception("drive_failed")

    async def _look_after(self, claim: Claim) -> None:
        run: FineTune | None = claim.run
        while run and run.state.holds_slot:
            pause = self._poll.total_seconds()
            try:
                run = await self._driver.step(claim, run)
                if run and run.state is State.FINALIZING:
                    continue  # nothing to wait for
            except Unavailable as error:
                log.warning("backend_unavailable", error=str(error))
                run = run and await self._driver.wait(claim, run, error)
                pause = error.retry_after
            except StorageFull as error:
                log.error("storage_full", error=str(error))
                pause = 10
            except Exception:
                log.exception("look_failed")
                pause = 5
            if run and run.state.holds_slot:
                await self._nap(claim, pause)
                with contextlib.suppress(DomainError):
                    run = await self._store.read(lambda tx: tx.system.fenced(claim))

    async def _nap(self, claim: Claim, seconds: float) -> None:
        """Wait for the next look; a hint that there is work ends it early."""
        look = self._busy[claim]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await look.wait()
        look.clear()
