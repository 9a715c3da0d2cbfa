"""The legacy `/v1/fine-tunes` of the old guide."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from tunesmith_server.app.fine_tunes import FineTunes
from tunesmith_server.app.steering import Steering
from tunesmith_server.app.watch import Batch, Closing, Watches
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fine_tune import (
    Classification,
    FineTune,
    Hyperparameters,
)
from tunesmith_server.domain.model import Model
from tunesmith_server.edge.http import sse
from tunesmith_server.edge.http.calls import Incoming
from tunesmith_server.edge.http.envelopes import json_response, refused
from tunesmith_server.edge.http.files import FileEndpoints, has_results, results_object
from tunesmith_server.edge.http.ids import results_id
from tunesmith_server.edge.http.runs import LEVELS, STATUS, Runs, begun, run_name

_DEFAULT_MODEL = "curie"
"""What the old guide's server took where no model was named, as prepare_data's command does."""
_SUFFIX = 40
_SAID = (Kind.MESSAGE, Kind.ADMISSION, Kind.STATE_CHANGED)
"""What the old log was made of; measurements are in results.csv."""
_WIRE = "sse"
_UPLOADED_MODEL = "Uploaded model: "

_STATUS = {"validating_files": "pending", "queued": "pending", "paused": "pending"}
"""What the old API calls otherwise than the modern one."""


class FineTuneBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of a create; null is absent."""

    training_file: str
    validation_file: str | None = None
    model: str = _DEFAULT_MODEL
    n_epochs: int | None = None
    batch_size: int | None = None
    learning_rate_multiplier: float | None = None
    prompt_loss_weight: float | None = None
    compute_classification_metrics: bool = False
    classification_n_classes: int | None = None
    classification_positive_class: str | None = None
    classification_betas: list[float] = msgspec.field(default_factory=list)
    suffix: str = ""


class LegacyEndpoints:
    """The endpoints around fine-tunes."""

    def __init__(
        self,
        runs: Runs,
        fine_tunes: FineTunes,
        steering: Steering,
        watches: Watches,
        files: FileEndpoints,
        *,
        alive_every: float,
    ) -> None:
        self._runs = runs
        self._fine_tunes = fine_tunes
        self._steering = steering
        self._watches = watches
        self._files = files
        self._alive_every = alive_every

    async def create(self, incoming: Incoming) -> Response:
        """Submit a run."""
        body = await incoming.body(FineTuneBody)
        if len(body.suffix) > _SUFFIX:
            raise refused(f"'suffix' is longer than {_SUFFIX} characters", "suffix")
        run = await self._runs.create(
            incoming,
            body,
            "ft",
            hyperparameters=Hyperparameters(
                n_epochs=body.n_epochs,
                batch_size=body.batch_size,
                learning_rate_multiplier=body.learning_rate_multiplier,
                prompt_loss_weight=body.prompt_loss_weight,
            ),
            classification=_classification(body),
        )
        return json_response(await self._with_events(incoming, run))

    async def list(self, incoming: Incoming) -> Response:
        """Every run, the oldest first: the old `wandb sync` takes the last of them."""
        found = [run async for run in self._runs.all(incoming.principal)]
        files = await self._files.files_of(incoming.principal, found)  # many runs have the same
        shown = [await self._shown(incoming, run, files) for run in reversed(found)]
        return json_response({"object": "list", "data": shown})

    async def get(self, incoming: Incoming) -> Response:
        """One run with its events."""
        run = await self._runs.get(incoming)
        return json_response(await self._with_events(incoming, run))

    async def cancel(self, incoming: Incoming) -> Response:
        """Stop a run for good."""
        run = await self._runs.cancel(incoming)
        return json_response(await self._with_events(incoming, run))

    async def delete(self, incoming: Incoming) -> Response:
        """Forget a run that has ended; what the old command line offers."""
        name = run_name(incoming.path("job"))
        await self._steering.delete(incoming.call(name.id), name)
        return json_response({"id": name.id, "object": "fine-tune", "deleted": True})

    async def events(self, incoming: Incoming) -> Response:
        """The log so far, or as a stream: all from the first, then as it goes on."""
        run = await self._runs.get(incoming)
        if incoming.request.query_params.get("stream", "").lower() == "true":
            cursor = incoming.request.headers.get("last-event-id", "")
            frames = self._follow(incoming.principal, run, cursor)
            return await sse.stream(frames)
        events = [event async for event in self._runs.events(incoming.principal, run)]
        model = await self._runs.model(incoming.principal, run)
        return json_response({"object": "list", "data": list(_log(run, events, model))})

    async def _follow(self, caller: Principal, run: FineTune, cursor: str) -> AsyncIterator[bytes]:
        """Every event after the cursor, to the last; a watch that grows old is taken up again."""
        while True:
            async for frame in self._watches.watch(
                caller, run.name, cursor, bookmark_every=self._alive_every
            ):
                if isinstance(frame, list):
                    for batch in frame:
                        cursor = batch.cursor
                        if told := await self._told(caller, run, batch):
                            yield told
                elif isinstance(frame, Closing):
                    cursor = frame.cursor
                    if frame.reason == "draining":
                        yield sse.RESUME
                        return
                    break
                else:
                    yield sse.ALIVE
            else:
                yield sse.DONE
                return

    async def _told(self, caller: Principal, run: FineTune, batch: Batch) -> bytes:
        """The events of a batch as they are sent: made once, for all its watchers."""
        if (told := batch.wires.get(_WIRE)) is None:
            model, frames = await self._model_of(caller, run, batch.events), list[bytes]()
            for each in batch.events:
                shown = list(_log(run, (each,), model))
                for place, event in enumerate(shown, 1):
                    # one event of ours may be two of theirs: only the last is its end
                    at = self._watches.cursors.of(run, each.sequence)
                    frames.append(sse.data(event, at if place == len(shown) else ""))
            told = batch.wires[_WIRE] = b"".join(frames)
        return told

    async def _model_of(self, caller: Principal, run: FineTune, events: Any) -> Model | None:
        if any(event.message.startswith(_UPLOADED_MODEL) for event in events):
            return await self._runs.model(caller, await self._fine_tunes.get(caller, run.name))
        return None

    async def _with_events(self, incoming: Incoming, run: FineTune) -> dict[str, Any]:
        """The run as it is shown by itself."""
        caller = incoming.principal
        shown = await self._shown(incoming, run, await self._files.files_of(caller, [run]))
        told = [event async for event in self._runs.events(caller, run)]
        model = await self._runs.model(caller, run)
        return shown | {"events": list(_log(run, told, model))}

    async def _shown(
        self, incoming: Incoming, run: FineTune, files: Mapping[str, dict[str, Any]]
    ) -> dict[str, Any]:
        """The run as the old clients read it in lists, with its datasets as `files` has them."""
        caller = incoming.principal
        model = await self._runs.model(caller, run)
        validation = run.resolved.validation
        return {
            "object": "fine-tune",
            "id": run.name.id,
            "hyperparams": _hyperparameters(run),
            "organization_id": f"org-{incoming.organization}",
            "model": await self._runs.base_name(caller, run, legacy=True),
            "training_files": [files[run.resolved.training.dataset]],
            "validation_files": [files[validation.dataset]] if validation else [],
            "result_files": [results_object(run)] if has_results(run) else [],
            "created_at": int(run.create_time.timestamp()),
            "updated_at": int(run.update_time.timestamp()),
            "status": _STATUS.get(STATUS[run.state], STATUS[run.state]),
            "fine_tuned_model": model.legacy_name if model else None,
        }


