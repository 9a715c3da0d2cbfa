"""A preparation as people read it, and the questions that it asks."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.markup import escape

from tunesmith.cli._session import Session
from tunesmith.cli._text import duration, last, plain, size
from tunesmith.v1 import dataset_pb2 as pb

if TYPE_CHECKING:
    from tunesmith.dataset_rules.fixes import Choice, Outcome, Prepared, Summary

SPLIT = "- [Recommended] Split into training and validation data"
_NEEDS = {"necessary": "red", "inherent": "blue", "recommended": "yellow", "optional": "blue"}


@dataclass(frozen=True)
class Wanted:
    """What the options say."""

    yes: bool
    fixes: Sequence[str]
    left_out: Sequence[str]
    split: bool | None
    seed: int
    group_by: str


class _Sample(Protocol):
    @property
    def line(self) -> int: ...

    @property
    def before(self) -> str: ...

    @property
    def after(self) -> str: ...


def asks(session: Session, wanted: Wanted) -> bool:
    """Whether somebody is there who is to be asked."""
    return sys.stdin.isatty() and not wanted.yes and not wanted.fixes and not session.machine


def yes(session: Session, question: str) -> bool:
    """Whether the answer is not a no, as with the old tool."""
    answer = session.ask(f"{question} [Y/n]:")
    return answer is not None and answer.lower() not in ("n", "no")


def asked(
    session: Session, wanted: Wanted, choice: "Choice", told: "Summary"
) -> tuple["Choice", bool]:
    """The fixes that are chosen, and whether to split; asks for each if somebody is there."""
    from tunesmith.dataset_rules.fixes import Choice, Need

    declined = set(choice.declined)
    split = told.split is not None if wanted.split is None else wanted.split
    if asks(session, wanted):
        session.note("\nThese are applied:")
        for fix in told.fixes:
            if fix.need in (Need.NECESSARY, Need.INHERENT):
                session.note(f"- [{fix.need.capitalize()}] {fix.title}")
            elif (
                fix.need is Need.RECOMMENDED
                and fix.code not in declined
                and not yes(session, f"- [Recommended] {fix.title}")
            ):
                declined.add(fix.code)
        if wanted.split is None and told.split is not None:
            split = yes(session, SPLIT)
    return Choice(choice.recommended, choice.named, frozenset(declined)), split


def plan(session: Session, file: Path, told: "Summary") -> None:
    """Write what was found in a file, and each fix with samples."""
    out = session.out
    shape = told.shape.replace("_", "/") if told.shape else "no known shape"
    task = f", {told.task}" if told.task else ""
    out.print(f"{file}: {told.row_count:,} rows, {shape}{task}", markup=False, soft_wrap=True)
    for note in told.notes:
        times = f" × {note.count:,}" if note.count != told.row_count else ""
        out.print(plain(f"  {note.message}{times}"), markup=False, soft_wrap=True)
    for fix in told.fixes:
        _fix(session, fix.code, str(fix.need), fix.title, fix.count, fix.samples)
    for fault in told.faults[:5]:
        words = f"  line {fault.line:,}: {fault.message} ({fault.code})"
        out.print(plain(words), markup=False, style="red", soft_wrap=True)
    if not told.fixes and not told.fault_count:
        out.print("nothing to mend")


def _fix(
    session: Session, code: str, need: str, title: str, count: int, samples: Iterable[_Sample]
) -> None:
    out = session.out
    style = _NEEDS.get(need, "bold")
    rows = f"{count:,} row" + ("s" if count != 1 else "")
    out.print(f"[bold {style}]{need}[/] [bold]{escape(code)}[/] ({rows})", soft_wrap=True)
    out.print(plain(f"  {title}"), markup=False, soft_wrap=True)
    for sample in samples:
        out.print(plain(f"    line {sample.line:,}: {sample.before}"), markup=False, soft_wrap=True)
        after = f"→ {sample.after}" if sample.after else "→ removed"
        out.print(plain(f"      {after}"), markup=False, style="green", soft_wrap=True)


def why_not(told: "Summary") -> str:
    """Why a file cannot be prepared."""
    if told.fault_count:
        rows = f"{told.fault_count:,} row" + ("s" if told.fault_count != 1 else "")
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


def proposal(session: Session, name: str, response: pb.PrepareDatasetResponse) -> None:
    """Write what the service proposes."""
    if not response.fixes:
        session.out.print(f"{name}: nothing to mend", markup=False)
    for fix in response.fixes:
        _fix(session, fix.code, _need(fix), fix.title, fix.count, fix.samples)


def chosen(session: Session, wanted: Wanted, response: pb.PrepareDatasetResponse) -> list[str]:
    """The codes of the fixes to apply; asks for each if somebody is there."""
    codes = list(wanted.fixes)
    if wanted.fixes and not wanted.yes:
        return codes
    for fix in response.fixes:
        need = _need(fix)
        if need == "optional" or fix.code in wanted.left_out:
            continue
        if (
            need != "recommended"
            or not asks(session, wanted)
            or yes(session, f"- [Recommended] {fix.title}")
        ):
            codes.append(fix.code)
    return codes


def _need(fix: pb.DatasetFix) -> str:
    """How much a fix is needed; one that only a later service knows is recommended."""
    from tunesmith.dataset_rules.fixes import FIXES

    if fix.necessary:
        return "necessary"
    return str(FIXES[fix.code].need) if fix.code in FIXES else "recommended"


def prepared(
    session: Session, response: pb.PrepareDatasetResponse, split: pb.SplitDatasetResponse | None
) -> None:
    """Say what the service has made."""
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
        sides(session, split)
    elif response.command:
        _go_on(session, [response.command])


def sides(session: Session, response: pb.SplitDatasetResponse) -> None:
    """Say what a split has made."""
    for dataset in (response.training, response.validation):
        words = f"{last(dataset.name)}: {dataset.example_count:,} examples"
        session.out.print(words, markup=False, soft_wrap=True)
    training, validation = last(response.training.name), last(response.validation.name)
    _go_on(session, [f"tunesmith fine-tunes create -t {training} -v {validation} -m ada"])
