"""`tunesmith datasets`."""

import json
import shlex
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith._errors import TunesmithError, UnavailableError
from tunesmith._sync import Client
from tunesmith.cli import _findings, _statistics, prepare
from tunesmith.cli._filters import Where
from tunesmith.cli._output import document, show, show_all
from tunesmith.cli._session import DIFFERS, Format, Session, command
from tunesmith.cli._text import last, size, state, when
from tunesmith.v1 import dataset_pb2 as pb

if TYPE_CHECKING:
    from tunesmith.dataset_rules import sensitive

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
Version = Annotated[
    str,
    typer.Option(help="A version, by its number or digest. The current one if left out."),
]
prepare.register(app)


class SensitiveData(StrEnum):
    """What secrets and personal data are to a check."""

    OFF = "off"
    WARN = "warn"
    BLOCK = "block"


OnSensitiveData = Annotated[
    SensitiveData | None,
    typer.Option(
        "--sensitive-data",
        help="Secrets and personal data: not looked for, told, or an error; as a tenant's policy"
        " has it. Told, if what recognises them is installed.",
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
    resume: Annotated[
        str,
        typer.Option(
            help="Go on with an upload that broke off: the command to type is printed then.",
            metavar="REQUEST_ID",
            show_default=False,
        ),
    ] = "",
    format: As = None,
) -> None:
    """Upload a file and have it checked. Exit code 3 if it has errors.

    \b
    tunesmith datasets upload tickets.jsonl --id tickets
    """
    with session.client() as client:
        dataset = _upload(session, client, file, id, name, format, resume)
        _tell(session, client, dataset, str(file))


@command(app, "import")
def import_from(
    session: Session,
    uri: Annotated[
        str, typer.Argument(help="file:, https: or s3:, as the service allows.", show_default=False)
    ],
    id: Annotated[
        str, typer.Option(help="The dataset's id. One that exists gets a new version.")
    ] = "",
    sha256: Annotated[str, typer.Option(help="That the file must have, in hex.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only look whether it is there and fits.")
    ] = False,
) -> None:
    """Have the service fetch a file itself. Exit code 3 if it has errors.

    \b
    tunesmith datasets import https://data.example.com/tickets.jsonl --id tickets
    """
    with session.client() as client:
        dataset = client.datasets.import_from(uri, id=id, sha256=sha256, validate_only=dry_run)
        if dry_run:
            show(session, dataset, {"file": dataset.file_name, "size": size(dataset.size_bytes)})
        else:
            _tell(session, client, dataset, uri)


@command(app, "get")
def get(session: Session, name: Name, version: Version = "") -> None:
    """Show a dataset and what its check found."""
    with session.client() as client:
        dataset = client.datasets.get(name, version=version)
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


@command(app, "versions")
def versions(session: Session, name: Name) -> None:
    """List the versions of a dataset, newest first."""
    with session.client() as client:
        show_all(
            session,
            client.datasets.versions(name),
            {
                "version": lambda d: d.version_number,
                "state": _state,
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
        for model in client.datasets.descendants(name):
            typer.echo(json.dumps(model) if session.machine else model)


@command(app, "download")
def download(
    session: Session,
    name: Name,
    to: Annotated[
        str,
        typer.Option(
            help="The file to write; - for stdout. The dataset's id in this folder if left out.",
            metavar="FILE",
            show_default=False,
        ),
    ] = "",
    version: Version = "",
) -> None:
    """Fetch a dataset as it was uploaded. Goes on after a lost connection, also when repeated.

    \b
    tunesmith datasets download tickets --to tickets.jsonl
    """
    with session.client() as client:
        dataset = client.datasets.get(name, version=version)
        if to == "-":
            client.datasets.download(dataset.name, sys.stdout.buffer, version=dataset.digest)
            return
        path = Path(to or last(dataset.name) + _suffix(dataset.file_name))
        with _progress(session, path.name, dataset.size_bytes) as on_progress:
            client.datasets.download(
                dataset.name, path, version=dataset.digest, on_progress=on_progress
            )
    session.note(f"{path}: {size(dataset.size_bytes)}, sha256 {dataset.digest[:12]}…")


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
    sensitive_data: OnSensitiveData = None,
    encoding: Annotated[
        str, typer.Option(help="Count the tokens too, such as cl100k_base; needs tiktoken.")
    ] = "",
) -> None:
    """Check a file here, without any service: the same findings. Exit code 3 if it has errors.

    \b
    tunesmith datasets check tickets.jsonl
    tunesmith datasets check tickets.jsonl --sensitive-data block
    """
    # for this command alone: it brings msgspec, which others do not need
    from tunesmith import dataset_rules
    from tunesmith.dataset_rules import encode_report, inspect_file

    read_as = dataset_rules.Format(format) if format else None
    encoder = _statistics.encoder(encoding) if encoding else None
    report = inspect_file(file, format=read_as, sensitive=_policy(session, sensitive_data))
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


def _policy(session: Session, asked: SensitiveData | None) -> "sensitive.Policy":
    """What is asked for, or to warn if that can be done here; a word if it cannot."""
    from tunesmith.dataset_rules.sensitive import INSTALL, Policy, is_installed

    if is_installed():
        return Policy((asked or SensitiveData.WARN).value)
    if asked is None:
        session.note(f"Secrets and personal data were not looked for; to have it: {INSTALL}")
    elif asked is not SensitiveData.OFF:
        what = f"what recognises secrets and personal data is not installed: {INSTALL}"
        raise typer.BadParameter(what, param_hint="--sensitive-data")
    return Policy.OFF


def _upload(
    session: Session,
    client: Client,
    file: Path,
    id: str,
    name: str,
    format: str | None,
    resume: str,
) -> pb.Dataset:
    request_id = resume or str(uuid.uuid4())
    total = file.stat().st_size if file.is_file() else 0
    try:
        with _progress(session, file.name, total) as on_progress:
            return client.datasets.upload(
                file,
                id=id,
                display_name=name,
                format=format or "",
                request_id=request_id,
                on_progress=on_progress,
            )
    except (KeyboardInterrupt, UnavailableError):
        if file.is_file():  # of a pipe nothing can be sent twice
            words = ["tunesmith", "datasets", "upload", str(file)]
            words += [*(["--id", id] if id else []), *(["--name", name] if name else [])]
            words += ["--format", str(format)] if format else []
            session.note("What has arrived is kept for a day. To go on with it:")
            session.note(f"  {shlex.join([*words, '--resume', request_id])}")
        raise


@contextmanager
def _progress(session: Session, what: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, where the size is known; what is to be told how far it is."""
    if not sys.stderr.isatty() or not total:
        yield lambda come, of: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=session.progress, transient=True) as progress:
        task = progress.add_task(what.replace("[", r"\["), total=total)
        yield lambda come, of: progress.update(task, completed=come)


def _tell(session: Session, client: Client, dataset: pb.Dataset, source: str) -> None:
    """Show a new version, and what to do with it."""
    show(session, dataset, _fields(dataset))
    if session.output is Format.TABLE and dataset.findings:
        _findings.report(session.out, _all_findings(client, dataset))
    if dataset.state == pb.DATASET_STATE_INVALID:
        session.note(f"error: {source} cannot be trained on as it is")
        raise typer.Exit(DIFFERS)
    if session.output is Format.TABLE:
        session.note(f"Train on it: tunesmith fine-tunes create -t {last(dataset.name)} -m ada")


def _suffix(file_name: str) -> str:
    """The end of a file's name, if it is an ordinary one: the name is whatever somebody sent."""
    suffix = Path(file_name.replace("\0", "")).suffix
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) < 8 else ".jsonl"


def _all_findings(client: Client, dataset: pb.Dataset) -> list[_findings.Finding]:
    try:
        return list(client.datasets.validate(dataset.name, version=dataset.digest))
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