def _classification(body: FineTuneBody) -> Classification | None:
    given = (body.classification_n_classes, body.classification_positive_class)
    if not body.compute_classification_metrics:
        if any(value is not None for value in given) or body.classification_betas:
            raise refused(
                "classification parameters go with compute_classification_metrics",
                "compute_classification_metrics",
            )
        return None
    return Classification(
        n_classes=body.classification_n_classes,
        positive_class=body.classification_positive_class,
        betas=tuple(body.classification_betas) or (1.0,),
    )


def _hyperparameters(run: FineTune) -> dict[str, Any]:
    values, asked = run.resolved.hyperparameters, run.spec.classification
    # what was not given is shown once the run is prepared, as it always was
    late = values if begun(run) else run.spec.hyperparameters
    shown: dict[str, Any] = {
        "n_epochs": values.n_epochs,
        "batch_size": late.batch_size,
        "learning_rate_multiplier": late.learning_rate_multiplier,
        "prompt_loss_weight": values.prompt_loss_weight,
    }
    if asked:
        shown |= {
            "compute_classification_metrics": True,
            "classification_n_classes": asked.n_classes,
            "classification_positive_class": asked.positive_class,
            "classification_betas": list(asked.betas),
        }
    return shown


def _log(run: FineTune, events: Any, model: Model | None) -> Iterator[dict[str, Any]]:
    """The events in the words of the old log."""
    for event in events:
        if event.kind not in _SAID:
            continue
        if event.message.startswith(_UPLOADED_MODEL):
            # of a model that is deleted by now only the modern name is known
            name = _UPLOADED_MODEL + model.legacy_name if model else event.message
            yield _event(event, name)
            yield _event(event, f"Uploaded result file: {results_id(run)}")
        else:
            yield _event(event, event.message)


def _event(event: Event, message: str) -> dict[str, Any]:
    return {
        "object": "fine-tune-event",
        "level": LEVELS[event.level],
        "message": message,
        "created_at": int(event.time.timestamp()),
    }
