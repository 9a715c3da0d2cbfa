"""Changing a run that was submitted: cancel, pause, resume, update, delete."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from tunesmith_server.app.admission import Admission
from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.resolution import token_cap
from tunesmith_server.app.scope import scope_of
from tunesmith_server.domain.errors import (
    EtagMismatch,
    FieldImmutable,
    InvalidArgument,
    PreconditionFailed,
)
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fine_tune import CALLER, FineTune, RunLimits, first_wait
from tunesmith_server.domain.names import FineTuneName, owned
from tunesmith_server.domain.states import State
from tunesmith_server.ports import Clock, Hints, TenantScope, Transaction

T = TypeVar("T")


@dataclass(frozen=True)
class Changes:
    """What an update sets; None leaves as it is."""

    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    display_name: str | None = None
    priority: int | None = None
    hold: bool | None = None
    limits: Mapping[str, object] | None = None
    """Fields of `RunLimits` by name; those that are not there stay as they are."""
    etag: str = ""
    """What the run's etag must be; empty for any."""

    def shown(self) -> str:
        """What is set, for people."""
        given = {name: value for name, value in vars(self).items() if value not in (None, "")}
        return ", ".join(f"{name}={value!r}" for name, value in given.items())[:2000]


@dataclass(frozen=True)
class Updated:
    """A run after an update."""

    run: FineTune
    changed: bool


