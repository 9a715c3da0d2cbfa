"""A preparation as people read it, and the questions that it asks."""

import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import typer
from rich.markup import escape

from tunesmith.cli import _findings
from tunesmith.cli._session import FAILED, Session
from tunesmith.cli._text import duration, last, plain, size
from tunesmith.v1 import common_pb2
from tunesmith.v1 import dataset_pb2 as pb

if TYPE_CHECKING:  # it brings msgspec, which other commands do not need
    from tunesmith.dataset_rules.fixes import Need, Outcome, Prepared, Summary

_NEEDS = {"necessary": "red", "inherent": "blue", "recommended": "yellow", "optional": "blue"}


@dataclass(frozen=True)
class Wanted:
    """What the options say."""

    yes: bool
    fixes: Sequence[str]
    left_out: Sequence[str]
    split: bool | None
    """Else as suggested."""
    seed: int
    group_by: str


class _Sample(Protocol):
    @property
    def line(self) -> int: ...

    @property
    def before(self) -> str: ...

    @property
    def after(self) -> str: ...


@dataclass(frozen=True)
class Proposed:
    """A fix that was proposed, here or by the service."""

    code: str
    need: "Need"
    title: str
    count: int
    samples: Iterable[_Sample]


def of_file(told: "Summary") -> list[Proposed]:
    """What is proposed for a file."""
    return [Proposed(f.code, f.need, f.title, f.count, f.samples) for f in told.fixes]


def of_dataset(response: pb.PrepareDatasetResponse) -> list[Proposed]:
    """What the service proposes."""
    from tunesmith.dataset_rules.fixes import FIXES, Need

    def need(fix: pb.DatasetFix) -> Need:
        if fix.necessary:
            return Need.NECESSARY
        # one that only a later service knows is asked for
        return FIXES[fix.code].need if fix.code in FIXES else Need.RECOMMENDED

    return [Proposed(f.code, need(f), f.title, f.count, f.samples) for f in response.fixes]


def asks(session: Session, wanted: Wanted) -> bool:
    """Whether somebody is there who is to be asked."""
    return sys.stdin.isatty() and not wanted.yes and not wanted.fixes and not session.machine


def answers(
    session: Session, wanted: Wanted, fixes: Sequence[Proposed], splits: bool, proceed: str
) -> tuple[list[str], bool]:
    """The codes of the fixes to apply, and whether to split, as somebody who is there says.

    Everything is asked before anything is changed. `splits` is whether a split is proposed,
    `proceed` the last question, unless there is nothing to do.
    """
    from tunesmith.dataset_rules.fixes import Need

    codes = []
    if fixes:
        session.note("\nThese are applied:")
    for fix in fixes:
        if fix.need.always:
            session.note(f"- [{fix.need.capitalize()}] {fix.title}")
        elif (
            fix.need is Need.OPTIONAL
            or fix.code in wanted.left_out
            or not _yes(session, f"- [Recommended] {fix.title}")
        ):
            continue
        codes.append(fix.code)
    split = wanted.split
    if split is None:
        split = splits and _yes(session, "- [Recommended] Split into training and validation data")
    if (codes or split) and not _yes(session, f"\n{proceed} Proceed"):
        _nothing_done(session)
    return codes, split


def taken(wanted: Wanted, fixes: Iterable[Proposed]) -> list[str]:
    """The codes of the fixes to apply where nobody is asked."""
    from tunesmith.dataset_rules.fixes import Need

    if wanted.fixes and not wanted.yes:
        return list(wanted.fixes)
    offered = [fix.code for fix in fixes if fix.need is not Need.OPTIONAL]
    return [*wanted.fixes, *(code for code in offered if code not in wanted.left_out)]


def _yes(session: Session, question: str) -> bool:
    """Whether the answer is not a no, as with the old tool."""
    answer = session.ask(f"{question} [Y/n]:")
    if answer is None:
        # one end of input is all that a terminal gives: the next question would wait for ever
        session.note("\nerror: nobody answers; say --yes")
        _nothing_done(session)
    return answer.lower() not in ("n", "no")


def _nothing_done(session: Session) -> NoReturn:
    session.note("Nothing was changed.")
    raise typer.Exit(FAILED)


def plan(session: Session, file: Path, told: "Summary") -> None:
    """Write what was found in a file, and each fix with samples."""
    out = session.out
    shape = told.shape.replace("_", "/") if told.shape else "no known shape"
    task = f", {told.task}" if told.task else ""
    out.print(f"{file}: {told.row_count:,} rows, {shape}{task}", markup=False, soft_wrap=True)
    for note in told.notes:
        times = f" × {note.count:,}" if note.count != told.row_count else ""
        out.print(plain(f"  {note.message}{times}"), markup=False, soft_wrap=True)
    _fixes(session, of_file(told))
    for fault in told.faults[:5]:
        words = f"  line {fault.line:,}: {fault.message} ({fault.code})"
        out.print(plain(words), markup=False, style="red", soft_wrap=True)
    if not told.fixes and told.rows_after and not told.fault_count:
        out.print("nothing to mend")


