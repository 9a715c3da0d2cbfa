"""Brings a run that is under way a step further: see what the backend shows, take reports in, act.

Side effects happen outside of transactions; every write is guarded by the fence of the claim, so
one who has lost its lease changes nothing. The intent (PREPARING with its attempt) is durable
before the backend is asked to start, and the backend starts an attempt once however often it is
asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from tunesmith_server.app.admission import Admission
from tunesmith_server.app.publishing import Publisher
from tunesmith_server.app.reports import ingested
from tunesmith_server.app.results import measured, results_csv
from tunesmith_server.domain import decide as then
from tunesmith_server.domain.errors import (
    BackendUnsuitable,
    QuotaViolation,
    Unavailable,
)
from tunesmith_server.domain.events import Event, Kind, Level
from tunesmith_server.domain.fine_tune import (
    BUDGET_REACHED,
    TENANT_SUSPENDED,
    Failure,
    FineTune,
)
from tunesmith_server.domain.observation import Observation, Report
from tunesmith_server.domain.states import State
from tunesmith_server.ports import Backend, Claim, Clock, Hints, Store, TenantScope, Transaction

_REPORTS = 500
_STARTED = "Fine-tune started"
_FINISH_REQUESTED = "FINISH_REQUESTED"
"""What a trainer says that was asked to end early, see `docs/reference/run-directory.md`."""
_INTERRUPTED = frozenset({State.CANCELLING, State.PAUSING})
Change = Callable[[TenantScope, FineTune], tuple[FineTune, list[Event]]]


class Driver:
    """Looks at claimed runs.

    Args:
        patience: for how long it is tried to start a run whose backend cannot be reached.
    """

    def __init__(
        self,
        store: Store,
        backend: Backend,
        admission: Admission,
        publisher: Publisher,
        hints: Hints,
        clock: Clock,
        *,
        patience: timedelta = timedelta(minutes=30),
    ) -> None:
        self._store = store
        self._backend = backend
        self._admission = admission
        self._publisher = publisher
        self._hints = hints
        self._clock = clock
        self._patience = patience

    async def step(self, claim: Claim, run: FineTune) -> FineTune | None:
        """One look at one run. None if the fence is lost.

        Raises Unavailable and StorageFull of the backend and the store.
        """
        try:
            return await self._step(claim, run)
        except BackendUnsuitable as error:
            failure = Failure(error.reason, str(error), "choose another base model or backend")
            return await self._end(claim, State.FAILED, f"Error: {error}", failure)

    async def wait(self, claim: Claim, run: FineTune, error: Unavailable) -> FineTune | None:
        """The run, failed if its backend has not been able to start it for too long."""
        if run.state is not State.PREPARING:
            return run
        if self._clock.now() - run.update_time < self._patience:
            return run
        failure = Failure(
            error.reason,
            f"it could not be started for {self._patience}: {error}",
            "see that the backend and the source of the base model can be reached; submit it again",
        )
        return await self._end(claim, State.FAILED, f"Error: {failure.message}", failure)

    async def _step(self, claim: Claim, run: FineTune) -> FineTune | None:
        seen: Observation = await self._backend.observe(run)
        taken_in = await self._take_in(claim, run)
        if taken_in is None:
            return None
        run = taken_in
        match then.decide(run, seen):
            case then.Start():
                await self._backend.start(run)
                return run
            case then.Stop(mode):
                await self._backend.stop(run, mode)
                return run
            case then.Paused():
                return await self._paused(claim)
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
        self, reports: Sequence[Report], scope: TenantScope, run: FineTune
    ) -> tuple[FineTune, list[Event]]:
        began: list[Event] = []
        if run.state is State.PREPARING:  # a trainer that reports is one that runs
            began_at = max(run.update_time, reports[0].time)  # not when this was heard of
            run, event = run.told(State.RUNNING, now=began_at, message=_STARTED)
            began = [event]
        before = run.checkpoint_bytes
        run, events = ingested(run, reports)
        passed = None
        if run.checkpoint_bytes != before:
            passed = self._admission.keep_checkpoints(scope, run, self._clock.now())
        run, warned = self._within_budget(scope, run, passed)
        return run, [*began, *events, *warned]

    def _within_budget(
        self, scope: TenantScope, run: FineTune, passed: QuotaViolation | None
    ) -> tuple[FineTune, list[Event]]:
        """The run, asked to end well if its own limit, or its tenant's budget, is spent.

        `passed` is a limit that its checkpoints have passed.
        """
        if run.stopping or run.state is not State.RUNNING:
            return run, []
        now = self._clock.now()
        own = run.resolved.max_trained_tokens
        if own is not None and run.progress.trained_tokens >= own:
            why = f"max_trained_tokens: {run.progress.trained_tokens} of {own}"
        elif spent := passed or self._admission.spent_budget(scope, run, now):
            why = str(spent)
        else:
            return run, []
        text = f"A limit is reached ({why}): the run ends with what it has learnt"
        return replace(run, stopping=BUDGET_REACHED), [
            Event(Kind.MESSAGE, now, text, Level.WARNING, attempt=run.attempt)
        ]

    async def _move(
        self, claim: Claim, state: State, message: str, level: Level = Level.INFO
    ) -> FineTune | None:
        now = self._clock.now()

        def change(_: TenantScope, run: FineTune) -> tuple[FineTune, list[Event]]:
            if run.state in _INTERRUPTED:
                return run, []  # interrupted while we looked
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
            # only a budget makes the dispatcher ask for an early end, whatever was asked for since
            finished = seen.stopped_at == _FINISH_REQUESTED
            stopped_at = BUDGET_REACHED if finished else seen.stopped_at
            run = replace(
                run,
                stopped_at=stopped_at,
                model_digest=seen.model_digest,
                progress=replace(run.progress, trained_tokens=tokens),
            )
            moved, event = run.told(State.FINALIZING, now=now, message="Training completed")
            return moved, [*events, event]

        return await self._apply(claim, change)

    async def _publish(self, claim: Claim, run: FineTune) -> FineTune | None:
        model = recorded = await self._publisher.keep(run)
        steps = await measured(self._store, run.name.tenant, run.uid)
        results_bytes = len(results_csv(steps))
        now = self._clock.now()

        def change(scope: TenantScope, run: FineTune) -> tuple[FineTune, list[Event]]:
            nonlocal recorded
            if run.state is not State.FINALIZING:
                return run, []
            # first: its lock keeps the legacy names of models apart
            self._admission.end(scope, run, now, model=True)
            recorded = self._publisher.record(scope, model, now, run.resolved.base_model_name)
            uploaded = Event(
                Kind.MESSAGE, now, f"Uploaded model: {recorded.public_name}", attempt=run.attempt
            )
            ended = replace(run, model=recorded.name.id, results_bytes=results_bytes)
            if run.stopped_at:
                moved, event = ended.told(
                    State.STOPPED_AT_LIMIT,
                    now=now,
                    message=f"Fine-tune stopped at a limit ({run.stopped_at}) with a model",
                    reason=run.stopped_at,
                    level=Level.WARNING,
                )
            else:
                moved, event = ended.told(State.SUCCEEDED, now=now, message="Fine-tune succeeded")
            return moved, [uploaded, event]

        done = await self._apply(claim, change)
        if done and done.state.is_terminal:
            await self._publisher.tidy(model, recorded)
            await self._ended(done)
        return done

    async def _paused(self, claim: Claim) -> FineTune | None:
        now = self._clock.now()

        def change(scope: TenantScope, run: FineTune) -> tuple[FineTune, list[Event]]:
            if run.state is not State.PAUSING:
                return run, []
            self._admission.pause(scope, run, now)
            paused, event = run.told(
                State.PAUSED, now=now, message="Fine-tune paused", reason=run.stopping
            )
            suspended = any(each.suspension for each in scope.chain())
            if run.stopping != TENANT_SUSPENDED or suspended:
                return paused, [event]
            # the tenant was resumed while its runs were still stopping
            self._admission.requeue(scope, paused, now)
            queued, again = replace(paused, stopping="").told(
                State.QUEUED, now=now, message="Fine-tune resumed", reason="RESUMED"
            )
            return queued, [event, again]

        run = await self._apply(claim, change)
        self._hints.notify("queue")
        return run

    async def _requeue(self, claim: Claim, why: str) -> FineTune | None:
        now = self._clock.now()

        def change(scope: TenantScope, run: FineTune) -> tuple[FineTune, list[Event]]:
            if run.state in _INTERRUPTED:
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

        requeued = await self._apply(claim, change)
        self._hints.notify("queue")
        return requeued

    async def _end(
        self, claim: Claim, state: State, message: str, failure: Failure | None
    ) -> FineTune | None:
        now = self._clock.now()

        def change(scope: TenantScope, run: FineTune) -> tuple[FineTune, list[Event]]:
            if run.state.is_terminal:
                return run, []
            self._admission.end(scope, run, now, model=False)
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
        self._hints.notify("queue")
        if run.state is not State.FAILED:  # a failed run's log is worth keeping
            await self._backend.discard(run)
