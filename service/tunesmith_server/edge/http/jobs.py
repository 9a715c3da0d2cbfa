"""The modern `/v1/fine_tuning/jobs`."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from starlette.responses import Response

from tunesmith_server.app.fine_tunes import FineTunes
from tunesmith_server.app.pages import MAX_PAGE, PageRequest
from tunesmith_server.app.steering import Steering
from tunesmith_server.app.submission import Submission, Wish
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.errors import PreconditionFailed
from tunesmith_server.domain.events import Event, Kind, Level
from tunesmith_server.domain.fine_tune import FineTune, Hyperparameters, Spec
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.states import State
from tunesmith_server.edge.http.calls import OWN, Incoming, canonical
from tunesmith_server.edge.http.envelopes import json_response, refused
from tunesmith_server.edge.http.files import has_results
from tunesmith_server.edge.http.ids import new_id, results_id
from tunesmith_server.edge.http.paging import each, page_after
from tunesmith_server.edge.http.runs import Runs

T = TypeVar("T")
_STATUS = {
    State.VALIDATING: "validating_files",
    State.QUEUED: "queued",
    State.PREPARING: "running",
    State.RUNNING: "running",
    State.FINALIZING: "running",
    State.PAUSING: "running",
    State.PAUSED: "paused",
    State.CANCELLING: "cancelled",
    State.SUCCEEDED: "succeeded",
    State.STOPPED_AT_LIMIT: "succeeded",
    State.FAILED: "failed",
    State.EXPIRED: "failed",
    State.CANCELLED: "cancelled",
}
_LEVELS = {Level.INFO: "info", Level.WARNING: "warn", Level.ERROR: "error"}
_METRICS = {
    "training_loss": "train_loss",
    "training_token_accuracy": "train_mean_token_accuracy",
    "validation_loss": "valid_loss",
    "validation_token_accuracy": "valid_mean_token_accuracy",
}
"""The names of results.csv under those of the modern API."""

Auto = Literal["auto"]


class HyperparameterBody(msgspec.Struct, forbid_unknown_fields=True):
    """Hyperparameters; `auto` is absent."""

    n_epochs: int | Auto = "auto"
    batch_size: int | Auto = "auto"
    learning_rate_multiplier: float | Auto = "auto"


class SupervisedBody(msgspec.Struct, forbid_unknown_fields=True):
    """Options of supervised fine-tuning."""

    hyperparameters: HyperparameterBody = msgspec.field(default_factory=HyperparameterBody)


class MethodBody(msgspec.Struct, forbid_unknown_fields=True):
    """The method of fine-tuning."""

    type: str = "supervised"
    supervised: SupervisedBody = msgspec.field(default_factory=SupervisedBody)
    dpo: Any = None
    reinforcement: Any = None


class JobBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of a create; null is absent."""

    model: str
    training_file: str
    validation_file: str | None = None
    suffix: Annotated[str, msgspec.Meta(max_length=64)] = ""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    hyperparameters: HyperparameterBody | None = None
    method: MethodBody = msgspec.field(default_factory=MethodBody)
    integrations: list[Any] = msgspec.field(default_factory=list)
    metadata: dict[str, str] = msgspec.field(default_factory=dict)


