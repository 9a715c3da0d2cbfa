"""`tunesmith fine-tunes`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith._resources.specs import ChangeOptions
from tunesmith.cli import _labels, _plan, _results, _submit
from tunesmith.cli._filters import Where
from tunesmith.cli._output import as_json, document, show, show_all
from tunesmith.cli._run_options import LIMIT_OPTIONS, PRIORITY, Limit, limit
from tunesmith.cli._runs import fields, follow, run_state, steps
from tunesmith.cli._session import Format, Session, command
from tunesmith.cli._text import last, line, number, size, when
from tunesmith.results import columns, csv_text

app = typer.Typer(no_args_is_help=True, help="Fine-tuning runs: plan, start, follow, steer, read.")
Name = Annotated[str, typer.Argument(help="The run's id or name.", show_default=False)]
_SHOWN_ROWS = 20
_submit.register(app)


@command(app, "watch")
def watch(
    session: Session,
    name: Name,
    cursor: Annotated[
        str, typer.Option(help="Only what comes after this place.", show_default=False)
    ] = "",
) -> None:
    """Follow a run to its end, over lost connections too. Exit code 1 if it did not succeed.

    On a terminal a live view; in a pipe a line an event. With -o json the
    events go to stderr and the run, when it has ended, to stdout.
    """
    follow(session, name, cursor)


@command(app, "get")
def get(session: Session, name: Name) -> None:
    """Show a run."""
    with session.client() as client:
        run = client.fine_tunes.get(name)
        show(session, run, fields(run))


@command(app, "list")
def list_runs(session: Session, filter: Where = "") -> None:
    """List runs, newest first. Fields to filter by: state, labels.KEY, create_time.

    \b
    tunesmith fine-tunes list --filter 'state = RUNNING AND labels.team = search'
    """
    with session.client() as client:
        show_all(
            session,
            client.fine_tunes.list(filter=filter),
            {
                "run": lambda r: last(r.name),
                "state": run_state,
                "base": lambda r: last(r.spec.base_model),
                "step": lambda r: steps(r.status.progress),
                "model": lambda r: last(r.status.model),
                "created": lambda r: when(r.create_time),
            },
            empty="no run matches"
            if filter
            else "there is no run yet: tunesmith fine-tunes create -t DATASET -m MODEL",
        )


@command(app, "update", more={**LIMIT_OPTIONS, "priority": PRIORITY})
def update(
    session: Session,
    name: Name,
    display_name: Annotated[
        str | None, typer.Option("--name", help="For people.", show_default=False)
    ] = None,
    label: _labels.Label = None,
    remove_label: _labels.RemoveLabel = None,
    hold: Annotated[
        bool | None,
        typer.Option("--hold/--no-hold", help="Keep it from starting, or let it."),
    ] = None,
    remove_limit: Annotated[
        list[Limit] | None, typer.Option(help="A limit to take off. May be repeated.")
    ] = None,
    **values: Any,
) -> None:
    """Change a run that was submitted; what is not named stays.

    \b
    tunesmith fine-tunes update support-bot --priority 10 --no-hold
    tunesmith fine-tunes update support-bot --max-cost 8.00 --remove-limit max-run-time
    """
    with session.client() as client:
        changes: ChangeOptions = {
            "display_name": display_name,
            "priority": values["priority"],
            "hold": hold,
            "remove_limits": [its.value.replace("-", "_") for its in remove_limit or ()],
        }
        limit(changes, values)
        etag = ""
        if label or remove_label:  # all labels are written: nobody else's may be lost
            before = client.fine_tunes.get(name)
            etag = before.etag
            changes["labels"] = _labels.changed(before.labels, label, remove_label)
        if not any(value not in (None, []) for value in changes.values()):
            raise typer.BadParameter("say what to change; --help lists what can be")
        run = client.fine_tunes.update(name, etag=etag, **changes)
        show(session, run, fields(run))


@command(app, "pause")
def pause(session: Session, name: Name) -> None:
    """Ask a run to write a checkpoint and give its capacity back."""
    with session.client() as client:
        run = client.fine_tunes.pause(name)
        show(session, run, {"name": run.name, "state": run_state(run)})
        session.note(f"Let it go on: tunesmith fine-tunes resume {last(run.name)}")


@command(app, "resume")
def resume(session: Session, name: Name) -> None:
    """Put a paused run back into the queue; it goes on from its checkpoint."""
    with session.client() as client:
        run = client.fine_tunes.resume(name)
        show(session, run, {"name": run.name, "state": run_state(run)})


@command(app, "explain")
def explain(session: Session, name: Name) -> None:
    """Say why a run waits, or why it failed and what to do about it."""
    with session.client() as client:
        why = client.fine_tunes.explain(name)
    if session.machine:
        document(session, as_json(why))
    elif session.output is Format.NAME:
        typer.echo(name)
    else:
        _plan.write_explanation(session.out, why)


@command(app, "cancel")
def cancel(session: Session, name: Name) -> None:
    """Ask a run to stop for good."""
    with session.client() as client:
        run = client.fine_tunes.cancel(name)
        show(session, run, {"name": run.name, "state": run_state(run)})


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
        if session.machine:
            document(session, [as_json(event) for event in found])
        else:
            for event in found:
                typer.echo(line(event))


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
        sys.stdout.write(csv_text(_results.rows_of(rows)))
    elif csv:
        csv.write_text(csv_text(_results.rows_of(rows)), encoding="utf-8", newline="")
        session.note(f"wrote {len(rows)} rows to {csv}")
    if plot and rows:
        out = session.out
        color = out.is_terminal and not out.no_color
        typer.echo(_results.plot(rows, width=min(out.width, 100), height=20, color=color))
    if csv or (plot and rows):
        return
    if session.machine:
        document(session, [as_json(row) for row in rows])
        return
    names = _results.for_people(columns(_results.rows_of(rows)))
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
