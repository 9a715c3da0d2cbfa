"""The trainer's reports become events and progress: the one path, whatever engine carried them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tunesmith_server.domain.events import Event, Kind, Level
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.observation import Report


def ingested(run: FineTune, reports: Sequence[Report]) -> tuple[FineTune, list[Event]]:
    """The run with these reports taken in, and the events that tell of them.

    Reports that the run has taken in already are skipped, so carrying them twice is harmless.
    """
    events: list[Event] = []
    for report in reports:
        if report.sequence <= run.reports_read:
            continue
        if report.time < run.update_time:  # clocks differ a little; in the log time never goes back
            report = replace(report, time=run.update_time)
        translate = _KINDS.get(report.kind)
        if translate:
            run, event = translate(run, report)
            events.append(replace(event, attempt=run.attempt))
        run = replace(run, reports_read=report.sequence, update_time=report.time)
    return run, events


def _prepared(run: FineTune, report: Report) -> tuple[FineTune, Event]:
    data = report.data
    total = int(data.get("total_steps", 0))
    text = (
        f"Training on {data.get('training_examples')} examples for {data.get('epochs')} "
        f"epoch{'' if data.get('epochs') == 1 else 's'}: {total} steps on {data.get('device')}"
    )
    if data.get("start_step"):
        text += f", going on from step {data['start_step']}"
    for what in ("truncated", "dropped"):
        if count := data.get(f"{what}_examples"):
            text += f"; {count} {what}"
    level = Level.WARNING if data.get("dropped_examples") else Level.INFO
    progress = replace(
        run.progress, total_steps=total, step=int(data.get("start_step", run.progress.step))
    )
    return replace(run, progress=progress), Event(Kind.MESSAGE, report.time, text, level)


def _metrics(run: FineTune, report: Report) -> tuple[FineTune, Event]:
    values: Mapping[str, Any] = report.data.get("values", {})
    step, epoch = int(report.data["step"]), int(report.data.get("epoch", 0))
    loss = values.get("training_loss")
    speed = float(values.get("tokens_per_second") or 0.0)
    before, total = run.progress, run.progress.total_steps
    trained = int(values.get("elapsed_tokens") or before.trained_tokens)
    finish = before.estimated_finish
    if speed > 0 and 0 < step <= total and trained:
        left = trained / step * (total - step) / speed
        finish = report.time + timedelta(seconds=left)
    text = f"Step {step}/{total}"
    if loss is not None:
        text += f": training loss={loss:.4f}"
    if values.get("validation_loss") is not None:
        text += f", validation loss={values['validation_loss']:.4f}"
    progress = replace(
        before,
        step=step,
        epoch=epoch,
        trained_tokens=trained,
        tokens_per_second=speed,
        train_loss=loss,
        estimated_finish=finish,
    )
    numbers = {name: value for name, value in values.items() if value is not None}
    data = {"step": step, "epoch": epoch, "values": numbers}
    return replace(run, progress=progress), Event(Kind.METRICS, report.time, text, data=data)


def _epoch(run: FineTune, report: Report) -> tuple[FineTune, Event]:
    text = f"Completed epoch {report.data['epoch']}/{report.data['epochs']}"
    return run, Event(Kind.MESSAGE, report.time, text)


def _checkpoint(run: FineTune, report: Report) -> tuple[FineTune, Event]:
    data: dict[str, Any] = {
        "step": int(report.data["step"]),
        "path": str(report.data.get("path", "")),
        "digest": str(report.data.get("digest", "")),
        "size_bytes": int(report.data.get("size_bytes", 0)),
        "values": dict(report.data.get("metrics") or {}),
    }
    text = f"Checkpoint created at step {data['step']}"
    stored = run.with_checkpoint(data["size_bytes"])
    return stored, Event(Kind.CHECKPOINT, report.time, text, data=data)


def _message(run: FineTune, report: Report) -> tuple[FineTune, Event]:
    level = str(report.data.get("level", "info"))
    known = Level(level) if level in Level.__members__.values() else Level.INFO
    return run, Event(Kind.MESSAGE, report.time, str(report.data.get("text", "")), known)


_KINDS: dict[str, Callable[[FineTune, Report], tuple[FineTune, Event]]] = {
    "prepared": _prepared,
    "metrics": _metrics,
    "epoch": _epoch,
    "checkpoint": _checkpoint,
    "message": _message,
}