class Steering:
    """The use cases that change runs."""

    def __init__(
        self, commands: Commands, admission: Admission, hints: Hints, clock: Clock
    ) -> None:
        self._commands = commands
        self._admission = admission
        self._hints = hints
        self._clock = clock

    async def cancel(self, call: Call, name: FineTuneName) -> FineTune:
        """Ask a run to stop for good.

        One that waits is cancelled at once; one that has ended, or is stopping, stays as it is.
        """
        return await self._change(call, name, FineTune, self._cancelled)

    async def pause(self, call: Call, name: FineTuneName) -> FineTune:
        """Ask a run to write a checkpoint and give its capacity back.

        One that waits is paused at once; one that is paused, or pausing, stays as it is. Else
        PreconditionFailed.
        """
        return await self._change(call, name, FineTune, self._paused)

    async def resume(self, call: Call, name: FineTuneName) -> FineTune:
        """Put a paused run back into the queue, within the quota; one that waits stays as it is."""
        return await self._change(call, name, FineTune, self._resumed)

    async def update(self, call: Call, name: FineTuneName, changes: Changes) -> Updated:
        """Change what is not fixed.

        Raises EtagMismatch, FieldImmutable, PreconditionFailed and QuotaExceeded.
        """

        def change(scope: TenantScope, run: FineTune) -> Updated:
            after = self._updated(scope, run, changes)
            return Updated(after, changed=after.version != run.version)

        return await self._change(call, name, Updated, change, changes.shown())

    async def delete(self, call: Call, name: FineTuneName) -> None:
        """Forget a run that has ended, with its events. Its model stays."""
        tenant = owned(name.tenant, call.principal.tenant, str(name))

        def make(tx: Transaction) -> bool:
            scope = scope_of(tx, tenant, name)
            run = scope.fine_tune(name.id)
            if not run.state.is_terminal:
                raise PreconditionFailed(str(name), f"it is {run.state}; cancel it first")
            scope.delete_fine_tune(run)
            return True

        await self._commands.run(call, tenant, FineTuneName(tenant, name.id), bool, make)

    async def _change(
        self,
        call: Call,
        name: FineTuneName,
        kind: type[T],
        change: Callable[[TenantScope, FineTune], T],
        detail: str = "",
    ) -> T:
        tenant = owned(name.tenant, call.principal.tenant, str(name))

        def make(tx: Transaction) -> T:
            scope = scope_of(tx, tenant, name)
            return change(scope, scope.fine_tune(name.id))

        shown = FineTuneName(tenant, name.id)
        answer = await self._commands.run(call, tenant, shown, kind, make, detail=detail)
        for topic in ("runs", "work", "queue"):
            self._hints.notify(topic)
        return answer

    def _cancelled(self, scope: TenantScope, run: FineTune) -> FineTune:
        now = self._clock.now()
        if run.state.is_terminal or run.state is State.CANCELLING:
            return run
        if run.state.holds_slot:
            moved, event = run.told(
                State.CANCELLING, now=now, message="Fine-tune cancellation requested"
            )
        else:
            moved, event = run.told(
                State.CANCELLED, now=now, message="Fine-tune cancelled", reason="CANCELLED"
            )
            self._admission.end(scope, run, now, model=False)
        return scope.put_fine_tune(moved, [event])

    def _paused(self, scope: TenantScope, run: FineTune) -> FineTune:
        return paused(scope, run, self._admission, self._clock, CALLER)

    def _resumed(self, scope: TenantScope, run: FineTune) -> FineTune:
        now = self._clock.now()
        if run.state.is_waiting:
            return run
        if run.state is not State.PAUSED:
            raise PreconditionFailed(str(run.name), f"it is {run.state}, not paused")
        self._admission.rejoin(scope, run, now)
        return resumed(scope, run, self._clock)

    def _updated(self, scope: TenantScope, run: FineTune, changes: Changes) -> FineTune:
        if changes.etag and changes.etag != str(run.version):
            raise EtagMismatch(f"{run.name} has changed since: read it again, then retry")
        spec = run.spec
        limits = spec.limits
        if changes.limits is not None:
            limits = replace(limits, **changes.limits)  # type: ignore[arg-type]
        wants = {
            "priority": changes.priority,
            "hold": changes.hold,
            "limits": limits if limits != spec.limits else None,
        }
        wanted = {name: value for name, value in wants.items() if value is not None}
        if wanted and run.state.is_terminal:
            raise FieldImmutable(str(run.name), f"it is {run.state}: {', '.join(wanted)} are fixed")
        spec = replace(spec, **wanted)  # type: ignore[arg-type]
        changed = replace(
            run,
            spec=spec,
            labels=run.labels if changes.labels is None else dict(changes.labels),
            annotations=run.annotations
            if changes.annotations is None
            else dict(changes.annotations),
            display_name=run.display_name if changes.display_name is None else changes.display_name,
        )
        if limits != run.spec.limits:
            changed = self._limited(scope, changed, run.spec.limits)
        if changes.hold is not None and run.state.is_waiting:
            changed = replace(changed, wait_reason=first_wait(spec))
        if changed == run:
            return run
        now = self._clock.now()
        return scope.put_fine_tune(
            replace(changed, update_time=now), [Event(Kind.MESSAGE, now, "Fine-tune updated")]
        )

    def _limited(self, scope: TenantScope, run: FineTune, before: RunLimits) -> FineTune:
        """The run, whose own limits were `before`; what it reserves follows, within the quota."""
        limits = run.spec.limits
        now = self._clock.now()
        price = run.resolved.price_micros_per_million
        cap = token_cap(run.spec, price)
        training, values = run.resolved.training, run.resolved.hyperparameters
        worst = training.most_tokens * values.n_epochs
        resolved = replace(
            run.resolved,
            worst_case_tokens=worst if cap is None else min(worst, cap),
            max_trained_tokens=cap,
        )
        if run.state.holds_slot:
            if limits.max_run_seconds != before.max_run_seconds:  # the trainer's own limit
                raise PreconditionFailed(
                    str(run.name),
                    f"it is {run.state}: pause it to change the time that it may train",
                )
            if resolved.worst_case_tokens > run.resolved.worst_case_tokens:
                raise PreconditionFailed(
                    str(run.name),
                    f"it is {run.state}: its limits can be lowered, but to raise them pause it",
                )
            # what it reserved before stays reserved until it ends
            return replace(run, resolved=replace(run.resolved, max_trained_tokens=cap))
        if cap is not None and cap < run.progress.trained_tokens:
            raise InvalidArgument.of(
                "fine_tune.spec.limits",
                f"{cap} tokens are fewer than the {run.progress.trained_tokens} trained already",
            )
        limited = replace(run, resolved=resolved)
        self._admission.again(scope, limited, now)
        return limited


def paused(
    scope: TenantScope, run: FineTune, admission: Admission, clock: Clock, why: str
) -> FineTune:
    """The run, asked to pause; `why` decides who may resume it."""
    now = clock.now()
    if run.state in (State.PAUSED, State.PAUSING):
        return run
    if not run.state.may_pause:
        raise PreconditionFailed(str(run.name), f"it is {run.state} and cannot be paused")
    stopping = replace(run, stopping=why)
    if run.state.holds_slot:
        moved, event = stopping.told(
            State.PAUSING, now=now, message="Fine-tune pause requested", reason=why
        )
    else:
        admission.pause(scope, run, now)
        moved, event = stopping.told(State.PAUSED, now=now, message="Fine-tune paused", reason=why)
    return scope.put_fine_tune(moved, [event])


def resumed(scope: TenantScope, run: FineTune, clock: Clock) -> FineTune:
    """The paused run, back in the queue; its place there is reserved."""
    moved, event = replace(run, stopping="").told(
        State.QUEUED, now=clock.now(), message="Fine-tune resumed", reason="RESUMED"
    )
    return scope.put_fine_tune(moved, [event])
