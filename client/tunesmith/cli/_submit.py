"""`tunesmith fine-tunes plan` and `create`: what a run would be, and starting it."""

from typing import Annotated, Any

import typer

from tunesmith.cli import _plan
from tunesmith.cli._output import as_json, document, show
from tunesmith.cli._run_options import RUN_OPTIONS, asked
from tunesmith.cli._runs import fields, follow
from tunesmith.cli._session import DIFFERS, FAILED, Format, Session, command
from tunesmith.cli._text import last
from tunesmith.v1 import fine_tune_pb2 as pb


def register(app: typer.Typer) -> None:
    """Add the two commands to those of a run."""
    command(app, "plan", more=RUN_OPTIONS)(plan)
    command(app, "create", more=RUN_OPTIONS)(create)


def plan(session: Session, **values: Any) -> None:
    """Say what a run would be, take, cost and wait for; starts nothing.

    Exit code 3 if something is in its way, and then everything that is.

    \b
    tunesmith fine-tunes plan -t tickets -m ada --suffix support
    tunesmith fine-tunes plan -t tickets -m ada -o json | jq .findings
    """
    training, model, options = asked(values)
    with session.client() as client:
        planned = client.fine_tunes.plan(training, model, **options)
    if session.machine:
        document(session, as_json(planned))
    elif session.output is Format.NAME:
        raise typer.BadParameter("a plan has no name", param_hint="--output")
    else:
        _plan.write(session.out, planned)
    if _plan.refused(planned):
        session.note("error: it would be refused as it is")
        raise typer.Exit(DIFFERS)
    session.note("Nothing was started. The same with `create --plan` starts just this.")


def create(
    session: Session,
    id: Annotated[str, typer.Option(help="The run's id; the service chooses if left out.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Follow the run to its end.")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show the plan and ask first; then start just that.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --plan: do not ask.")] = False,
    plan_token: Annotated[
        str,
        typer.Option(
            help="Of a plan with the same options (`plan -o json`): start just that.",
            metavar="TOKEN",
            show_default=False,
        ),
    ] = "",
    validate_only: Annotated[
        bool, typer.Option("--validate-only", help="Check everything, start nothing.")
    ] = False,
    **values: Any,
) -> None:
    """Start a run. What is left out the service chooses, and says what it chose.

    \b
    tunesmith fine-tunes create -t tickets -m ada --suffix support --watch
    tunesmith fine-tunes create -t tickets -m ada --max-cost 5.00 --plan
    """
    if plan and (validate_only or plan_token):
        raise typer.BadParameter("not with --validate-only or --plan-token", param_hint="--plan")
    if yes and not plan:
        raise typer.BadParameter("goes with --plan", param_hint="--yes")
    training, model, options = asked(values)
    with session.client() as client:
        if plan:
            planned = client.fine_tunes.plan(training, model, **options)
            _agreed(session, planned, yes)
            plan_token = planned.plan_token
        run = client.fine_tunes.create(
            training,
            model,
            id=id,
            plan_token=plan_token,
            validate_only=validate_only,
            **options,
        )
        if validate_only:
            show(session, run, fields(run))
            session.note("Nothing was started.")
        elif watch:
            session.note(f"created {run.name}")
            follow(session, run.name)
        else:
            show(session, run, fields(run))
            session.note(f"Follow it: tunesmith fine-tunes watch {last(run.name)}")


def _agreed(session: Session, planned: pb.PlanFineTuneResponse, yes: bool) -> None:
    """Show a plan and go on, if nothing is in its way and whoever reads it wants it."""
    _plan.write(session.aside, planned)
    if _plan.refused(planned):
        session.note("error: it would be refused as it is; nothing was started")
        raise typer.Exit(DIFFERS)
    if yes:
        return
    answer = session.ask("Start it? [y/N]")
    if answer and answer.lower() in ("y", "yes"):
        return
    if answer is None:
        session.note("\nerror: nobody answers; say --yes")
    session.note("Nothing was started.")
    raise typer.Exit(FAILED)
