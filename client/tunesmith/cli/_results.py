"""The measurements of a run for people: as a table, as curves."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tunesmith import results
from tunesmith.v1 import fine_tune_pb2

Column = Callable[[fine_tune_pb2.ResultRow], object]
_CURVES = {
    "training": ("training_loss", "train_loss"),
    "validation": ("validation_loss", "valid_loss"),
}


def rows_of(rows: Iterable[fine_tune_pb2.ResultRow]) -> list[results.Row]:
    """As `tunesmith.results` takes them."""
    return [(row.step, row.values) for row in rows]


def for_people(names: Iterable[str]) -> list[str]:
    """The columns with what people look for first: not every terminal has room for all."""
    order = ("step", "training_loss", "validation_loss")
    first = [name for name in order if name in (names := list(names))]
    counts = [name for name in names if name.startswith("elapsed_")]
    return [*first, *(name for name in names if name not in (*first, *counts)), *counts]


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
