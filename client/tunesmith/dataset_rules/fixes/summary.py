"""A plan in plain values: what people and programs are told of it."""

import re
import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from tunesmith.dataset_rules.column_rules import column_problems
from tunesmith.dataset_rules.columns import Column, Columns
from tunesmith.dataset_rules.excerpts import Quotable
from tunesmith.dataset_rules.fixes.plan import Fix, Plan
from tunesmith.dataset_rules.sensitive import quotable
from tunesmith.dataset_rules.shapes import Shape
from tunesmith.dataset_rules.sources import Format
from tunesmith.dataset_rules.split import validation_count


class Task(StrEnum):
    """What the rows look like they are for."""

    CLASSIFICATION = "classification"
    CONDITIONAL = "conditional generation"
    OPEN_ENDED = "open-ended generation"
    CONVERSATION = "conversation"


@dataclass(frozen=True)
class Split:
    """A split that suggests itself."""

    training_count: int
    validation_count: int
    stratified: bool
    reason: str

    @property
    def validation_share(self) -> float:
        """Of all rows."""
        return self.validation_count / (self.training_count + self.validation_count)


@dataclass(frozen=True)
class Note:
    """Something found in the columns that is worth a word: a finding of the catalogue."""

    code: str
    message: str
    suggestion: str
    count: int


@dataclass(frozen=True)
class Fault:
    """A row that no fix can mend."""

    line: int
    code: str
    pointer: str
    message: str
    suggestion: str


@dataclass(frozen=True)
class Summary:
    """A plan in plain values."""

    shape: Shape | None
    format: Format | None
    row_count: int
    """Rows that can be read, or mended so that they can."""
    rows_after: int
    fixes: tuple[Fix, ...]
    notes: tuple[Note, ...]
    """Of the columns as they are, whether a fix mends it or not."""
    faults: tuple[Fault, ...]
    """The first of them."""
    fault_count: int
    task: Task | None
    class_count: int
    """Of a classification, when prepared; else 0."""
    positive_class: str
    """Of two classes the more frequent, or the one that came first; empty if it is private."""
    prompt_suffix: str
    completion_suffix: str
    split: Split | None


def summary(plan: Plan) -> Summary:
    """The plan in plain values."""
    after, quote = plan.after, quotable()
    classifies = plan.shape is Shape.PROMPT_COMPLETION and after.classifies
    return Summary(
        shape=plan.shape,
        format=plan.file.format,
        row_count=plan.rows_before,
        rows_after=plan.rows_after,
        fixes=plan.fixes,
        notes=tuple(
            Note(problem.code, problem.message, problem.suggestion, count)
            for problem, count in column_problems(plan.before, quote)
        ),
        faults=tuple(
            Fault(line, problem.code, problem.pointer, problem.message, problem.suggestion)
            for line, problem in plan.faults
        ),
        fault_count=plan.fault_count,
        task=_task(plan.shape, after),
        class_count=after.classes if classifies else 0,
        positive_class=_positive(plan, quote) if classifies else "",
        prompt_suffix=_ending(plan, "prompt", quote),
        completion_suffix="" if classifies else _ending(plan, "completion", quote),
        split=_split(after) if classifies else None,
    )


def _task(shape: Shape | None, columns: Columns) -> Task | None:
    if shape is not Shape.PROMPT_COMPLETION:
        return Task.CONVERSATION if shape is Shape.CHAT else None
    if not columns.row_count:
        return None
    if columns.open_ended:
        return Task.OPEN_ENDED
    return Task.CLASSIFICATION if columns.classifies else Task.CONDITIONAL


def _ending(plan: Plan, name: str, quote: Quotable) -> str:
    column: Column = getattr(plan.after, name)
    if column.identical or column.row_count < 2 or name in plan.unquotable:
        return ""
    return quote(column.ending)


def _positive(plan: Plan, quote: Quotable) -> str:
    labels, before = plan.after.distinct.labels, plan.before.distinct.labels
    # as they were before: a secret in lower case is not recognised
    if not labels or len(labels) != 2 or any(quote(label) != label for label in before or labels):
        return ""
    return max(labels, key=lambda label: labels[label])


def _split(columns: Columns) -> Split | None:
    rows = columns.row_count
    validation = validation_count(rows)
    if not 0 < validation < rows:
        return None
    reason = (
        f"{columns.classes} different completions in {rows:,} rows look like classification:"
        " rows that are held out tell how good it has become"
    )
    return Split(rows - validation, validation, True, reason)


def next_command(
    summary: Summary, training: str, validation: str = "", *, base_model: str = ""
) -> str:
    """What to type next, quoted for a shell: the datasets are ids."""
    words = ["tunesmith", "fine-tunes", "create", "-t", training]
    if validation:
        words += ["-v", validation]
    default = "ada" if summary.task is Task.CLASSIFICATION else "curie"
    words += ["-m", base_model or default]
    if validation and summary.class_count > 1:
        words += ["--classification-n-classes", str(summary.class_count)]
        if summary.positive_class:
            words += ["--classification-positive-class", summary.positive_class]
    return shlex.join(words)


def upload_command(path: str, id: str) -> str:
    """How to upload a file, quoted for a shell."""
    return shlex.join(["tunesmith", "datasets", "upload", path, "--id", id])


def dataset_id(path: str) -> str:
    """An id for a dataset that is in a file of this name."""
    stem = PurePath(path).name.removesuffix(".jsonl").lower()
    return re.sub("[^a-z0-9]+", "-", stem).strip("-")[:63].strip("-") or "dataset"