class JobEndpoints:
    """The endpoints around jobs."""

    def __init__(
        self, runs: Runs, fine_tunes: FineTunes, submission: Submission, steering: Steering
    ) -> None:
        self._runs = runs
        self._fine_tunes = fine_tunes
        self._submission = submission
        self._steering = steering

    async def create(self, incoming: Incoming) -> Response:
        """Submit a run."""
        body = await incoming.body(JobBody)
        _check(body)
        given = body.hyperparameters or body.method.supervised.hyperparameters
        spec = Spec(
            base_model=body.model,
            training_dataset=await self._runs.file(incoming, body.training_file, "training_file"),
            validation_dataset=await self._runs.file(
                incoming, body.validation_file, "validation_file"
            )
            if body.validation_file
            else None,
            suffix=body.suffix,
            hyperparameters=Hyperparameters(
                n_epochs=_given(given.n_epochs),
                batch_size=_given(given.batch_size),
                learning_rate_multiplier=_given(given.learning_rate_multiplier),
            ),
            seed=body.seed,
            metadata=body.metadata,
        )
        call = incoming.call(canonical(body))
        run = await self._submission.create(call, Wish(OWN, spec, id=new_id("ftjob")))
        return json_response(await self._shown(incoming, run))

    async def list(self, incoming: Incoming) -> Response:
        """A page of runs, newest first, perhaps only those with some metadata."""
        query = incoming.request.query_params
        wanted = {
            name[len("metadata[") : -1]: value
            for name, value in query.items()
            if name.startswith("metadata[") and name.endswith("]")
        }
        without = query.get("metadata") == "null"

        async def matching() -> AsyncIterator[FineTune]:
            async for run in self._all(incoming.principal):
                metadata = run.spec.metadata
                if without and metadata:
                    continue
                if all(metadata.get(name) == value for name, value in wanted.items()):
                    yield run

        page, more = await page_after(matching(), query, lambda run: run.name.id, 20)
        shown = [await self._shown(incoming, run) for run in page]
        return json_response({"object": "list", "data": shown, "has_more": more})

    async def get(self, incoming: Incoming) -> Response:
        """One run."""
        return json_response(await self._shown(incoming, await self._runs.get(incoming)))

    async def cancel(self, incoming: Incoming) -> Response:
        """Stop a run for good."""
        run = await self._runs.get(incoming)
        if run.state.is_terminal:
            raise PreconditionFailed(str(run.name), f"it has {_STATUS[run.state]} already")
        run = await self._steering.cancel(incoming.call(run.name.id), run.name)
        return json_response(await self._shown(incoming, run))

    async def pause(self, incoming: Incoming) -> Response:
        """Let a run write a checkpoint and give its capacity back."""
        run = await self._runs.get(incoming)
        run = await self._steering.pause(incoming.call(run.name.id), run.name)
        return json_response(await self._shown(incoming, run))

    async def resume(self, incoming: Incoming) -> Response:
        """Let a paused run go on."""
        run = await self._runs.get(incoming)
        run = await self._steering.resume(incoming.call(run.name.id), run.name)
        return json_response(await self._shown(incoming, run))

    async def events(self, incoming: Incoming) -> Response:
        """A page of the log, newest first."""
        run = await self._runs.get(incoming)
        told = [event async for event in self._runs.events(incoming.principal, run)]
        events = [_event(run, event) for event in reversed(told) if event.kind in _TYPES]
        page, more = await page_after(
            each(events), incoming.request.query_params, lambda event: str(event["id"]), 20
        )
        return json_response({"object": "list", "data": page, "has_more": more})

    async def checkpoints(self, incoming: Incoming) -> Response:
        """A page of the checkpoints, newest first: once there is a model, those kept with it."""
        run = await self._runs.get(incoming)
        told = [each async for each in self._runs.checkpoints(incoming.principal, run)]
        ended = await self._runs.model_name(incoming.principal, run, legacy=False) is not None
        found = [
            _checkpoint(run, event, model) for event, model in reversed(told) if model or not ended
        ]
        page, more = await page_after(
            each(found), incoming.request.query_params, lambda each: str(each["id"]), 10
        )
        return json_response(
            {
                "object": "list",
                "data": page,
                "has_more": more,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
            }
        )

    async def _all(self, caller: Principal) -> AsyncIterator[FineTune]:
        token = ""
        while True:
            page = await self._fine_tunes.list(caller, OWN, PageRequest(MAX_PAGE, token))
            for run in page.rows:
                yield run
            token = page.next_token
            if not token:
                return

    async def _shown(self, incoming: Incoming, run: FineTune) -> dict[str, Any]:
        """The run as modern clients read it."""
        caller, resolved = incoming.principal, run.resolved
        hyperparameters = _hyperparameters(run)
        ended = run.state.is_terminal
        finish = run.progress.estimated_finish
        return {
            "object": "fine_tuning.job",
            "id": run.name.id,
            "model": await self._runs.base_name(caller, run, legacy=False),
            "created_at": _seconds(run.create_time),
            "finished_at": _seconds(run.end_time) if run.end_time else None,
            "fine_tuned_model": await self._runs.model_name(caller, run, legacy=False),
            "organization_id": f"org-{incoming.organization}",
            "result_files": [results_id(run)] if has_results(run) else [],
            "status": _STATUS[run.state],
            "validation_file": resolved.validation.dataset if resolved.validation else None,
            "training_file": resolved.training.dataset,
            "hyperparameters": hyperparameters,
            "trained_tokens": run.progress.trained_tokens if ended and run.model else None,
            "error": _error(run),
            "user_provided_suffix": run.spec.suffix or None,
            "seed": resolved.seed,
            "estimated_finish": _seconds(finish) if finish and not ended else None,
            "integrations": [],
            "metadata": dict(run.spec.metadata) or None,
            "method": {
                "type": "supervised",
                "supervised": {"hyperparameters": hyperparameters},
            },
            "usage_metrics": None,
            "shared_with_openai": False,
        }


