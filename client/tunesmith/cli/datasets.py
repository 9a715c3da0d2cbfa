"""`tunesmith datasets`."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tunesmith._errors import TunesmithError
from tunesmith._sync import Client
from tunesmith.cli import _findings, _statistics
from tunesmith.cli._filters import Where
from tunesmith.cli._output import document, show, show_all
from tunesmith.cli._session import DIFFERS, Format, Session, command
from tunesmith.cli._text import last, size, state, when
from tunesmith.v1 import dataset_pb2 as pb

app = typer.Typer(no_args_is_help=True, help="Training and validation data.")
Name = Annotated[str, typer.Argument(help="The dataset's id or name.", show_default=False)]
File = Annotated[
    Path,
    typer.Argument(
        help="JSONL, JSON, CSV, TSV, XLSX or TXT, as it is or packed by gzip.", show_default=False
    ),
]


class FileFormat(StrEnum):
    """How the rows are written; a list of our own, since the rules' takes msgspec to import."""

    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    TSV = "tsv"
    XLSX = "xlsx"
    TXT = "txt"


As = Annotated[
    FileFormat | None,
    typer.Option(
        "--format",
        help="How the rows are written, if it is not to be detected.",
        show_default=False,
    ),
]


@command(app, "upload")
def upload(
    session: Session,
    file: File,
    id: Annotated[
        str, typer.Option(help="The dataset's id. One that exists gets a new version.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="For people.")] = "",
    format: As = None,
) -> None:
    """Upload a file and have it checked. Exit code 3 if it has errors.

    \b
    tunesmith datasets upload tickets.jsonl --id tickets
    """
    with session.client() as client:
        dataset = _upload(session, client, file, id, name, format)
        show(session, dataset, _fields(dataset))
        if session.output is Format.TABLE and dataset.findings:
            _findings.report(session.out, _all_findings(client, dataset))
        if dataset.state == pb.DATASET_STATE_INVALID:
            session.note(f"error: {file} cannot be trained on as it is")
            raise typer.Exit(DIFFERS)
        if session.output is Format.TABLE:
            session.note(f"Train on it: tunesmith fine-tunes create -t {last(dataset.name)} -m ada")


@command(app, "get")
def get(session: Session, name: Name) -> None:
    """Show a dataset and what its check found."""
    with session.client() as client:
        dataset = client.datasets.get(name)
        show(session, dataset, _fields(dataset))
        if session.output is Format.TABLE and dataset.findings:
            _findings.report(session.out, _all_findings(client, dataset))


@command(app, "list")
def list_datasets(session: Session, filter: Where = "") -> None:
    """List datasets, newest first. Fields to filter by: state, labels.KEY."""
    with session.client() as client:
        show_all(
            session,
            client.datasets.list(filter=filter),
            {
                "dataset": lambda d: last(d.name),
                "state": _state,
                "examples": lambda d: f"{d.example_count:,}",
                "size": lambda d: size(d.size_bytes),
                "version": lambda d: d.version_number,
                "updated": lambda d: when(d.update_time),
            },
            empty="no dataset matches"
            if filter
            else "there is no dataset yet: tunesmith datasets upload FILE",
        )


@command(app, "stats")
def stats(
    session: Session,
    name: Name,
    base_model: Annotated[
        str, typer.Option("-m", "--model", help="Only this base model; counted if it was not yet.")
    ] = "",
    version: Annotated[
        str, typer.Option(help="A version's number or digest; the current one if not given.")
    ] = "",
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


@command(app, "check")
def check(
    session: Session,
    file: File,
    format: As = None,
    encoding: Annotated[
        str, typer.Option(help="Count the tokens too, such as cl100k_base; needs tiktoken.")
    ] = "",
) -> None:
    """Check a file here, without any service: the same findings. Exit code 3 if it has errors."""
    # for this command alone: it brings msgspec, which others do not need
    from tunesmith import dataset_rules
    from tunesmith.dataset_rules import encode_report, inspect_file

    read_as = dataset_rules.Format(format) if format else None
    encoder = _statistics.encoder(encoding) if encoding else None
    report = inspect_file(file, format=read_as)
    count = _statistics.of_file(session, file, report.shape, encoder, read_as)
    if session.machine:
        document(session, encode_report(report) | _statistics.as_document(encoding, count))
    elif session.output is Format.NAME:
        typer.echo(str(file))
    else:
        shape = report.shape.replace("_", "/") if report.shape else "no known shape"
        session.out.print(
            f"{file}: {report.example_count:,} examples, {shape}, {size(report.size_bytes)}",
            markup=False,
            soft_wrap=True,
        )
        _findings.report(session.out, report.findings)
        _statistics.show_count(session, encoding, count)
    if not report.valid:
        session.note(f"error: {file} cannot be trained on as it is")
        raise typer.Exit(DIFFERS)


def _upload(
    session: Session, client: Client, file: Path, id: str, name: str, format: str | None
) -> pb.Dataset:
    if not sys.stderr.isatty() or not file.is_file():
        return client.datasets.upload(file, id=id, display_name=name, format=format or "")
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=session.progress, transient=True) as progress:
        task = progress.add_task(file.name.replace("[", r"\["), total=file.stat().st_size)
        return client.datasets.upload(
            file,
            id=id,
            display_name=name,
            format=format or "",
            on_progress=lambda sent, total: progress.update(task, completed=sent),
        )


def _all_findings(client: Client, dataset: pb.Dataset) -> list[_findings.Finding]:
    try:
        return list(client.datasets.validate(dataset.name))
    except TunesmithError:  # the first ones came with the dataset: better than none
        return list(dataset.findings)


def _fields(dataset: pb.Dataset) -> dict[str, object]:
    return {
        "name": dataset.name,
        "state": _state(dataset),
        "examples": f"{dataset.example_count:,}",
        "shape": state(pb.DatasetShape.Name(dataset.shape), "DATASET_SHAPE_"),
        "format": state(pb.DatasetFormat.Name(dataset.format), "DATASET_FORMAT_"),
        "size": size(dataset.size_bytes),
        "version": dataset.version_number,
        "file": dataset.file_name,
        "updated": when(dataset.update_time),
    }


def _state(dataset: pb.Dataset) -> str:
    return state(pb.DatasetState.Name(dataset.state), "DATASET_STATE_")
