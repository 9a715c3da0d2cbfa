"""The modern `/v1/fine_tuning/jobs`."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from tunesmith_server.app.steering import Steering
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import Model
from tunesmith_server.edge.http.calls import Incoming
from tunesmith_server.edge.http.envelopes import json_response, refused
from tunesmith_server.edge.http.files import has_results
from tunesmith_server.edge.http.ids import results_id
from tunesmith_server.edge.http.integrations import IntegrationBody, wanted
from tunesmith_server.edge.http.integrations import shown as shown_integrations
from tunesmith_server.edge.http.methods import HyperparameterBody, MethodBody, chosen, shown
from tunesmith_server.edge.http.pages import page_after, with_ends
from tunesmith_server.edge.http.runs import LEVELS, STATUS, Runs

_METRICS = {
    "training_loss": "train_loss",
    "training_token_accuracy": "train_mean_token_accuracy",
    "validation_loss": "valid_loss",
    "validation_token_accuracy": "valid_mean_token_accuracy",
}
"""The names of results.csv under those of the modern API."""


class JobBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Body of a create; null is absent."""

    model: str
    training_file: str
    validation_file: str | None = None
    suffix: Annotated[str, msgspec.Meta(max_length=64)] = ""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    hyperparameters: HyperparameterBody | None = None
    method: MethodBody = msgspec.field(default_factory=MethodBody)
    integrations: Annotated[list[IntegrationBody], msgspec.Meta(max_length=5)] = msgspec.field(
        default_factory=list
    )
    metadata: dict[str, str] = msgspec.field(default_factory=dict)


class JobEndpoints:
    """The endpoints around jobs."""

    def __init__(self, runs: Runs, steering: Steering) -> None:
        self._runs = runs
        self._steering = steering

    async def create(self, incoming: Incoming) -> Response:
        """Submit a run."""
        body = await incoming.body(JobBody)
        _check(body)
        hyperparameters, dpo = chosen(body.method, body.hyperparameters)
        run = await self._runs.create(
            incoming,
            body,
            "ftjob",
            hyperparameters=hyperparameters,
            dpo=dpo,
            seed=body.seed,
            metadata=body.metadata,
            integrations=wanted(body.integrations),
        )
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
            async for run in self._runs.all(incoming.principal):
                metadata = run.spec.metadata
                if without and metadata:
                    continue
                if all(metadata.get(name) == value for name, value in wanted.items()):
                    yield run

        page, more = await page_after(matching(), query, lambda run: run.name.id, default=20)
        shown = [await self._shown(incoming, run) for run in page]
        return json_response({"object": "list", "data": shown, "has_more": more})

    async def get(self, incoming: Incoming) -> Response:
        """One run."""
        return json_response(await self._shown(incoming, await self._runs.get(incoming)))

    async def cancel(self, incoming: Incoming) -> Response:
        """Stop a run for good."""
        run = await self._runs.cancel(incoming)
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
        query = incoming.request.query_params
        newest = run.last_event
        if asked := re.fullmatch(rf"ftevent-{run.uid}-(\d{{1,9}})", query.get("after", "")):
            newest = min(newest, int(asked[1]))  # nothing newer is of interest
        events = (
            _event(run, event)
            async for event in self._runs.events_back(incoming.principal, run, newest)
            if event.kind in _TYPES
        )
        page, more = await page_after(events, query, lambda event: str(event["id"]), default=20)
        return json_response({"object": "list", "data": page, "has_more": more})

    async def checkpoints(self, incoming: Incoming) -> Response:
        """A page of the checkpoints, newest first: once there is a model, those kept with it."""
        run = await self._runs.get(incoming)
        told = [each async for each in self._runs.checkpoints(incoming.principal, run)]
        ended = await self._runs.model_name(incoming.principal, run, legacy=False) is not None
        found = [
            _checkpoint(run, event, model) for event, model in reversed(told) if model or not ended
        ]
        query = incoming.request.query_params
        page, more = await page_after(found, query, lambda each: str(each["id"]), default=10)
        return json_response(with_ends(page, more))

    async def _shown(self, incoming: Incoming, run: FineTune) -> dict[str, Any]:
        """The run as modern clients read it."""
        caller, resolved = incoming.principal, run.resolved
        hyperparameters, method = shown(run)
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
            "status": STATUS[run.state],
            "validation_file": resolved.validation.dataset if resolved.validation else None,
            "training_file": resolved.training.dataset,
            "hyperparameters": hyperparameters,
            "trained_tokens": run.progress.trained_tokens if ended and run.model else None,
            "error": _error(run),
            "user_provided_suffix": run.spec.suffix or None,
            "seed": resolved.seed,
            "estimated_finish": _seconds(finish) if finish and not ended else None,
            "integrations": shown_integrations(run),
            "metadata": dict(run.spec.metadata) or None,
            "method": method,
            "usage_metrics": None,
            "shared_with_openai": False,
        }


def _check(body: JobBody) -> None:
    """What this version does not offer is refused, never left out."""
    if len(body.metadata) > 16:
        raise refused("metadata has more than 16 pairs", "metadata")
    for name, value in body.metadata.items():
        if len(name) > 64 or len(value) > 512:
            raise refused("a key of metadata has at most 64 characters, a value 512", "metadata")


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
        "level": LEVELS[event.level],
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
