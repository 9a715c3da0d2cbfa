"""A run, as people see it."""

import typer

from tunesmith.cli import _live
from tunesmith.cli._output import show
from tunesmith.cli._session import Format, Session
from tunesmith.cli._text import last, named, number, when
from tunesmith.v1 import common_pb2
from tunesmith.v1 import fine_tune_pb2 as pb


def follow(session: Session, name: str, cursor: str = "") -> None:
    """Follow a run to its end, and say which model it has become; exit code 1 if none."""
    with session.client() as client:
        run, code = _live.follow(session, client, name, cursor)
        if session.output is not Format.TABLE:
            show(session, run, {})
        elif run.status.model:
            model = client.models.get(run.status.model)
            session.note(f"model {model.public_name or model.name}")
            session.note(f'Ask it: tunesmith models complete {last(model.name)} --prompt "…"')
        if code:
            why = run.status.error.message or run.status.message
            session.note(f"error: the run is {run_state(run)}" + (f": {why}" if why else ""))
            raise typer.Exit(code)


def fields(run: pb.FineTune) -> dict[str, object]:
    """A run for people."""
    status, knobs = run.status, run.resolved.hyperparameters
    return {
        "name": run.name,
        "state": run_state(run),
        "waits for": waits_for(status.wait_reason),
        "place in the queue": status.queue_position or "",
        "message": status.error.message or status.message,
        "model": status.model,
        "base model": last(run.spec.base_model),
        "training": last(run.spec.training_dataset),
        "validation": last(run.spec.validation_dataset),
        "suffix": run.spec.suffix,
        "steps": steps(status.progress),
        "loss": number(status.progress.train_loss)
        if status.progress.HasField("train_loss")
        else "",
        "epochs": knobs.n_epochs or "",
        "batch size": knobs.batch_size or "",
        "created": when(run.create_time),
        "ended": when(run.end_time) if run.HasField("end_time") else "",
    }


def steps(progress: pb.Progress) -> str:
    """How many steps of how many; empty while nobody knows."""
    return f"{progress.step}/{progress.total_steps}" if progress.total_steps else ""


def run_state(run: pb.FineTune) -> str:
    """Where in its life a run is."""
    return named(common_pb2.FineTuneState, run.status.state, "FINE_TUNE_STATE_")


def waits_for(reason: int) -> str:
    """What a run waits for; empty if it does not."""
    if not reason:
        return ""
    return named(common_pb2.WaitReason, reason, "WAIT_REASON_").removeprefix("waiting for ")
