"""`tunesmith datasets check` and `validate`: what is wrong with a file, or with a dataset."""

import shlex
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli import _findings, _statistics
from tunesmith.cli._dataset_view import As, File, Name, Version, describe, needs_recognition
from tunesmith.cli._histogram import classes, histogram
from tunesmith.cli._marked import Lines, private
from tunesmith.cli._output import as_json, document
from tunesmith.cli._progress import reading
from tunesmith.cli._session import DIFFERS, Format, Session, command
from tunesmith.cli._text import last, size
from tunesmith.v1 import dataset_pb2 as pb

if TYPE_CHECKING:
    from tunesmith import dataset_rules
    from tunesmith.dataset_rules import sensitive


def register(app: typer.Typer) -> None:
    """Add the commands to those of a dataset."""
    command(app, "check")(check)
    command(app, "validate")(validate)


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


def check(
    session: Session,
    file: File,
    format: As = None,
    validation: Annotated[
        Path | None,
        typer.Option(
            help="The file to validate with: tells which rows of it are training data, too.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    sensitive_data: OnSensitiveData = None,
    encoding: Annotated[
        str, typer.Option(help="Count the tokens too, such as cl100k_base; needs tiktoken.")
    ] = "",
) -> None:
    """Check a file here, without any service: the same findings. Exit code 3 if it has errors.

    \b
    tunesmith datasets check tickets.jsonl
    tunesmith datasets check train.jsonl --validation valid.jsonl
    tunesmith datasets check tickets.jsonl --sensitive-data block -o json
    """
    # for this command alone: it brings msgspec, which others do not need
    from tunesmith import dataset_rules

    read_as = dataset_rules.Format(format) if format else None
    encoder = _statistics.encoder(encoding) if encoding else None
    policy = _policy(session, sensitive_data)
    total = file.stat().st_size
    with reading(session, f"checking {file.name}", total) as on_progress:
        report = dataset_rules.inspect_file(
            file, format=read_as, sensitive=policy, on_progress=on_progress
        )
    leaks = _leakage(session, file, validation, report.shape, read_as)
    count = _statistics.of_file(session, file, report.shape, encoder, read_as)
    if session.machine:
        leaked = {"leakage": [_as_document(finding) for finding in leaks]} if validation else {}
        content = dataset_rules.encode_report(report)
        document(session, content | leaked | _statistics.as_document(encoding, count))
    elif session.output is Format.NAME:
        typer.echo(str(file))
    else:
        _tell(session, file, read_as, report)
        if leaks:
            session.out.print(f"\n{validation}, beside {file}:", markup=False, soft_wrap=True)
            _findings.report(session.out, leaks)
        _statistics.show_count(session, encoding, count)
        if session.out.is_terminal:
            _bars(session, file, read_as, report, with_lengths=count is None)
    if not report.valid:
        session.note(f"error: {file} cannot be trained on as it is")
        raise typer.Exit(DIFFERS)


def validate(session: Session, name: Name, version: Version = "") -> None:
    """Show everything that the check of a dataset found. Exit code 3 if it has errors.

    \b
    tunesmith datasets validate tickets
    tunesmith datasets validate tickets --version 2 -o json
    """
    with session.client() as client:
        dataset = client.datasets.get(name, version=version)
        if session.output is Format.TABLE:
            describe(session, client, dataset)
        elif session.machine:
            found = client.datasets.validate(dataset.name, version=dataset.digest)
            findings = [as_json(finding) for finding in found]
            alone = session.output is Format.JSONL
            content = {"dataset": as_json(dataset), "findings": findings}
            document(session, findings if alone else content)
        else:
            typer.echo(dataset.name)
    if dataset.state == pb.DATASET_STATE_INVALID:
        session.note(f"error: {last(dataset.name)} cannot be trained on as it is")
        raise typer.Exit(DIFFERS)


def _tell(
    session: Session,
    file: Path,
    read_as: "dataset_rules.Format | None",
    report: "dataset_rules.Report",
) -> None:
    shape = report.shape.replace("_", "/") if report.shape else "no known shape"
    words = [f"{report.example_count:,} examples", shape, size(report.size_bytes)]
    if report.format:
        words.insert(2, report.format)
    found = _findings.told(report.findings)
    line = f"{file}: {', '.join(words)}; {found}"
    session.out.print(line, markup=False, soft_wrap=True)
    lines = Lines(file, read_as, report.findings)
    by = f"tunesmith datasets prepare {shlex.quote(str(file))}"
    _findings.report(session.out, report.findings, lines.place, by)


def _leakage(
    session: Session,
    file: Path,
    validation: Path | None,
    shape: "dataset_rules.Shape | None",
    read_as: "dataset_rules.Format | None",
) -> "list[dataset_rules.Finding]":
    """The rows of the validation file that are in the file; none if nothing of it can be read."""
    if validation is None or shape is None:
        return []
    from tunesmith.dataset_rules import leakage

    total = file.stat().st_size + validation.stat().st_size
    with reading(session, "comparing", total) as on_progress:
        return leakage(file, validation, shape, training_format=read_as, on_progress=on_progress)


def _as_document(finding: "dataset_rules.Finding") -> dict[str, object]:
    import msgspec

    content: dict[str, object] = msgspec.to_builtins(finding)
    return content


def _bars(
    session: Session,
    file: Path,
    read_as: "dataset_rules.Format | None",
    report: "dataset_rules.Report",
    *,
    with_lengths: bool,
) -> None:
    """How long the examples are, and of which classes."""
    from tunesmith.dataset_rules.lengths import byte_lengths
    from tunesmith.token_counts import TokenCount

    if with_lengths and report.shape is not None and report.example_count:
        with reading(session, "measuring", report.size_bytes) as on_progress:
            lengths = byte_lengths(file, report.shape, format=read_as, on_progress=on_progress)
        session.out.print("\nExamples by bytes of text (--encoding counts tokens)")
        histogram(session.out, TokenCount(lengths=tuple(sorted(lengths.items()))).histogram())
    if report.statistics.class_counts:
        session.out.print("\nExamples by class")
        named: Counter[str] = Counter()
        for name, times in report.statistics.class_counts.items():
            named["(not shown)" if private(name) else name] += times
        classes(session.out, named)


def _policy(session: Session, asked: SensitiveData | None) -> "sensitive.Policy":
    """What is asked for, or to warn if that can be done here; a word if it cannot."""
    from tunesmith.dataset_rules.sensitive import INSTALL, Policy, is_installed

    if is_installed():
        return Policy((asked or SensitiveData.WARN).value)
    if asked is None:
        session.note(f"Secrets and personal data were not looked for; to have it: {INSTALL}")
    elif asked is not SensitiveData.OFF:
        needs_recognition("--sensitive-data")
    return Policy.OFF
