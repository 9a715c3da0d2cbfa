"""Events of a run, and what is read out of them, between the domain and the contract."""

from collections.abc import Mapping
from typing import Any

from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import event_pb2 as events
from tunesmith.v1 import fine_tune_pb2 as pb

from tunesmith_server.domain.events import Event, Kind, Level
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.states import State, WaitReason
from tunesmith_server.edge.grpc.fine_tune_codec import STATES, WAITS
from tunesmith_server.edge.grpc.requests import timestamp

_LEVELS = {level: getattr(events, f"EVENT_LEVEL_{level.name}") for level in Level}


def event(run: FineTune, event: Event) -> events.Event:
    """An event as the contract shows it."""
    message = events.Event(
        run=str(run.name),
        run_uid=run.uid,
        sequence=event.sequence,
        time=timestamp(event.time),
        level=_LEVELS[event.level],
        message=event.message,
        attempt=event.attempt,
    )
    data = event.data
    match event.kind:
        case Kind.STATE_CHANGED:
            message.state_changed.CopyFrom(
                events.StateChanged(
                    **{
                        "from": STATES[State(data["from"])],
                        "to": STATES[State(data["to"])],
                        "reason": data.get("reason", ""),
                    }
                )
            )
        case Kind.METRICS:
            message.metrics_reported.CopyFrom(
                events.MetricsReported(
                    step=data["step"], epoch=data["epoch"], values=data["values"]
                )
            )
        case Kind.CHECKPOINT:
            message.checkpoint_created.CopyFrom(
                events.CheckpointCreated(
                    checkpoint=f"{run.name}/checkpoints/{data['step']}",
                    step=data["step"],
                    metrics=_numbers(data["values"]),
                    size_bytes=data["size_bytes"],
                )
            )
        case Kind.ADMISSION:
            message.admission.CopyFrom(_admission(data))
        case Kind.USAGE:
            message.usage_reported.CopyFrom(
                events.UsageReported(trained_tokens=data.get("trained_tokens", 0))
            )
        case Kind.ATTEMPT:
            message.attempt_changed.CopyFrom(
                events.AttemptChanged(attempt=event.attempt, reason=data.get("reason", ""))
            )
        case Kind.MESSAGE:
            message.message_logged.SetInParent()
    return message


def _admission(data: Mapping[str, Any]) -> events.Admission:
    """Why a run waits, or what it reserved when it was admitted."""
    reserved = {name: amount for name, amount in data.items() if name != "wait_reason"}
    waits = data.get("wait_reason")
    return events.Admission(
        decision=events.ADMISSION_DECISION_WAITING,
        wait_reason=WAITS[WaitReason(waits)] if waits else None,
        quota_effects=[
            common.QuotaEffect(dimension=name, requested=amount, fits=True)
            for name, amount in reserved.items()
        ],
    )


def checkpoint(run_name: object, event: Event, model: Model | None) -> pb.Checkpoint:
    """A checkpoint, from the event that told of it; `model` is the one that it was kept with."""
    data = event.data
    return pb.Checkpoint(
        name=f"{run_name}/checkpoints/{data['step']}",
        step=data["step"],
        create_time=timestamp(event.time),
        metrics=_numbers(data["values"]),
        size_bytes=data["size_bytes"],
        digest=data["digest"],
        attempt=event.attempt,
        model=f"{model.name}#{data['step']}" if model else "",
    )


def result_row(event: Event) -> pb.ResultRow:
    """A row of results.csv, from the event that told of it."""
    data = event.data
    return pb.ResultRow(step=data["step"], epoch=data["epoch"], values=_numbers(data["values"]))


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(v) for name, v in values.items() if isinstance(v, int | float)}
