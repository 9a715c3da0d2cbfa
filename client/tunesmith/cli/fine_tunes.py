"""`tunesmith fine-tunes`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli import _live, _results
from tunesmith.cli._output import as_json, document, show, show_all
from tunesmith.cli._session import Format, Session, command
from tunesmith.cli._text import last, number, size, state, when
from tunesmith.v1 import common_pb2
from tunesmith.v1 import fine_tune_pb2 as pb

app = typer.Typer(no_args_is_help=True, help="Fine-tuning runs: start, follow, cancel, read.")
Name = Annotated[str, typer.Argument(help="The run's id or name.", show_default=False)]
_KNOBS = "Training"
_SHOWN_ROWS = 20


@command(app, "create")
def create(
    session: Session,
    training: Annotated[
        str, typer.Option("--training", "-t", help="The dataset to learn from.", metavar="DATASET")
    ],
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="A base model, such as ada, or a tuned one to go on."),
    ],
    validation: Annotated[
        str, typer.Option("--validation", "-v", help="To measure on.", metavar="DATASET")
    ] = "",
    suffix: Annotated[str, typer.Option(help="Becomes part of the model's name.")] = "",
    id: Annotated[str, typer.Option(help="The run's id; the service chooses if left out.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Follow the run to its end.")] = False,
    validate_only: Annotated[
        bool, typer.Option("--validate-only", help="Check everything, start nothing.")
    ] = False,
    n_epochs: Annotated[
        int | None, typer.Option(help="Passes over the data.", rich_help_panel=_KNOBS)
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Examples a step.", rich_help_panel=_KNOBS)
    ] = None,
    learning_rate_multiplier: Annotated[
        float | None, typer.Option(help="Times the usual rate.", rich_help_panel=_KNOBS)
    ] = None,
    prompt_loss_weight: Annotated[
        float | None,
        typer.Option(help="How much the prompt counts in the loss.", rich_help_panel=_KNOBS),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of every random choice.", rich_help_panel=_KNOBS)
    ] = None,
    classification_n_classes: Annotated[
        int | None, typer.Option(help="Measure as a classifier.", rich_help_panel=_KNOBS)
    ] = None,
    classification_positive_class: Annotated[
        str, typer.Option(help="What precision and recall are about.", rich_help_panel=_KNOBS)
    ] = "",
    classification_beta: Annotated[
        list[float] | None,
        typer.Option(help="An F-score to compute. May be repeated.", rich_help_panel=_KNOBS),
    ] = None,
) -> None:
    """Start a run. What is left out the service chooses, and says what it chose.

    \b
    tunesmith fine-tunes create -t tickets -m ada --suffix support --watch
    """
    with session.client() as client:
        run = client.fine_tunes.create(
            training,
            model,
            validation_dataset=validation,
            suffix=suffix,
            n_epochs=n_epochs,
            batch_size=batch_size,
            learning_rate_multiplier=learning_rate_multiplier,
            prompt_loss_weight=prompt_loss_weight,
            n_classes=classification_n_classes,
            positive_class=classification_positive_class,
            betas=classification_beta or (),
            seed=seed,
            id=id,
            validate_only=validate_only,
        )
        if validate_only:
            show(session, run, _fields(run))
            session.note("Nothing was started.")
        elif watch:
            session.note(f"created {run.name}")
            _follow(session, run.name)
        else:
            show(session, run, _fields(run))
            session.note(f"Follow it: tunesmith fine-tunes watch {last(run.name)}")


@command(app, "watch")
def watch(
    session: Session,
    name: Name,
    cursor: Annotated[
        str, typer.Option(help="Only what comes after this place.", show_default=False)
    ] = "",
) -> None:
    """Follow a run to its end, over lost connections too. Exit code 1 if it did not succeed.

    On a terminal a live view; in a pipe a line an event; with -o json the events go to stderr and
    the run, when it has ended, to stdout.
    """
    _follow(session, name, cursor)


@command(app, "get")
def get(session: Session, name: Name) -> None:
    """Show a run."""
    with session.client() as client:
        run = client.fine_tunes.get(name)
        show(session, run, _fields(run))


@command(app, "list")
def list_runs(session: Session) -> None:
    """List runs, newest first."""
    with session.client() as client:
        show_all(
            session,
            client.fine_tunes.list(),
            {
                "run": lambda r: last(r.name),
                "state": _state,
                "base": lambda r: last(r.spec.base_model),
                "step": lambda r: _steps(r.status.progress),
                "model": lambda r: last(r.status.model),
                "created": lambda r: when(r.create_time),
            },
            empty="there is no run yet: tunesmith fine-tunes create -t DATASET -m MODEL",
        )


@command(app, "cancel")
def cancel(session: Session, name: Name) -> None:
    """Ask a run to stop for good."""
    with session.client() as client:
        run = client.fine_tunes.cancel(name)
        show(session, run, {"name": run.name, "state": _state(run)})


@command(app, "delete")
def delete(session: Session, name: Name) -> None:
    """Forget a run that has ended. Its model stays."""
    with session.client() as client:
        client.fine_tunes.delete(name)
    session.note(f"deleted {name}")


@command(app, "events")
def events(session: Session, name: Name) -> None:
    """List what has happened to a run so far."""
    with session.client() as client:
        found = client.fine_tunes.events(name)
        if session.output is Format.JSON:
            document([as_json(event) for event in found])
        else:
            for event in found:
                typer.echo(_live.line(event))


@command(app, "checkpoints")
def checkpoints(session: Session, name: Name) -> None:
    """List the checkpoints of a run."""
    with session.client() as client:
        show_all(
            session,
            client.fine_tunes.checkpoints(name),
            {
                "checkpoint": lambda c: last(c.name),
                "step": lambda c: c.step,
                "size": lambda c: size(c.size_bytes),
                "created": lambda c: when(c.create_time),
            },
            empty="there is no checkpoint yet",
        )


@command(app, "results")
def results(
    session: Session,
    name: Name,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the loss curves.")] = False,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write results.csv to a file; - for stdout.", show_default=False),
    ] = None,
) -> None:
    """Show what was measured, a row a training step.

    \b
    tunesmith fine-tunes results support-bot --plot
    tunesmith fine-tunes results support-bot --csv results.csv
    """
    with session.client() as client:
        rows = list(client.fine_tunes.results(name))
    if csv and str(csv) == "-":
        _results.write_csv(sys.stdout, rows)
    elif csv:
        with csv.open("w", encoding="utf-8", newline="") as file:
            _results.write_csv(file, rows)
        session.note(f"wrote {len(rows)} rows to {csv}")
    if plot and rows:
        out = session.out
        color = out.is_terminal and not out.no_color
        typer.echo(_results.plot(rows, width=min(out.width, 100), height=20, color=color))
    if csv or (plot and rows):
        return
    if session.output is Format.JSON:
        document([as_json(row) for row in rows])
        return
    names = _results.columns(rows)
    show_all(
        session,
        rows[-_SHOWN_ROWS:],
        {name: _column(name) for name in names},
        empty="nothing has been measured yet",
    )
    if len(rows) > _SHOWN_ROWS:
        session.note(f"The last {_SHOWN_ROWS} of {len(rows)} steps; --csv FILE has all, --plot too")


def _column(name: str) -> _results.Column:
    return lambda row: (
        row.step if name == "step" else number(row.values[name]) if name in row.values else ""
    )


def _follow(session: Session, name: str, cursor: str = "") -> None:
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
            session.note(f"error: the run is {_state(run)}" + (f": {why}" if why else ""))
            raise typer.Exit(code)


def _fields(run: pb.FineTune) -> dict[str, object]:
    status, knobs = run.status, run.resolved.hyperparameters
    return {
        "name": run.name,
        "state": _state(run),
        "message": status.error.message or status.message,
        "model": status.model,
        "base model": last(run.spec.base_model),
        "training": last(run.spec.training_dataset),
        "validation": last(run.spec.validation_dataset),
        "suffix": run.spec.suffix,
        "steps": _steps(status.progress),
        "loss": number(status.progress.train_loss)
        if status.progress.HasField("train_loss")
        else "",
        "epochs": knobs.n_epochs or "",
        "batch size": knobs.batch_size or "",
        "created": when(run.create_time),
        "ended": when(run.end_time) if run.HasField("end_time") else "",
    }


def _steps(progress: pb.Progress) -> str:
    return f"{progress.step}/{progress.total_steps}" if progress.total_steps else ""


def _state(run: pb.FineTune) -> str:
    return state(common_pb2.FineTuneState.Name(run.status.state), "FINE_TUNE_STATE_")
