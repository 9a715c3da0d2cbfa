"""`tunesmith datasets prepare` and `split`: see what would mend a dataset, and have it done."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith._errors import InvalidArgumentError
from tunesmith.cli import _prepared
from tunesmith.cli._dataset_view import Name, local_file, needs_recognition
from tunesmith.cli._findings import severity
from tunesmith.cli._output import as_json, document
from tunesmith.cli._progress import rereading, waiting
from tunesmith.cli._session import DIFFERS, Format, Options, Session, command
from tunesmith.v1 import dataset_pb2 as pb

if TYPE_CHECKING:  # it brings msgspec, which other commands do not need
    from tunesmith.dataset_rules.fixes import Choice, Outcome, Plan

_FIXES, _SPLIT = "Fixes", "Split"


def _codes(words: str) -> tuple[Any, Any]:
    option = typer.Option(help=words, metavar="CODE", rich_help_panel=_FIXES, show_default=False)
    return Annotated[list[str] | None, option], None


_FIX_OPTIONS: Options = {
    "fix": _codes("Apply this fix; without --yes no other but the necessary. May be repeated."),
    "no_fix": _codes("Leave this fix out. May be repeated."),
}
_SEED_OPTIONS: Options = {
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
_SPLIT_OPTIONS: Options = {  # named as the client names them
    "validation_share": (
        Annotated[
            float,
            typer.Option(
                "--share",
                help="Share of the rows for validation; else a fifth, a thousand rows at most.",
                rich_help_panel=_SPLIT,
                show_default=False,
                min=0,
                max=0.99,
            ),
        ],
        0,
    ),
    "unstratified": (
        Annotated[
            bool,
            typer.Option(
                "--unstratified",
                help="Do not keep the share of each class.",
                rich_help_panel=_SPLIT,
            ),
        ],
        False,
    ),
    "training_id": (
        Annotated[str, typer.Option(help="Id of the dataset for training; else DATASET-train.")],
        "",
    ),
    "validation_id": (
        Annotated[str, typer.Option(help="Id of the dataset for validation; else DATASET-valid.")],
        "",
    ),
    **_SEED_OPTIONS,
}


def register(app: typer.Typer) -> None:
    """Add the commands to those of a dataset."""
    command(app, "prepare", more={**_FIX_OPTIONS, **_SEED_OPTIONS})(prepare)
    command(app, "split", more=_SPLIT_OPTIONS)(split)


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
    fixes, left_out = (values.pop(name) or () for name in ("fix", "no_fix"))
    wanted = _prepared.Wanted(yes, fixes, left_out, split, **values)
    if file := local_file(source):
        _offline(session, file, wanted)
    else:
        _by_the_service(session, source, wanted)


def split(session: Session, name: Name, **values: Any) -> None:
    """Split a dataset into one for training and one for validation.

    Rows of one value, or equal rows, never end up on both sides; the same
    seed and data give the same split.

    \b
    tunesmith datasets split tickets --seed 7 --group-by /customer
    """
    with session.client() as client:
        response = client.datasets.split(name, **values)
    if session.machine:
        document(session, as_json(response))
    elif session.output is Format.NAME:
        _names(response)
    else:
        _prepared.sides(session, response)


def _names(response: pb.SplitDatasetResponse) -> None:
    typer.echo(response.training.name)
    typer.echo(response.validation.name)


def _offline(session: Session, file: Path, wanted: _prepared.Wanted) -> None:
    # here and below: for this command alone, as others do not need msgspec
    from tunesmith.dataset_rules.fixes import Choice, Outcome, summary, write
    from tunesmith.dataset_rules.split import SplitChoice

    how, choice = SplitChoice(seed=wanted.seed, group_by=wanted.group_by), _choice(wanted)
    if choice.redacted:
        needs_recognition("--fix")
    plan = _plan(session, file, choice)
    told = summary(plan)
    if session.output is Format.TABLE:
        _prepared.plan(session, file, told)
    if told.fault_count or not told.rows_after:
        _done(session, Outcome(told), ())
        session.note(f"error: {_prepared.why_not(told)}")
        raise typer.Exit(DIFFERS)
    splits = told.split is not None if wanted.split is None else wanted.split
    if _prepared.asks(session, wanted):
        last = "The prepared data is written to a new file."
        fixes = _prepared.of_file(told)
        codes, splits = _prepared.answers(session, wanted, fixes, splits, last)
        # looked at again even if all was wanted: who was asked may have changed the file meanwhile
        plan = _plan(session, file, Choice(recommended=False, named=frozenset(codes)))
    if not splits and not plan.changes_anything:
        _done(session, Outcome(summary(plan)), (file,))
        return
    paths = _free_names(file, ("_train", "_valid") if splits else ("",))
    with rereading(session, f"mending {file.name}", file.stat().st_size) as on_progress:
        outcome = write(plan, [str(path) for path in paths], how, on_progress=on_progress)
    if outcome.refused:
        raise InvalidArgumentError(outcome.refused)
    _done(session, outcome, paths)


def _choice(wanted: _prepared.Wanted) -> "Choice":
    from tunesmith.dataset_rules.fixes import Choice

    return Choice(
        recommended=wanted.yes or not wanted.fixes,
        named=frozenset(wanted.fixes),
        declined=frozenset(wanted.left_out),
    )


def _plan(session: Session, file: Path, choice: "Choice") -> "Plan":
    from tunesmith.dataset_rules.fixes import propose

    with rereading(session, f"looking at {file.name}", file.stat().st_size) as on_progress:
        return propose(file, choice=choice, on_progress=on_progress)


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
    from tunesmith.dataset_rules.fixes import FIXES, Choice

    with session.client() as client:
        # one version all along, whatever comes in meanwhile
        dataset = client.datasets.get(name)
        version = dataset.digest
        with waiting(session, "the service looks at it"):
            proposed = client.datasets.prepare(dataset.name, version=version)
        fixes = _prepared.of_dataset(proposed)
        faults = [f for f in proposed.findings if severity(f) == "error" and not f.fixable]
        if session.output is Format.TABLE:
            _prepared.proposal(session, dataset.name, fixes, faults)
        if faults:
            if session.machine:
                document(session, {"prepared": as_json(proposed), "split": None})
            session.note(f"error: rows of {dataset.name} cannot be mended here")
            raise typer.Exit(DIFFERS)
        newer = {fix.code for fix in fixes if fix.code not in FIXES}
        Choice(declined=frozenset(wanted.left_out) - newer)  # refused as of a file
        splits = proposed.HasField("split") if wanted.split is None else wanted.split
        if _prepared.asks(session, wanted):
            last = "The mended data becomes a new version."
            codes, splits = _prepared.answers(session, wanted, fixes, splits, last)
        else:
            codes = _prepared.taken(wanted, fixes)
        response = proposed
        if codes:
            with waiting(session, "the service mends it"):
                response = client.datasets.prepare(dataset.name, fixes=codes, version=version)
            version = response.dataset.digest or version
        sides = None
        if splits:
            with waiting(session, "the service splits it"):
                sides = client.datasets.split(
                    dataset.name, seed=wanted.seed, group_by=wanted.group_by, version=version
                )
    if session.machine:
        content = {"prepared": as_json(response), "split": as_json(sides) if sides else None}
        document(session, content)
    elif session.output is Format.TABLE:
        _prepared.prepared(session, dataset.name, response, sides)
    elif sides:
        _names(sides)
    else:
        typer.echo(dataset.name)
