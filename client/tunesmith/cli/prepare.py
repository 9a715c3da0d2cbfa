"""`tunesmith datasets prepare` and `split`: see what would mend a dataset, and have it done."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith._errors import InvalidArgumentError
from tunesmith.cli import _prepared
from tunesmith.cli._output import as_json, document
from tunesmith.cli._progress import waiting
from tunesmith.cli._session import DIFFERS, Format, Options, Session, command
from tunesmith.cli._text import last
from tunesmith.v1 import dataset_pb2 as pb

if TYPE_CHECKING:
    from tunesmith.dataset_rules.fixes import Choice, Outcome

_FIXES, _SPLIT = "Fixes", "Split"
SPLIT_OPTIONS: Options = {
    "seed": (
        Annotated[int, typer.Option(help="Of the choice of rows.", rich_help_panel=_SPLIT)],
        42,
    ),
    "group_by": (
        Annotated[
            str,
            typer.Option(
                help="Keep rows of the same value on one side: a JSON pointer, such as /customer.",
                metavar="POINTER",
                rich_help_panel=_SPLIT,
                show_default=False,
            ),
        ],
        "",
    ),
}


def register(app: typer.Typer) -> None:
    """Add the commands to those of a dataset."""
    command(app, "prepare", more=SPLIT_OPTIONS)(prepare)
    command(app, "split", more=SPLIT_OPTIONS)(split)


def prepare(
    session: Session,
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|DATASET",
            help="A file of any format, mended here; or a dataset, mended by the service.",
            show_default=False,
        ),
    ],
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", "-y", help="Apply what is recommended without asking.", rich_help_panel=_FIXES
        ),
    ] = False,
    fix: Annotated[
        list[str] | None,
        typer.Option(
            help="Apply this fix; without --yes no other but the necessary. May be repeated.",
            metavar="CODE",
            rich_help_panel=_FIXES,
            show_default=False,
        ),
    ] = None,
    no_fix: Annotated[
        list[str] | None,
        typer.Option(
            help="Leave this fix out. May be repeated.",
            metavar="CODE",
            rich_help_panel=_FIXES,
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        bool | None,
        typer.Option(
            "--split/--no-split",
            help="Split for training and validation; else as suggested for classification.",
            rich_help_panel=_SPLIT,
        ),
    ] = None,
    **values: Any,
) -> None:
    """Propose what would mend a dataset, ask, and write it mended. Exit code 3 if it cannot be.

    Of a file X.jsonl (or .csv, …) it writes X_prepared.jsonl beside it, or
    X_prepared_train.jsonl and X_prepared_valid.jsonl, without any service.
    A dataset gets a new version. In a pipe, nothing is asked and what is
    recommended is applied.

    \b
    tunesmith datasets prepare tickets.csv
    tunesmith datasets prepare tickets.jsonl --yes --no-fix PROMPT_UPPER_CASE
    tunesmith datasets prepare tickets --fix DUPLICATE_ROWS --no-split
    """
    wanted = _prepared.Wanted(yes, fix or (), no_fix or (), split, **values)
    if os.path.isfile(source):
        _offline(session, Path(source), wanted)
    elif "." in source and ("/" in source or Path(source).suffix in _SUFFIXES):
        raise FileNotFoundError(2, "there is no such file", source)
    else:
        _by_the_service(session, source, wanted)


_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".xlsx", ".txt", ".gz")


def split(
    session: Session,
    name: Annotated[str, typer.Argument(help="The dataset's id or name.", show_default=False)],
    share: Annotated[
        float,
        typer.Option(
            help="Share of the rows for validation; else a fifth, a thousand rows at most.",
            rich_help_panel=_SPLIT,
            show_default=False,
            min=0,
            max=0.99,
        ),
    ] = 0,
    unstratified: Annotated[
        bool,
        typer.Option(
            "--unstratified",
            help="Do not keep the share of each class.",
            rich_help_panel=_SPLIT,
        ),
    ] = False,
    training_id: Annotated[
        str, typer.Option(help="Id of the dataset for training; else DATASET-train.")
    ] = "",
    validation_id: Annotated[
        str, typer.Option(help="Id of the dataset for validation; else DATASET-valid.")
    ] = "",
    **values: Any,
) -> None:
    """Split a dataset into one for training and one for validation.

    Rows of one value, or equal rows, never end up on both sides; the same
    seed and data give the same split.

    \b
    tunesmith datasets split tickets --seed 7 --group-by /customer
    """
    with session.client() as client:
        response = client.datasets.split(
            name,
            validation_share=share,
            unstratified=unstratified,
            training_id=training_id,
            validation_id=validation_id,
            **values,
        )
    if session.machine:
        document(session, as_json(response))
    elif session.output is Format.NAME:
        typer.echo(response.training.name)
        typer.echo(response.validation.name)
    else:
        _prepared.sides(session, response)


def _choice(wanted: _prepared.Wanted) -> "Choice":
    # here and below: for these commands alone, as others do not need msgspec
    from tunesmith.dataset_rules.fixes import Choice

    return Choice(
        recommended=wanted.yes or not wanted.fixes,
        named=frozenset(wanted.fixes),
        declined=frozenset(wanted.left_out),
    )


def _offline(session: Session, file: Path, wanted: _prepared.Wanted) -> None:
    from tunesmith.dataset_rules.fixes import Job, run

    with waiting(session, f"looking at {file.name}"):
        outcome = run(Job(str(file), choice=_choice(wanted)))
    told = outcome.summary
    if session.output is Format.TABLE:
        _prepared.plan(session, file, told)
    if told.fault_count or not told.rows_after:
        _done(session, outcome, ())
        session.note(f"error: {_prepared.why_not(told)}")
        raise typer.Exit(DIFFERS)
    choice, wants_split = _prepared.asked(session, wanted, _choice(wanted), told)
    if choice != _choice(wanted):
        with waiting(session, f"looking at {file.name}"):
            outcome = run(Job(str(file), choice=choice))
        told = outcome.summary
    if not wants_split and not any(fix.applied for fix in told.fixes):
        _done(session, outcome, (file,))
        return
    if _prepared.asks(session, wanted) and not _prepared.yes(
        session, "\nThe prepared data is written to a new file. Proceed"
    ):
        session.note("nothing was written")
        raise typer.Exit(1)
    with waiting(session, f"mending {file.name}"):
        outcome, paths = _written(file, choice, wanted, wants_split)
    if outcome.refused:
        raise InvalidArgumentError(outcome.refused)
    _done(session, outcome, paths)


def _written(
    file: Path, choice: "Choice", wanted: _prepared.Wanted, wants_split: bool
) -> "tuple[Outcome, Sequence[Path]]":
    from tunesmith.dataset_rules.fixes import Job, run
    from tunesmith.dataset_rules.split import SplitChoice

    paths = _free_names(file, ("_train", "_valid") if wants_split else ("",))
    split = SplitChoice(seed=wanted.seed, group_by=wanted.group_by)
    return run(Job(str(file), choice=choice, out=tuple(map(str, paths)), split=split)), paths


def _free_names(file: Path, kinds: Sequence[str]) -> list[Path]:
    """Names beside the file that are not taken."""
    stem = file.name.removesuffix(".gz")
    stem = stem[: stem.rfind(".")] if "." in stem[1:] else stem
    number = 0
    while True:
        again = f" ({number})" if number else ""
        paths = [file.with_name(f"{stem}_prepared{kind}{again}.jsonl") for kind in kinds]
        if not any(path.exists() for path in paths):
            return paths
        number += 1


def _done(session: Session, outcome: "Outcome", paths: Sequence[Path]) -> None:
    told = outcome.summary
    if session.machine:
        document(session, _prepared.as_document(outcome, [str(path) for path in paths]))
    elif session.output is Format.NAME:
        for path in paths:
            typer.echo(str(path))
    elif paths:
        _prepared.done(session, told, outcome.prepared, [str(path) for path in paths])


def _by_the_service(session: Session, name: str, wanted: _prepared.Wanted) -> None:
    with session.client() as client:
        with waiting(session, "the service looks at it"):
            proposed = client.datasets.prepare(name)
        if session.output is Format.TABLE:
            _prepared.proposal(session, last(name), proposed)
        codes = _prepared.chosen(session, wanted, proposed)
        response: pb.PrepareDatasetResponse = proposed
        if codes:
            with waiting(session, "the service mends it"):
                response = client.datasets.prepare(name, fixes=codes)
        sides = None
        if wanted.split or (
            wanted.split is None
            and proposed.HasField("split")
            and (not _prepared.asks(session, wanted) or _prepared.yes(session, _prepared.SPLIT))
        ):
            with waiting(session, "the service splits it"):
                sides = client.datasets.split(name, seed=wanted.seed, group_by=wanted.group_by)
        if session.machine:
            content = {"prepared": as_json(response), "split": as_json(sides) if sides else None}
            document(session, content)
        elif session.output is Format.NAME:
            typer.echo(response.dataset.name or name)
        else:
            _prepared.prepared(session, response, sides)
