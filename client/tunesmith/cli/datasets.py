"""`tunesmith datasets`."""

from typing import Annotated

import typer

from tunesmith.cli import _statistics, dataset_check, dataset_diff, dataset_transfers, prepare
from tunesmith.cli._dataset_view import Name, Version, describe, state_of
from tunesmith.cli._filters import Where
from tunesmith.cli._output import document, show_all
from tunesmith.cli._session import Session, command
from tunesmith.cli._text import last, size, when

app = typer.Typer(no_args_is_help=True, help="Training and validation data.")
dataset_check.register(app)
prepare.register(app)
dataset_diff.register(app)
dataset_transfers.register(app)


@command(app, "get")
def get(session: Session, name: Name, version: Version = "") -> None:
    """Show a dataset and what its check found."""
    with session.client() as client:
        dataset = client.datasets.get(name, version=version)
        describe(session, client, dataset)


@command(app, "list")
def list_datasets(session: Session, filter: Where = "") -> None:
    """List datasets, newest first. Fields to filter by: state, labels.KEY."""
    with session.client() as client:
        show_all(
            session,
            client.datasets.list(filter=filter),
            {
                "dataset": lambda d: last(d.name),
                "state": state_of,
                "examples": lambda d: f"{d.example_count:,}",
                "size": lambda d: size(d.size_bytes),
                "version": lambda d: d.version_number,
                "updated": lambda d: when(d.update_time),
            },
            empty="no dataset matches"
            if filter
            else "there is no dataset yet: tunesmith datasets upload FILE",
        )


@command(app, "versions")
def versions(session: Session, name: Name) -> None:
    """List the versions of a dataset, newest first."""
    with session.client() as client:
        show_all(
            session,
            client.datasets.versions(name),
            {
                "version": lambda d: d.version_number,
                "state": state_of,
                "examples": lambda d: f"{d.example_count:,}",
                "size": lambda d: size(d.size_bytes),
                "digest": lambda d: d.digest[:12],
                "uploaded": lambda d: when(d.version_time),
            },
            empty="there is no version",
        )


@command(app, "descendants")
def descendants(session: Session, name: Name) -> None:
    """List the models that were made with any version of a dataset, newest first."""
    with session.client() as client:
        models = list(client.datasets.descendants(name))
    if session.machine:
        document(session, models)
    else:
        for model in models:
            typer.echo(model)


@command(app, "stats")
def stats(
    session: Session,
    name: Name,
    base_model: Annotated[
        str, typer.Option("-m", "--model", help="Only this base model; counted if it was not yet.")
    ] = "",
    version: Version = "",
) -> None:
    """Show how many tokens a dataset is, and how long its examples are. Waits while it is counted.

    \b
    tunesmith datasets stats tickets -m ada
    """
    with session.client() as client:
        _statistics.show(
            session, _statistics.counted(session, client, name, base_model, version), base_model
        )


@command(app, "delete")
def delete(session: Session, name: Name) -> None:
    """Delete a dataset with all its versions."""
    with session.client() as client:
        client.datasets.delete(name)
    session.note(f"deleted {name}")
