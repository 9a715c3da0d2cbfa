"""`tunesmith datasets upload`, `import` and `download`: data in and out."""

import shlex
import sys
import uuid
from pathlib import Path
from typing import Annotated

import typer

from tunesmith._errors import UnavailableError
from tunesmith._sync import Client
from tunesmith.cli._dataset_view import As, File, Name, Version, describe
from tunesmith.cli._output import show
from tunesmith.cli._progress import transfer, waiting
from tunesmith.cli._session import DIFFERS, Format, Session, command
from tunesmith.cli._text import last, size
from tunesmith.v1 import dataset_pb2 as pb


def register(app: typer.Typer) -> None:
    """Add the commands to those of a dataset."""
    command(app, "upload")(upload)
    command(app, "import")(import_from)
    command(app, "download")(download)


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
        with waiting(session, "the service fetches and checks it"):
            dataset = client.datasets.import_from(uri, id=id, sha256=sha256, validate_only=dry_run)
        if dry_run:
            show(session, dataset, {"file": dataset.file_name, "size": size(dataset.size_bytes)})
        else:
            _tell(session, client, dataset, uri)


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
        with transfer(session, path.name, dataset.size_bytes) as on_progress:
            client.datasets.download(
                dataset.name, path, version=dataset.digest, on_progress=on_progress
            )
    session.note(f"{path}: {size(dataset.size_bytes)}, sha256 {dataset.digest[:12]}…")


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
        with transfer(session, file.name, total) as on_progress:
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


def _tell(session: Session, client: Client, dataset: pb.Dataset, source: str) -> None:
    """Show a new version, and what to do with it."""
    describe(session, client, dataset)
    if dataset.state == pb.DATASET_STATE_INVALID:
        session.note(f"error: {source} cannot be trained on as it is")
        raise typer.Exit(DIFFERS)
    if session.output is Format.TABLE:
        session.note(f"Train on it: tunesmith fine-tunes create -t {last(dataset.name)} -m ada")


def _suffix(file_name: str) -> str:
    """The end of a file's name, if it is an ordinary one: the name is whatever somebody sent."""
    suffix = Path(file_name.replace("\0", "")).suffix
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) < 8 else ".jsonl"
