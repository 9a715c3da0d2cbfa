"""`tunesmith datasets diff`: what is different between two files, or versions of datasets."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli._dataset_view import local_file
from tunesmith.cli._marked import excerpt, private
from tunesmith.cli._output import document, listing
from tunesmith.cli._progress import reading, transfer
from tunesmith.cli._session import DIFFERS, Format, Session, command
from tunesmith.cli._text import last, named, plain, size
from tunesmith.v1 import dataset_pb2 as pb

if TYPE_CHECKING:  # it brings msgspec, which other commands do not need
    from tunesmith.dataset_rules import Format as FileFormat
    from tunesmith.dataset_rules import Report
    from tunesmith.dataset_rules.difference import Difference, Prints

_SAMPLES = 3
_WIDE_IN_A_PIPE = 100
_KINDS = ("changed", "removed", "added", "moved")
Row = tuple[int | None, int | None]
"""The places of a row on either side; None on the side where it is not."""


def register(app: typer.Typer) -> None:
    """Add the command to those of a dataset."""
    command(app, "diff")(diff)


@dataclass
class _Side:
    """One of the two."""

    title: str
    path: Path
    read_as: "FileFormat | None"
    report: "Report"
    prints: "Prints"
    tokens: int | None = None
    """Of one epoch, where they are counted."""


_Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE|DATASET[@VERSION]",
        help="A file, or a dataset: its current version, or one by its number or digest.",
        show_default=False,
    ),
]


def diff(
    session: Session,
    left: _Source,
    right: _Source,
    samples: Annotated[
        int, typer.Option(help="Rows of each kind to show.", min=0, max=1000)
    ] = _SAMPLES,
) -> None:
    """Show which rows are only in one of two, changed or moved. Exit code 3 if any is, else 0.

    Rows are the same if the same is trained on, however they are written: the
    format, the order of fields and fields that are not used make no difference.
    A changed row asks the same and is answered otherwise.

    \b
    tunesmith datasets diff tickets.jsonl tickets_prepared.jsonl
    tunesmith datasets diff tickets@1 tickets@2
    tunesmith datasets diff tickets tickets.jsonl -o json
    """
    from tunesmith.dataset_rules.difference import compare

    with _side(session, left) as here, _side(session, right) as there:
        found = compare(here.prints, there.prints)
        shown = _samples(here, there, found, samples)
        if session.machine:
            document(session, _as_document(here, there, found, shown))
        elif session.output is Format.TABLE:
            _tell(session, here, there, found, shown)
    if found.differs:
        raise typer.Exit(DIFFERS)


@contextmanager
def _side(session: Session, source: str) -> Iterator[_Side]:
    """A file as it is, or a dataset in a file that is gone afterwards."""
    if path := local_file(source):
        yield _read(session, source, path, None)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path, dataset, tokens = _fetched(session, source, Path(folder))
            title = f"{last(dataset.name)}@{dataset.version_number}"
            side = _read(session, title, path, _format(dataset))
            side.tokens = tokens
            yield side


def _fetched(session: Session, source: str, folder: Path) -> tuple[Path, pb.Dataset, int | None]:
    name, _, version = source.partition("@")
    path = folder / "rows"
    with session.client() as client:
        dataset = client.datasets.get(name, version=version)
        with transfer(session, source, dataset.size_bytes) as on_progress:
            client.datasets.download(
                dataset.name, path, version=dataset.digest, on_progress=on_progress
            )
        counted = client.datasets.statistics(dataset.name, version=dataset.digest)
    known = {each.tokenizer: each.total_tokens for each in counted if each.total_tokens}
    # of two tokenizers neither says more about the dataset: only one figure can stand in its row
    return path, dataset, next(iter(known.values())) if len(known) == 1 else None


def _format(dataset: pb.Dataset) -> "FileFormat | None":
    from tunesmith.dataset_rules import Format as FileFormat

    name = named(pb.DatasetFormat, dataset.format, "DATASET_FORMAT_")
    return FileFormat(name) if name in list(FileFormat) else None


def _read(session: Session, title: str, path: Path, read_as: "FileFormat | None") -> _Side:
    from tunesmith.dataset_rules import inspect_file
    from tunesmith.dataset_rules.difference import print_file

    total = path.stat().st_size
    with reading(session, f"reading {title}", 2 * total) as on_progress:
        report = inspect_file(path, format=read_as, on_progress=on_progress)
        prints = print_file(
            path, format=read_as, on_progress=lambda done: on_progress(total + done)
        )
    return _Side(title, path, read_as, report, prints)


def _rows(found: "Difference", kind: str) -> list[Row]:
    """The rows of a kind, in the order of the right side, else of the left."""
    if kind == "removed":
        return [(place, None) for place in found.removed]
    if kind == "added":
        return [(None, place) for place in found.added]
    pairs = found.changed if kind == "changed" else found.moved
    return [*sorted(pairs, key=lambda pair: pair[1])]


Sample = tuple[Row, str, str]
"""A row, and its text on either side; empty on the side where it is not."""


def _samples(
    here: _Side, there: _Side, found: "Difference", count: int
) -> dict[str, Sequence[Sample]]:
    from tunesmith.dataset_rules.difference import rows_at

    chosen = {kind: _rows(found, kind)[:count] for kind in _KINDS}
    rows = [row for some in chosen.values() for row in some]
    lefts = rows_at(here.path, [a for a, _ in rows if a is not None], format=here.read_as)
    rights = rows_at(there.path, [b for _, b in rows if b is not None], format=there.read_as)
    return {
        kind: [(row, lefts.get(_no(row[0]), ""), rights.get(_no(row[1]), "")) for row in some]
        for kind, some in chosen.items()
    }


def _no(place: int | None) -> int:
    return -1 if place is None else place


def _line(side: _Side, place: int | None) -> int | None:
    return None if place is None else side.prints.lines[place]


def _tell(
    session: Session,
    here: _Side,
    there: _Side,
    found: "Difference",
    shown: dict[str, Sequence[Sample]],
) -> None:
    out = session.out
    if not found.differs:
        out.print(f"the same {found.same:,} rows in the same order", markup=False)
    else:
        counts = [f"{len(_rows(found, kind)):,} {kind}" for kind in _KINDS]
        out.print(f"{', '.join(counts)}; {found.same:,} the same", markup=False, soft_wrap=True)
    for kind, samples in shown.items():
        if not samples:
            continue
        total = len(_rows(found, kind))
        out.print(f"\n[bold]{kind}[/] × {total:,}")
        for row, before, after in samples:
            a, b = _line(here, row[0]), _line(there, row[1])
            places = [f"{a:,}" if a is not None else "", f"{b:,}" if b is not None else ""]
            out.print(f"  line {' → '.join(each for each in places if each)}", style="dim")
            _sample(session, kind, before, after)
        if (more := total - len(samples)) > 0:
            out.print(f"  … and {more:,} more", style="dim")
    out.print()
    out.print(f"left {here.title}, right {there.title}", markup=False, soft_wrap=True)
    listing(out, ("figure", "left", "right"), _figures(here, there), prose=("figure",))


def _sample(session: Session, kind: str, before: str, after: str) -> None:
    """The rows, with what is different between them marked."""
    from tunesmith.dataset_rules.difference import spans

    out = session.out
    width = (out.width if out.is_terminal else _WIDE_IN_A_PIPE) - 5
    if private(before) or private(after):
        out.print("    (not shown: something secret or personal is in it)", style="dim")
        return
    if kind == "moved":
        out.print(f"    {excerpt(after, (0, 1), width)[0]}", markup=False, soft_wrap=True)
        return
    left, right = spans(before, after) if kind == "changed" else ((0, 1), (0, 1))
    for sign, text, span, style in (("-", before, left, "red"), ("+", after, right, "green")):
        if text:
            words, signs = excerpt(text, span, width)
            out.print(plain(f"  {sign} {words}"), markup=False, style=style, soft_wrap=True)
            if kind == "changed" and span[0] < span[1]:
                out.print(f"    {signs}", markup=False, style="bold", soft_wrap=True)


def _figures(here: _Side, there: _Side) -> list[Sequence[object]]:
    """What is known of both, side by side."""
    reports = (here.report, there.report)
    rows: list[Sequence[object]] = [
        ("examples", *(f"{r.example_count:,}" for r in reports)),
        ("size", *(size(r.size_bytes) for r in reports)),
        ("text", *(size(r.text_bytes) for r in reports)),
    ]
    if here.tokens or there.tokens:
        rows.append(
            ("tokens", *(f"{s.tokens:,}" if s.tokens else "-" for s in (here, there))),
        )
    counts = [r.statistics.class_counts or {} for r in reports]
    for name in list(dict.fromkeys([*counts[0], *counts[1]]))[:20]:
        shown = "(not shown)" if private(name) else f"class “{plain(name)}”"
        rows.append((shown, *(f"{each.get(name, 0):,}" for each in counts)))
    return rows


def _as_document(
    here: _Side, there: _Side, found: "Difference", shown: dict[str, Sequence[Sample]]
) -> dict[str, Any]:
    return {
        "differs": found.differs,
        "same": found.same,
        **{kind: len(_rows(found, kind)) for kind in _KINDS},
        "samples": {
            kind: [
                {
                    "left_line": _line(here, row[0]),
                    "right_line": _line(there, row[1]),
                    **(
                        {"left": None, "right": None}
                        if private(before) or private(after)
                        else {"left": before or None, "right": after or None}
                    ),
                }
                for row, before, after in samples
            ]
            for kind, samples in shown.items()
        },
        "left": _side_as_document(here),
        "right": _side_as_document(there),
    }


def _side_as_document(side: _Side) -> dict[str, Any]:
    report = side.report
    counts = report.statistics.class_counts
    return {
        "name": side.title,
        "sha256": report.sha256,
        "valid": report.valid,
        "example_count": report.example_count,
        "size_bytes": report.size_bytes,
        "text_bytes": report.text_bytes,
        "tokens": side.tokens,
        "class_counts": {n: c for n, c in counts.items() if not private(n)} if counts else None,
    }