def _check(body: JobBody) -> None:
    """What this version does not offer is refused, never left out."""
    if body.method.type != "supervised" or body.method.dpo or body.method.reinforcement:
        raise refused(
            f"The method '{body.method.type[:40]}' is not offered here: use supervised.",
            "method.type",
        )
    if body.integrations:
        raise refused("Integrations are not offered here yet.", "integrations")
    if len(body.metadata) > 16:
        raise refused("metadata has more than 16 pairs", "metadata")
    for name, value in body.metadata.items():
        if len(name) > 64 or len(value) > 512:
            raise refused("a key of metadata has at most 64 characters, a value 512", "metadata")


def _given(value: Any) -> Any:
    return None if value == "auto" else value


def _hyperparameters(run: FineTune) -> dict[str, Any]:
    """`auto` until the run is prepared, then what it became."""
    values, given = run.resolved.hyperparameters, run.spec.hyperparameters
    begun = run.state not in (State.VALIDATING, State.QUEUED)
    return {
        name: getattr(values, name) if begun else _or_auto(getattr(given, name))
        for name in ("n_epochs", "batch_size", "learning_rate_multiplier")
    }


def _or_auto(value: Any) -> Any:
    return "auto" if value is None else value


def _error(run: FineTune) -> dict[str, Any] | None:
    if run.failure is None:
        return None
    return {"code": run.failure.reason.lower(), "message": run.failure.message, "param": None}


_TYPES = {
    Kind.MESSAGE: "message",
    Kind.ADMISSION: "message",
    Kind.STATE_CHANGED: "message",
    Kind.CHECKPOINT: "message",
    Kind.METRICS: "metrics",
}


def _event(run: FineTune, event: Event) -> dict[str, Any]:
    data = None
    if event.kind is Kind.METRICS:
        data = {"step": event.data["step"], "total_steps": run.progress.total_steps}
        data |= _metrics(event.data["values"])
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{run.uid}-{event.sequence}",
        "created_at": _seconds(event.time),
        "level": _LEVELS[event.level],
        "message": event.message,
        "type": _TYPES[event.kind],
        "data": data,
    }


def _metrics(values: Any) -> dict[str, float]:
    return {ours: values[name] for name, ours in _METRICS.items() if values.get(name) is not None}


def _checkpoint(run: FineTune, event: Event, model: Model | None) -> dict[str, Any]:
    step = event.data["step"]
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": f"ftckpt_{run.uid}-{event.sequence}",
        "created_at": _seconds(event.time),
        "fine_tuned_model_checkpoint": model.public_name_of(step) if model else None,
        "fine_tuning_job_id": run.name.id,
        "metrics": {"step": step, **_metrics(event.data["values"])},
        "step_number": step,
    }


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
