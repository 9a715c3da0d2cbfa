"""A preparation as one job in plain values, for a process of its own."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from tunesmith.dataset_rules.fixes.pieces import OnProgress, no_progress
from tunesmith.dataset_rules.fixes.plan import Choice, Plan, Unfixable, propose
from tunesmith.dataset_rules.fixes.summary import Summary, summary
from tunesmith.dataset_rules.fixes.writing import (
    CannotSplit,
    NothingLeft,
    Prepared,
    apply,
    apply_split,
)
from tunesmith.dataset_rules.shapes import Shape
from tunesmith.dataset_rules.sources import Format
from tunesmith.dataset_rules.split import SplitChoice


@dataclass(frozen=True)
class Job:
    """What to do with one file."""

    path: str
    format: Format | None = None
    shape: Shape | None = None
    choice: Choice = field(default_factory=Choice)
    out: tuple[str, ...] = ()
    """None: propose only. One: the mended file. Two: for training and for validation."""
    split: SplitChoice = field(default_factory=SplitChoice)
    cores: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of it."""

    summary: Summary
    prepared: tuple[Prepared, ...] = ()
    """The files of `Job.out`."""
    refused: str = ""
    """Why nothing was written, if something was to be."""


def run(job: Job) -> Outcome:
    """Do the job. OSError if a file cannot be read or written."""
    plan = propose(job.path, format=job.format, shape=job.shape, choice=job.choice, cores=job.cores)
    return write(plan, job.out, job.split, cores=job.cores)


def write(
    plan: Plan,
    out: Sequence[str] = (),
    split: SplitChoice | None = None,
    *,
    cores: int | None = None,
    on_progress: OnProgress = no_progress,
) -> Outcome:
    """Write what the plan makes to the files of `out`: see `Job`. OSError if that cannot be."""
    told = summary(plan)
    plan = replace(plan, file=replace(plan.file, on_progress=on_progress))
    try:
        if len(out) == 1:
            return Outcome(told, (apply(plan, out[0], cores=cores),))
        if out:
            first, second = map(Path, out)
            sides = apply_split(plan, first, second, split or SplitChoice(), cores=cores)
            return Outcome(told, sides)
    except (Unfixable, CannotSplit, NothingLeft) as error:
        return Outcome(told, refused=str(error))
    return Outcome(told)


def main() -> None:
    """Do the job that stands in JSON on stdin, and write the outcome in JSON to stdout."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(run(job)))
