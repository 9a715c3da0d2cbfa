"""The measurements of a run: as results.csv, as a table, as curves."""

import csv
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

from tunesmith.v1 import fine_tune_pb2

# the names and the order that results.csv has always had
_ALWAYS = (
    "step",
    "elapsed_tokens",
    "elapsed_examples",
    "training_loss",
    "training_sequence_accuracy",
    "training_token_accuracy",
)
_WHERE_MEASURED = (
    "validation_loss",
    "validation_sequence_accuracy",
    "validation_token_accuracy",
)
Column = Callable[[fine_tune_pb2.ResultRow], object]
_CLASSES = ("accuracy", "weighted_f1_score", "precision", "recall", "auroc", "auprc")
_CURVES = {
    "training": ("training_loss", "train_loss"),
    "validation": ("validation_loss", "valid_loss"),
}


def columns(rows: Iterable[fine_tune_pb2.ResultRow]) -> list[str]:
    """The columns of results.csv that these rows need.

    Validation and classification have theirs where they were asked for. What is measured besides,
    such as `tokens_per_second`, is in the JSON output alone.
    """
    measured = {name for row in rows for name in row.values}
    classes = [f"classification/{name}" for name in _CLASSES]
    f_scores = sorted(name for name in measured if name.startswith("classification/f"))
    optional = (*_WHERE_MEASURED, *classes, *f_scores)
    return [*_ALWAYS, *(name for name in optional if name in measured)]


def for_people(names: Iterable[str]) -> list[str]:
    """The columns with what people look for first: not every terminal has room for all."""
    order = ("step", "training_loss", "validation_loss")
    first = [name for name in order if name in (names := list(names))]
    counts = [name for name in names if name.startswith("elapsed_")]
    return [*first, *(name for name in names if name not in (*first, *counts)), *counts]


def cells(row: fine_tune_pb2.ResultRow, names: Iterable[str]) -> list[str]:
    """One row's cells; empty where nothing was measured at that step."""
    return [str(row.step) if name == "step" else _cell(row.values, name) for name in names]


def write_csv(file: TextIO, rows: Sequence[fine_tune_pb2.ResultRow]) -> None:
    """Write results.csv."""
    names = columns(rows)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(cells(row, names) for row in rows)


def curves(rows: Sequence[fine_tune_pb2.ResultRow]) -> dict[str, list[tuple[int, float]]]:
    """The loss by step, of training and, where it was measured, of validation."""
    found: dict[str, list[tuple[int, float]]] = {}
    for label, names in _CURVES.items():
        points = [
            (row.step, row.values[name]) for row in rows for name in names if name in row.values
        ]
        if points:
            found[label] = points
    return found


def plot(rows: Sequence[fine_tune_pb2.ResultRow], *, width: int, height: int, color: bool) -> str:
    """The curves as text of `width` columns and `height` lines; empty if there is nothing yet."""
    import plotext

    lines = curves(rows)
    if not lines:
        return ""
    figure: Any = plotext.figure
    figure.clear()
    figure.plot_size(width, height)
    figure.title("loss by step")
    for label, points in lines.items():
        steps, losses = zip(*points, strict=True)
        # without colours the two must differ in shape
        marker = "*" if label == "validation" and not color else "hd"
        figure.draw(figure.signal(steps, losses, marker=marker).lines().label(label))
    figure.ruler("x").ticks(_ticks(max(row.step for row in rows)))
    # to the right: on the left is where a loss falls
    figure.legend(x=width - 10, y=0, ha="right", va="top")
    text: str = figure.build().string(not color)
    return text.rstrip("\n")


def _ticks(steps: int) -> list[int]:
    """At most seven round steps for the axis: there is no step 16.5."""
    sizes = (size * 10**power for power in range(18) for size in (1, 2, 5))
    every = next(size for size in sizes if steps / size <= 6)
    return [1, *range(every, steps + 1, every)] if every > 1 else list(range(1, steps + 1))


def _cell(values: Any, name: str) -> str:
    if name not in values:
        return ""
    value: float = values[name]
    # counts travel as floating-point numbers, but results.csv has them as they are
    return str(int(value)) if name.startswith("elapsed_") else repr(value)