def proposal(
    session: Session, name: str, fixes: Sequence[Proposed], faults: Sequence[common_pb2.Finding]
) -> None:
    """Write what the service proposes, and what it cannot mend."""
    _fixes(session, fixes)
    _findings.report(session.out, faults)
    if not fixes and not faults:
        session.out.print(f"{name}: nothing to mend", markup=False)


def _fixes(session: Session, fixes: Iterable[Proposed]) -> None:
    out = session.out
    for fix in fixes:
        words = f"[bold {_NEEDS[fix.need]}]{fix.need}[/] [bold]{escape(fix.code)}[/]"
        out.print(f"{words} ({_rows(fix.count)})", soft_wrap=True)
        out.print(plain(f"  {fix.title}"), markup=False, soft_wrap=True)
        for sample in fix.samples:
            words = plain(f"    line {sample.line:,}: {sample.before}")
            out.print(words, markup=False, soft_wrap=True)
            after = f"→ {sample.after}" if sample.after else "→ removed"
            out.print(plain(f"      {after}"), markup=False, style="green", soft_wrap=True)


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def why_not(told: "Summary") -> str:
    """Why a file cannot be prepared."""
    if told.fault_count:
        rows = _rows(told.fault_count)
        return f"{rows} cannot be mended here: `tunesmith datasets check` tells what to do"
    return "no example is left"


def done(
    session: Session, told: "Summary", prepared: "Sequence[Prepared]", paths: Sequence[str]
) -> None:
    """Say which files were written, and what to type next."""
    from tunesmith.dataset_rules.fixes import dataset_id, next_command, upload_command

    if not prepared:
        session.out.print("The file can be used as it is.")
    for path, file in zip(paths, prepared, strict=False):
        words = f"wrote {path}: {file.row_count:,} rows, {size(file.size_bytes)}"
        session.out.print(words, markup=False, soft_wrap=True)
    ids = [dataset_id(path) for path in paths]
    lines = [upload_command(*each) for each in zip(paths, ids, strict=True)]
    lines.append(next_command(told, *ids))
    _go_on(session, lines, told.prompt_suffix, told.completion_suffix)


def _go_on(
    session: Session, lines: Iterable[str], prompt_suffix: str = "", completion_suffix: str = ""
) -> None:
    session.out.print("\nGo on with:")
    for words in lines:
        session.out.print(f"  {words}", markup=False, soft_wrap=True)
    if prompt_suffix:
        words = f"End the prompts of requests with {prompt_suffix!r}, as those in the data do."
        session.out.print(plain(words), markup=False, soft_wrap=True)
    if completion_suffix:
        words = f"Let answers stop at {completion_suffix!r}: every completion ends with it."
        session.out.print(plain(words), markup=False, soft_wrap=True)


def as_document(outcome: "Outcome", paths: Sequence[str]) -> dict[str, Any]:
    """All of it for programs."""
    import msgspec

    from tunesmith.dataset_rules.fixes import dataset_id, next_command, upload_command

    content: dict[str, Any] = msgspec.to_builtins(outcome)
    ids = [dataset_id(path) for path in paths]
    content["files"] = list(paths)
    content["commands"] = [upload_command(*each) for each in zip(paths, ids, strict=True)]
    if ids:
        content["commands"].append(next_command(outcome.summary, *ids))
    return content


def prepared(
    session: Session,
    name: str,
    response: pb.PrepareDatasetResponse,
    split: pb.SplitDatasetResponse | None,
) -> None:
    """Say what the service has made of a dataset."""
    if response.HasField("dataset"):
        dataset = response.dataset
        words = f"{last(dataset.name)} is at version {dataset.version_number}:"
        words += f" {dataset.example_count:,} examples"
        session.out.print(words, markup=False, soft_wrap=True)
    for estimate in response.estimates:
        words = f"  on {last(estimate.base_model)}: {estimate.tokens_per_epoch:,} tokens an epoch"
        words += f" × {estimate.epochs}"
        if estimate.HasField("cost"):
            words += f", {estimate.cost.micros / 1e6:.2f}"
        if estimate.HasField("seconds"):
            words += f", about {duration(estimate.seconds)}"
        session.out.print(words, markup=False, soft_wrap=True)
    if split is not None:
        sides(session, split, response.command if response.HasField("split") else "")
    elif response.HasField("split"):
        # the service's command is for the sides of the split that it proposed
        _go_on(session, [_command(last(name))])
    elif response.command:
        _go_on(session, [response.command])


def sides(session: Session, response: pb.SplitDatasetResponse, command: str = "") -> None:
    """Say what a split has made, and what to type next."""
    for dataset in (response.training, response.validation):
        words = f"{last(dataset.name)}: {dataset.example_count:,} examples"
        session.out.print(words, markup=False, soft_wrap=True)
    ids = [last(dataset.name) for dataset in (response.training, response.validation)]
    _go_on(session, [command or _command(*ids)])


def _command(training: str, validation: str = "") -> str:
    words = ["tunesmith", "fine-tunes", "create", "-t", training]
    return shlex.join([*words, *(["-v", validation] if validation else []), "-m", "ada"])
