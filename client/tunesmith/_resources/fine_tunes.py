"""Fine-tunes: submit, follow, cancel, read."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from tunesmith import _names
from tunesmith._resources.pages import paged
from tunesmith._transport import Calls
from tunesmith._watch import GIVE_UP_AFTER, Watch
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
        validation_dataset: str = "",
        suffix: str = "",
        n_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate_multiplier: float | None = None,
        prompt_loss_weight: float | None = None,
        hyperparameters: pb.Hyperparameters | None = None,
        n_classes: int | None = None,
        positive_class: str = "",
        betas: Iterable[float] = (),
        seed: int | None = None,
        metadata: Mapping[str, str] | None = None,
        spec: pb.FineTuneSpec | None = None,
        id: str = "",
        display_name: str = "",
        labels: Mapping[str, str] | None = None,
        parent: str = "",
        request_id: str = "",
        validate_only: bool = False,
    ) -> pb.FineTune:
        """Submit a run; it comes back at once, queued.

        What is left out the service chooses, and reports in `resolved`. A repeat with the same
        `request_id` (one is made if none is given) gets the first answer and starts nothing.

        Args:
            training_dataset: the dataset to learn from.
            base_model: an entry of the catalogue, such as `ada`, or a tuned model to go on from.
            validation_dataset: the dataset to measure on.
            suffix: becomes part of the model's name.
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
            spec: the whole specification, or the rest of it; the arguments above go before.
            id: the run's id; the service chooses if empty.
            display_name: for people.
            labels: key/value pairs for selection.
            parent: the tenant, if not the key's own.
            request_id: a UUID.
            validate_only: check everything and change nothing.
        """
        wanted = pb.FineTuneSpec()
        if spec:
            wanted.CopyFrom(spec)
        if base_model:
            wanted.base_model = base_model
        if training_dataset:
            wanted.training_dataset = _names.dataset(training_dataset)
        if validation_dataset:
            wanted.validation_dataset = _names.dataset(validation_dataset)
        if suffix:
            wanted.suffix = suffix
        if seed is not None:
            wanted.seed = seed
        wanted.metadata.update(metadata or {})
        asked = pb.Hyperparameters(
            n_epochs=n_epochs,
            batch_size=batch_size,
            learning_rate_multiplier=learning_rate_multiplier,
            prompt_loss_weight=prompt_loss_weight,
        )
        for more in (hyperparameters, asked):
            if more and more.ListFields():
                method = wanted.dpo if wanted.HasField("dpo") else wanted.supervised
                method.hyperparameters.MergeFrom(more)
        if n_classes is not None or positive_class:
            if n_classes is not None:
                wanted.classification.n_classes = n_classes
            wanted.classification.positive_class = positive_class
            wanted.classification.betas.extend(betas)
        request = pb.CreateFineTuneRequest(
            parent=_names.tenant(parent),
            fine_tune_id=id,
            fine_tune=pb.FineTune(spec=wanted, display_name=display_name, labels=labels or {}),
            request_id=request_id,
            validate_only=validate_only,
        )
        return (await self._calls.unary(self._stub.CreateFineTune, request)).fine_tune

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
        """Every run, newest first; of `states` only, if any are given."""
        wanted: Any = states  # each generator of stubs types enums in its own way
        request = pb.ListFineTunesRequest(
            parent=_names.tenant(parent), filter=filter, states=wanted
        )
        return paged(self._calls, self._stub.ListFineTunes, request, lambda page: page.fine_tunes)

    async def cancel(self, name: str) -> pb.FineTune:
        """Ask a run to stop for good."""
        request = pb.CancelFineTuneRequest(name=_names.fine_tune(name))
        return (await self._calls.unary(self._stub.CancelFineTune, request)).fine_tune

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
