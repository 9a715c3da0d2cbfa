"""Drives every run to its end: a level-triggered loop over due rows.

A look: claim due runs (lease and fence), see what the backend shows, take the trainer's reports in,
decide, act, and give the lease back with the time of the next look. Side effects happen outside of
transactions; every write is guarded by the fence, so a dispatcher that lost its lease changes
nothing. The intent (PREPARING with its attempt) is durable before the backend is asked to start,
and the backend starts an attempt once however often it is asked.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from tunesmith_server.app.admission import Admission
from tunesmith_server.app.publishing import Publisher
from tunesmith_server.app.reports import ingested
from tunesmith_server.domain import decide as then
from tunesmith_server.domain.errors import DomainError, StorageFull, Unavailable
from tunesmith_server.domain.events import Event, Kind, Level
from tunesmith_server.domain.fine_tune import Failure, FineTune
from tunesmith_server.domain.observation import Observation, Phase, Report, StopMode
from tunesmith_server.domain.quota import Dimension
from tunesmith_server.domain.states import State, WaitReason
from tunesmith_server.ports import Backend, Claim, Clock, Hints, Store, TenantScope, Transaction

log = structlog.get_logger(__name__)

WAITING_FOR_CAPACITY = WaitReason.WAITING_FOR_CAPACITY
WAITING_FOR_QUOTA = WaitReason.WAITING_FOR_QUOTA

_REPORTS = 500
_STARTED = "Fine-tune started"
Change = Callable[[TenantScope, FineTune], tuple[FineTune, list[Event]]]


class Dispatcher:
    """One per process; any number of processes share the work."""

    def __init__(
        self,
        store: Store,
        backend: Backend,
        admission: Admission,
        publisher: Publisher,
        hints: Hints,
        clock: Clock,
        *,
        owner: str,
        slots: int,
        lease: timedelta = timedelta(seconds=10),
        poll: timedelta = timedelta(seconds=0.5),
        batch: int = 32,
    ) -> None:
        self._store = store
        self._backend = backend
        self._admission = admission
        self._publisher = publisher
        self._hints = hints
        self._clock = clock
        self._owner = owner
        self._slots = slots
        self._lease = lease
        self._poll = poll
        self._batch = batch
        self._busy: set[Claim] = set()

    async def run(self) -> None:
        """Dispatch until cancelled. Runs under way are left as they are for the next dispatcher."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renew())
            tasks.create_task(self._reap())
            while True:
                try:
                    await self._claim(tasks)
                except DomainError as error:  # the store is away: look again
                    log.warning("claim_failed", error=str(error))
                await self._hints.wait("work", self._poll.total_seconds())

    async def _claim(self, tasks: asyncio.TaskGroup) -> None:
        room = self._batch - len(self._busy)
        if room <= 0:
            return
        now = self._clock.now()

        def work(tx: Transaction) -> Sequence[Claim]:
            node = self._backend.node
            return tx.system.claim(self._owner, node, now=now, lease=self._lease, limit=room)

        claims = await self._store.write(work)
        for claim in claims:
            self._busy.add(claim)
            task = tasks.create_task(self._look(claim))
            task.add_done_callback(partial(self._forget, claim))

    def _forget(self, claim: Claim, _: "asyncio.Task[None]") -> None:
        self._busy.discard(claim)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            if not self._busy:
                continue
            uids, now = [claim.run.uid for claim in self._busy], self._clock.now()
            with contextlib.suppress(DomainError):
                await self._store.write(
                    lambda tx, uids=uids, now=now: tx.system.renew(  # type: ignore[misc]
                        self._owner, uids, now=now, lease=self._lease
                    )
                )

    async def _reap(self) -> None:
        """Stop what trains for nobody: an attempt whose run has ended meanwhile."""
        while True:
            with contextlib.suppress(DomainError):
                active = await self._store.read(lambda tx: tx.system.active_uids())
                if reaped := await self._backend.reap(active):
                    log.warning("orphans_stopped", runs=list(reaped))
            await asyncio.sleep(30)

    async def _look(self, claim: Claim) -> None:
        structlog.contextvars.bind_contextvars(run=str(claim.run.name))
        due: datetime | None = None
        try:
            run = await self._step(claim)
            if run is None:
                return  # the fence is lost: somebody else looks after the run
            if not run.state.is_terminal:
                due = self._clock.now() + self._poll
        except Unavailable as error:
            log.warning("backend_unavailable", error=str(error))
            due = self._clock.now() + timedelta(seconds=error.retry_after)
        except StorageFull as error:
            log.error("storage_full", error=str(error))
            due = self._clock.now() + timedelta(seconds=10)
        except Exception:
            log.exception("look_failed")
            due = self._clock.now() + timedelta(seconds=5)
        with contextlib.suppress(DomainError):
            await self._store.write(lambda tx: tx.system.unclaim(claim, due=due))
        if due is None:
            self._hints.notify("work")

    async def _step(self, claim: Claim) -> FineTune | None:
        """One look at one run. None if the fence is lost."""
        run: FineTune | None = claim.run
        assert run is not None
        seen = Observation(Phase.ABSENT)
        if run.attempt and run.state is not State.QUEUED:
            seen = await self._backend.observe(run)
            run = await self._take_in(claim, run)
            if run is None:
                return None
        match then.decide(run, seen):
            case then.Admit():
                return await self._admit(claim)
            case then.Start():
                await self._backend.start(run)
                return run
            case then.Stop():
                await self._backend.stop(run, StopMode.CANCEL)
                return run
            case then.Begin():
                return await self._move(claim, State.RUNNING, _STARTED)
            case then.Finalize():
                return await self._finalize(claim, seen)
            case then.Publish():
                return await self._publish(claim, run)
            case then.Requeue(why):
                return await self._requeue(claim, why)
            case then.Fail(failure):
                return await self._end(claim, State.FAILED, f"Error: {failure.message}", failure)
            case then.Cancelled():
                return await self._end(claim, State.CANCELLED, "Fine-tune cancelled", None)
            case then.Look():
                return run

    async def _apply(self, claim: Claim, change: Change) -> FineTune | None:
        """Write a change of the run as it is now, if the fence holds; tell the watchers."""

        def work(tx: Transaction) -> FineTune | None:
            current = tx.system.fenced(claim)
            if current is None:
                return None
            scope = tx.of(current.name.tenant)
            changed, events = change(scope, current)
            if changed == current and not events:
                return current
            return scope.put_fine_tune(changed, events)

        run = await self._store.write(work)
        self._hints.notify("runs")
        return run

    async def _take_in(self, claim: Claim, run: FineTune) -> FineTune | None:
        """Take all reports in that the trainer has written so far."""
        while True:
            reports = await self._backend.reports(run, run.reports_read, _REPORTS)
            if not reports:
                return run
            applied = await self._apply(claim, partial(self._ingest, reports))
            if applied is None:
                return None
            run = applied
            if len(reports) < _REPORTS:
                return run

    def _ingest(
        self, reports: Sequence[Report], _: TenantScope, run: FineTune
    ) -> tuple[FineTune, list[Event]]:
        began: list[Event] = []
        if run.state is State.PREPARING:  # a trainer that reports is one that runs
            run, event = run.told(State.RUNNING, now=self._clock.now(), message=_STARTED)
            began = [event]
        run, events = ingested(run, reports)
        return run, [*began, *events]

    async def _admit(self, claim: Claim) -> FineTune | None:
        now, node = self._clock.now(), self._backend.node

        def change(scope: TenantScope, run: FineTune) -> tuple[FineTune, list[Event]]:
            if run.state is not State.QUEUED:
                return run, []
            in_the_way = self._admission.start(scope, run, node, self._slots, now)
            if in_the_way:
                no_slot = all(v.dimension == Dimension.SLOTS for v in in_the_way)
                reason = WAITING_FOR_CAPACITY if no_slot else WaitReason.WAITING_FOR_QUOTA
                if run.wait_reason is reason:
                    return run, []
                message = "; ".join(map(str, in_the_way))
                return replace(run, wait_reason=reason, message=message, update_time=now), []
            attempt = run.attempt + 1
            moved, event = replace(run, attempt=attempt, node=node, reports_read=0).told(
                State.PREPARING, now=now, message=f"Preparing attempt {attempt}"
            )
            return moved, [event]

        run = await self._apply(claim, change)
        if run and run.state is State.PREPARING:
            await self._backend.start(run)
        return run

    async def _move(
        self, claim: Claim, state: State, message: str, level: Level = Level.INFO
    ) -> FineTune | None:
        now = self._clock.now()

        def change(_: TenantScope, run: FineTune) -> tuple[FineTune, list[Event]]:
            if run.state is State.CANCELLING:
                return run, []  # cancelled while we looked
            moved, event = run.told(state, now=now, message=message, level=level)
            return moved, [event]

        return await self._apply(claim, change)

    async def _finalize(self, claim: Claim, seen: Observation) -> FineTune | None:
        now = self._clock.now()

        def change(_: TenantScope, run: FineTune) -> tuple[FineTune, list[Event]]:
            if run.state is State.CANCELLING:
                return run, []
            events = []
            if run.state is State.PREPARING:  # it ended before anybody saw it run
                run, event = run.told(State.RUNNING, now=now, message=_STARTED)
                events.append(event)
            tokens = seen.trained_tokens or run.progress.trained_tokens
            run = replace(
                run,
                model_digest=seen.model_digest,
                progress=replace(run.progress, trained_tokens=tokens),
            )
            moved, event = run.told(State.FINALIZING, now=now, message="Training completed")
            return moved, [*events, event]

        return await self._apply(claim, change)

    async def _publish(self, claim: Claim, run: FineTune) -> FineTune | None:
        model = await self._publisher.keep(run)
        now = self._clock.now()

        def change(scope: TenantScope, run: FineTune) -> tuple[FineTune, list[Event]]:
            if run.state is not State.FINALIZING:
                return run, []
            named = self._publisher.record(scope, model, now)
            self._admission.end(scope, run, now)
            uploaded = Event(
                Kind.MESSAGE, now, f"Uploaded model: {named.public_name}", attempt=run.attempt
            )
            moved, event = replace(run, model=named.name.id).told(
                State.SUCCEEDED, now=now, message="Fine-tune succeeded"
            )
            return moved, [uploaded, event]

        done = await self._apply(claim, change)
        if done and done.state is State.SUCCEEDED:
            await self._ended(done)
        return done

    async def _requeue(self, claim: Claim, why: str) -> FineTune | None:
        now = self._clock.now()

        def change(scope: TenantScope, run: FineTune) -> tuple[FineTune, list[Event]]:
            if run.state is State.CANCELLING:
                return run, []
            self._admission.requeue(scope, run, now)
            moved, event = run.told(
                State.QUEUED,
                now=now,
                message=f"Attempt {run.attempt} was lost ({why}); it goes on from its checkpoint",
                reason="ATTEMPT_LOST",
                level=Level.WARNING,
            )
            return moved, [event]

        return await self._apply(claim, change)

    async def _end(
        self, claim: Claim, state: State, message: str, failure: Failure | None
    ) -> FineTune | None:
        now = self._clock.now()

        def change(scope: TenantScope, run: FineTune) -> tuple[FineTune, list[Event]]:
            if run.state.is_terminal:
                return run, []
            self._admission.end(scope, run, now)
            moved, event = replace(run, failure=failure).told(
                state,
                now=now,
                message=message,
                reason=failure.reason if failure else "CANCELLED",
                level=Level.ERROR if failure else Level.INFO,
            )
            return moved, [event]

        run = await self._apply(claim, change)
        if run and run.state.is_terminal:
            await self._ended(run)
        return run

    async def _ended(self, run: FineTune) -> None:
        """Capacity has come free, and what the run left on the backend can go."""
        now = self._clock.now()
        await self._store.write(lambda tx: tx.system.wake_waiting(now))
        if run.state is not State.FAILED:  # a failed run's log is worth keeping
            await self._backend.discard(run)
