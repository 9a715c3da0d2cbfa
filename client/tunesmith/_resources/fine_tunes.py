"""Fine-tunes: plan, submit, steer, follow, read."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, Unpack

from tunesmith import _names
from tunesmith._resources import specs
from tunesmith._resources.pages import paged
from tunesmith._resources.rewriting import rewritten
from tunesmith._resources.specs import ChangeOptions, RunOptions
from tunesmith._transport import Calls
from tunesmith._watch import GIVE_UP_AFTER, Watch, WatchAll
from tunesmith.v1 import event_pb2
from tunesmith.v1 import fine_tune_pb2 as pb
from tunesmith.v1 import fine_tune_pb2_grpc as rpc


class FineTunes:
    """The runs of a tenant. A name is `support-bot` or `tenants/acme/fineTunes/support-bot`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = rpc.FineTuneServiceStub(calls.transport.channel)

    async def create(
        self,
        training_dataset: str = "",
        base_model: str = "",
        *,
        plan_token: str = "",
        id: str = "",
        parent: str = "",
        request_id: str = "",
        validate_only: bool = False,
        **options: Unpack[RunOptions],
    ) -> pb.FineTune:
        """Submit a run; it comes back at once, queued.

        What is left out the service chooses, and reports in `resolved`. A repeat with the same
        `request_id` (one is made if none is given) gets the first answer and starts nothing.
        QuotaExceededError if a limit of the tenant is in the way; ConflictError with reason
        PLAN_STALE if things are no longer as when `plan_token` was made.

        Args:
            training_dataset: the dataset to learn from.
            base_model: an entry of the catalogue, such as `ada`, or a tuned model to go on from.
            plan_token: of a `plan` with the same arguments: create just what was planned.
            id: the run's id; the service chooses if empty.
            parent: the tenant, if not the key's own.
            request_id: a UUID.
            validate_only: check everything and change nothing.
            validation_dataset: the dataset to measure on.
            suffix: becomes part of the model's name.
            method: `supervised`, or `dpo`, which learns from pairs of answers.
            beta: how strongly `dpo` holds the model to where it began; 0.1 if left out.
            n_epochs: passes over the data.
            batch_size: examples a step.
            learning_rate_multiplier: times the rate that the service would take.
            prompt_loss_weight: how much the prompt counts in the loss.
            hyperparameters: further ones; those above go before.
            n_classes: measure as a classifier of so many classes.
            positive_class: the class that precision and recall are about.
            betas: of which F-scores.
            seed: of every random choice.
            metadata: handed back unread.
            max_trained_tokens: train on so many tokens at most, over all epochs.
            max_cost: cost so much at most, in the installation's currency: `Decimal("12.50")`,
                `"12.50"` or 12. A float is refused, for it is not exact.
            max_run_time: train so long at most.
            start_deadline: a run that has not started by then is expired. Without a zone it is in
                this machine's.
            on_limit: `checkpoint-and-stop` makes the last checkpoint the model, `fail` fails.
            checkpoint_every_steps: write a checkpoint so often; at each epoch's end if left out.
            keep_checkpoints: how many, the newest first; 2 if left out.
            integrations: where measurements are sent besides: Weights & Biases, MLflow.
            priority: higher goes first within the tenant, from -100 to 100; 0 is normal.
            hold: wait until `update(..., hold=False)`.
            spec: the whole specification, or the rest of it; the arguments above go before.
            display_name: for people.
            labels: key/value pairs for selection.
        """
        request = pb.CreateFineTuneRequest(
            parent=_names.tenant(parent),
            fine_tune_id=id,
            fine_tune=specs.fine_tune("create", training_dataset, base_model, options),
            plan_token=plan_token,
            request_id=request_id,
            validate_only=validate_only,
        )
        return (await self._calls.unary(self._stub.CreateFineTune, request)).fine_tune

    async def plan(
        self,
        training_dataset: str = "",
        base_model: str = "",
        *,
        parent: str = "",
        **options: Unpack[RunOptions],
    ) -> pb.PlanFineTuneResponse:
        """Say what a run would be, cost and wait for; changes nothing.

        Takes what `create` takes. Everything that is in the way is in `findings` rather than
        raised, the whole of it; without errors there, `plan_token` binds a `create` to this plan.
        """
        request = pb.PlanFineTuneRequest(
            parent=_names.tenant(parent),
            fine_tune=specs.fine_tune("plan", training_dataset, base_model, options),
        )
        return await self._calls.unary(self._stub.PlanFineTune, request)

    async def get(self, name: str) -> pb.FineTune:
        """Read a run."""
        request = pb.GetFineTuneRequest(name=_names.fine_tune(name))
        return (await self._calls.unary(self._stub.GetFineTune, request)).fine_tune

    def list(
        self,
        *,
        states: Iterable[int] = (),
        filter: str = "",
        parent: str = "",
    ) -> AsyncGenerator[pb.FineTune, None]:
        """Every run, newest first; of `states` only, if any are given.

        `filter` is as in `state = RUNNING AND labels.team = search`, over `state`, `labels.KEY` and
        `create_time`; a wrong one is an InvalidArgumentError that says where.
        """
        wanted: Any = states  # each generator of stubs types enums in its own way
        request = pb.ListFineTunesRequest(
            parent=_names.tenant(parent), filter=filter, states=wanted
        )
        return paged(self._calls, self._stub.ListFineTunes, request, lambda page: page.fine_tunes)

    async def update(
        self,
        name: str,
        *,
        etag: str = "",
        validate_only: bool = False,
        **options: Unpack[ChangeOptions],
    ) -> pb.FineTune:
        """Change what is given of a run that was submitted, and leave the rest.

        None leaves a field alone; `labels={}` removes every label. Limits that are not given stay:
        they are read and written under the run's etag. ConflictError with reason
        FIELD_IMMUTABLE for what is fixed by now, and ETAG_MISMATCH if `etag` no longer holds.

        Args:
            name: the run.
            etag: of the run as you read it.
            validate_only: check everything and change nothing.
            labels: all labels.
            annotations: all annotations.
            display_name: for people.
            priority: higher goes first within the tenant, from -100 to 100.
            hold: True to keep a waiting run from starting, False to let it.
            max_trained_tokens: as `create` takes it.
            max_cost: as `create` takes it.
            max_run_time: as `create` takes it.
            start_deadline: as `create` takes it.
            on_limit: as `create` takes it.
            remove_limits: names of limits to take off, such as `max_cost`.
        """
        specs.known("update", options, ChangeOptions)

        async def write(before: pb.FineTune) -> pb.FineTune:
            run, mask = specs.change(name, etag or before.etag, before.spec.limits, options)
            request = pb.UpdateFineTuneRequest(
                fine_tune=run, update_mask=mask, validate_only=validate_only
            )
            return (await self._calls.unary(self._stub.UpdateFineTune, request)).fine_tune

        if not specs.changes_limits(options):  # the rest needs no look at what is there
            return await write(pb.FineTune())
        if etag:
            return await write(await self.get(name))
        return await rewritten(lambda: self.get(name), write)

    async def cancel(self, name: str) -> pb.FineTune:
        """Ask a run to stop for good."""
        request = pb.CancelFineTuneRequest(name=_names.fine_tune(name))
        return (await self._calls.unary(self._stub.CancelFineTune, request)).fine_tune

    async def pause(self, name: str) -> pb.FineTune:
        """Ask a run to write a checkpoint and give its capacity back.

        It is `PAUSING` until the checkpoint is stored. ConflictError with reason STATE_FORBIDS if
        it has ended.
        """
        request = pb.PauseFineTuneRequest(name=_names.fine_tune(name))
        return (await self._calls.unary(self._stub.PauseFineTune, request)).fine_tune

    async def resume(self, name: str) -> pb.FineTune:
        """Put a paused run back into the queue; it goes on from its checkpoint.

        ConflictError with reason STATE_FORBIDS if it is not paused.
        """
        request = pb.ResumeFineTuneRequest(name=_names.fine_tune(name))
        return (await self._calls.unary(self._stub.ResumeFineTune, request)).fine_tune

    async def explain(self, name: str) -> pb.ExplainFineTuneResponse:
        """Say in words and in numbers why a run waits, or why it failed and what to do."""
        request = pb.ExplainFineTuneRequest(name=_names.fine_tune(name))
        return await self._calls.unary(self._stub.ExplainFineTune, request)

    async def delete(self, name: str) -> None:
        """Forget a run that has ended. Its model stays."""
        request = pb.DeleteFineTuneRequest(name=_names.fine_tune(name))
        await self._calls.unary(self._stub.DeleteFineTune, request)

    def watch(
        self,
        name: str,
        *,
        cursor: str = "",
        give_up_after: float = GIVE_UP_AFTER,
        timeout: float | None = None,
    ) -> Watch:
        """Every event of a run, once and in order, until the run ends. See `Watch`."""
        return Watch(
            self._calls,
            _names.fine_tune(name),
            cursor=cursor,
            give_up_after=give_up_after,
            timeout=timeout,
        )

    def watch_all(
        self, *, cursor: str = "", give_up_after: float = GIVE_UP_AFTER, parent: str = ""
    ) -> WatchAll:
        """Every event of all runs of a tenant, those made later included. See `WatchAll`."""
        return WatchAll(
            self._calls, _names.tenant(parent), cursor=cursor, give_up_after=give_up_after
        )

    async def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # the blocking client has no other
    ) -> pb.FineTune:
        """The run when it has ended, well or not. TimeoutError after `timeout` seconds."""
        async with aclosing(self.watch(name, timeout=timeout)) as events:
            async for _ in events:
                pass
        return await self.get(name)

    def events(self, name: str) -> AsyncGenerator[event_pb2.Event, None]:
        """Every event so far, oldest first."""
        request = pb.ListFineTuneEventsRequest(parent=_names.fine_tune(name))
        return paged(self._calls, self._stub.ListFineTuneEvents, request, lambda page: page.events)

    def checkpoints(self, name: str) -> AsyncGenerator[pb.Checkpoint, None]:
        """Every checkpoint that is kept."""
        request = pb.ListCheckpointsRequest(parent=_names.fine_tune(name))
        return paged(
            self._calls, self._stub.ListCheckpoints, request, lambda page: page.checkpoints
        )

    async def results(self, name: str) -> AsyncGenerator[pb.ResultRow, None]:
        """The measurements so far, one row a training step."""
        request = pb.GetResultsRequest(name=_names.fine_tune(name))
        async with aclosing(self._calls.stream(self._stub.GetResults, request)) as responses:
            async for response in responses:
                for row in response.rows:
                    yield row
