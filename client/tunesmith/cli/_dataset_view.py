"""What the commands about datasets share: their arguments, and a dataset as people see it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tunesmith._errors import TunesmithError
from tunesmith._sync import Client
from tunesmith.cli import _findings
from tunesmith.cli._histogram import classes, histogram
from tunesmith.cli._output import show
from tunesmith.cli._session import Format, Session
from tunesmith.cli._text import last, named, size, when
from tunesmith.v1 import dataset_pb2 as pb

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


_ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".xlsx", ".txt", ".gz")


def local_file(source: str) -> Path | None:
    """The file that an argument names; None if it names a dataset. FileNotFoundError."""
    path = Path(source)
    if path.is_file():
        return path
    # an id may have dots in it, but no slash
    if ("/" in source and not source.startswith("tenants/")) or path.suffix in _ENDINGS:
        raise FileNotFoundError(2, "there is no such file", source)
    return None


def needs_recognition(option: str) -> None:
    """A usage error if what recognises secrets and personal data is not installed."""
    from tunesmith.dataset_rules.sensitive import SensitiveUnavailable, need

    try:
        need()
    except SensitiveUnavailable as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def describe(session: Session, client: Client, dataset: pb.Dataset) -> None:
    """Write a dataset: its fields, and for people what was found and how it is distributed."""
    if session.output is not Format.TABLE:
        show(session, dataset, {})
        return
    found = all_findings(client, dataset) if dataset.findings else []
    show(session, dataset, {**_fields(dataset), "found": _findings.told(found)})
    _findings.report(session.out, found, mended_by=mended_by(dataset))
    if session.out.is_terminal:
        _bars(session, client, dataset)


def mended_by(dataset: pb.Dataset) -> str:
    """The command that mends what is fixable."""
    return f"tunesmith datasets prepare {last(dataset.name)}"


def all_findings(client: Client, dataset: pb.Dataset) -> list[_findings.Finding]:
    """Every finding that is kept; those that came with the dataset if no others can be had."""
    try:
        return list(client.datasets.validate(dataset.name, version=dataset.digest))
    except TunesmithError:
        return list(dataset.findings)


def _bars(session: Session, client: Client, dataset: pb.Dataset) -> None:
    """The tokens of the examples, where they are counted, and the classes."""
    try:
        counted = client.datasets.statistics(dataset.name, version=dataset.digest)
    except TunesmithError:
        counted = []
    if first := next((each for each in counted if each.histogram), None):
        session.out.print(f"\nExamples by tokens ({last(first.base_model)})", markup=False)
        histogram(session.out, [(b.from_tokens, b.below_tokens, b.count) for b in first.histogram])
    if dataset.statistics.class_counts:
        session.out.print("\nExamples by class")
        classes(session.out, dataset.statistics.class_counts)


def _fields(dataset: pb.Dataset) -> dict[str, object]:
    return {
        "name": dataset.name,
        "state": state_of(dataset),
        "examples": f"{dataset.example_count:,}",
        "shape": named(pb.DatasetShape, dataset.shape, "DATASET_SHAPE_"),
        "format": named(pb.DatasetFormat, dataset.format, "DATASET_FORMAT_"),
        "size": size(dataset.size_bytes),
        "version": dataset.version_number,
        "file": dataset.file_name,
        "updated": when(dataset.update_time),
    }


def state_of(dataset: pb.Dataset) -> str:
    """Such as `ready`."""
    return named(pb.DatasetState, dataset.state, "DATASET_STATE_")
