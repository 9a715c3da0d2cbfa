"""How many tokens a dataset is: a table, and a histogram of the lengths of its examples."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tunesmith._sync import Client
from tunesmith.cli import _findings
from tunesmith.cli._histogram import histogram
from tunesmith.cli._output import as_json, document, listing, pairs
from tunesmith.cli._progress import reading
from tunesmith.cli._session import Format, Session
from tunesmith.cli._text import last, named
from tunesmith.v1 import dataset_pb2 as pb

if TYPE_CHECKING:  # they bring msgspec, which other commands do not need
    from tunesmith import dataset_rules
    from tunesmith.dataset_rules import Shape
    from tunesmith.token_counts import Encoder, TokenCount

_OPEN = (pb.ANALYSIS_STATE_PENDING, pb.ANALYSIS_STATE_RUNNING)
_LOOK_EVERY = 0.5


def counted(
    session: Session, client: Client, name: str, base_model: str, version: str
) -> Sequence[pb.TokenStatistics]:
    """The statistics, once nothing is being counted any more.

    Waits for a base model that is named; of the others only for those that are at it, since nobody
    counts for a base whose weights are on no machine yet.
    """
    waits_for = _OPEN if base_model else (pb.ANALYSIS_STATE_RUNNING,)

    def look() -> Sequence[pb.TokenStatistics]:
        return client.datasets.statistics(name, base_model=base_model, version=version)

    def is_open(found: Iterable[pb.TokenStatistics]) -> bool:
        return any(each.analysis.state in waits_for for each in found)

    found = look()
    if not is_open(found):
        return found
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("counting"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    total = client.datasets.get(name, version=version).size_bytes
    hidden = not session.progress.is_terminal
    with Progress(*columns, console=session.progress, transient=True, disable=hidden) as progress:
        task = progress.add_task("", total=total)
        while is_open(found):
            done = max(each.analysis.bytes_done for each in found)
            progress.update(task, completed=done)
            time.sleep(_LOOK_EVERY)
            found = look()
    return found


def show(session: Session, found: Sequence[pb.TokenStatistics], base_model: str) -> None:
    """Write the statistics: one document for a base that was named, else a list."""
    if session.machine:
        documents: Any = [as_json(each) for each in found]
        document(session, documents[0] if base_model and documents else documents)
        return
    if session.output is Format.NAME:
        for each in found:
            typer.echo(each.base_model)
        return
    columns = ("base", "tokens", "examples", "median", "95 %", "longest", "cut", "dropped", "state")
    listing(session.out, columns, [_row(each) for each in found], prose=("state",))
    alike: dict[object, list[pb.TokenStatistics]] = {}
    for each in found:  # bases with one tokenizer are told once
        key = (each.tokenizer, str(each.histogram), str(each.findings))
        alike.setdefault(key, []).append(each)
    for first, *others in alike.values():
        if not first.histogram:
            continue
        bases = ", ".join(last(each.base_model) for each in (first, *others))
        session.out.print(f"\nExamples by tokens ({bases})", markup=False)
        bars = [(bar.from_tokens, bar.below_tokens, bar.count) for bar in first.histogram]
        histogram(session.out, bars)
        if first.findings:
            _findings.report(session.out, first.findings)


def encoder(encoding: str) -> "Encoder":
    """The encoder of that name; a usage error that says what there is, or what to install."""
    from tunesmith.token_counts import EncodingMissing, load_encoding

    try:
        return load_encoding(encoding)
    except EncodingMissing as error:
        raise typer.BadParameter(str(error), param_hint="--encoding") from None


def of_file(
    session: Session,
    file: Path,
    shape: "Shape | None",
    encoder: "Encoder | None",
    read_as: "dataset_rules.Format | None" = None,
) -> "TokenCount | None":
    """The tokens of a file; None if they are not wanted, or no row of it can be read."""
    if encoder is None or shape is None:
        return None
    from tunesmith.token_counts import count_file

    with reading(session, "counting", file.stat().st_size) as on_progress:
        return count_file(file, shape, encoder, format=read_as, on_progress=on_progress)


def as_document(encoding: str, count: "TokenCount | None") -> dict[str, Any]:
    """What a report of a file says of its tokens."""
    if count is None:
        return {}
    return {
        "tokens": {
            "tokenizer": encoding,
            "total_tokens": count.total,
            "longest_example_tokens": count.longest,
            "percentiles": count.percentiles(),
            "histogram": [
                {"from_tokens": low, "below_tokens": below, "count": times}
                for low, below, times in count.histogram()
            ],
        }
    }


def show_count(session: Session, encoding: str, count: "TokenCount | None") -> None:
    """Write the tokens of a file, for people."""
    if count is None or not count.lengths:
        return
    found = count.percentiles()
    session.out.print()
    pairs(
        session.out,
        {
            "tokens": f"{count.total:,} ({encoding})",
            "an example": f"{found[50]:,} in the middle, {count.longest:,} at most",
        },
    )
    histogram(session.out, count.histogram())


def _row(each: pb.TokenStatistics) -> Sequence[object]:
    state = named(pb.AnalysisState, each.analysis.state, "ANALYSIS_STATE_")
    if each.analysis.error:
        state = f"{state}: {each.analysis.error}"
    if each.analysis.state != pb.ANALYSIS_STATE_COMPLETE:
        return (last(each.base_model), *("-",) * 7, state)
    return (
        last(each.base_model),
        f"{each.billable_tokens:,}",
        f"{each.example_count:,}",
        f"{each.percentiles[50]:,}",
        f"{each.percentiles[95]:,}",
        f"{each.longest_example_tokens:,}",
        f"{each.truncated_count:,}",
        f"{each.dropped_count:,}",
        state,
    )
