"""What the demo shows: colours and a live bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import plotext
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tunesmith.v1 import event_pb2

_WIDTH, _HEIGHT = 72, 12
_LINES = 10
"""Into so many parts a plain log divides a run's steps."""


class View:
    """Steps, and what they said, on stdout."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._console = Console(highlight=False, soft_wrap=True)
        self._steps = 0

    def step(self, title: str) -> None:
        """Begin a part of the story."""
        self._steps += 1
        self._show(f"\n{self._steps}. {title}", "bold cyan")

    def say(self, text: str) -> None:
        """One line of it."""
        self._show(f"   {text}")

    def verdict(self, before: float, after: float, rows: int, model: str) -> None:
        """What it was all about."""
        self._show(f"\n{model}", "bold green")
        self._show(f"right before: {before:6.1%}   after: {after:6.1%}   of {rows} tweets", "bold")

    def commands(self, lines: Sequence[str]) -> None:
        """What to type next."""
        self._show("\nTo go on with it:", "bold")
        for line in lines:
            self._show(f"  {line}")

    def plot(self, drawing: str) -> None:
        """A drawing as it is."""
        sys.stdout.write(f"\n{drawing}\n")
        sys.stdout.flush()

    def problem(self, text: str) -> None:
        """Why it did not go as it should, on stderr."""
        sys.stdout.flush()
        sys.stderr.write(f"error: {text}\n")

    @contextmanager
    def training(self) -> Iterator[Training]:
        """The part of the story in which a run is followed."""
        if not self._terminal:
            yield Training(self.say)
            return
        columns = (
            TextColumn("   training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as bar:
            yield LiveTraining(self.say, bar)

    def _show(self, text: str, style: str = "") -> None:
        if self._terminal:
            self._console.print(text, style=style, markup=False)
        else:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()


class Training:
    """The events of a run as lines."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._shown = 0

    def show(self, event: event_pb2.Event, total: int) -> None:
        """Take one event in; `total` is the number of steps, 0 while it is not known."""
        if event.WhichOneof("detail") != "metrics_reported":
            self._say(event.message)
        else:
            self.step(event, total)

    def step(self, event: event_pb2.Event, total: int) -> None:
        """One training step: in a plain log not every one is worth a line."""
        part = event.metrics_reported.step * _LINES // total if total else 0
        if part > self._shown:
            self._shown = part
            self._say(event.message)

    def note(self, text: str) -> None:
        """Something that is no event."""
        self._say(f"*** {text}")


class LiveTraining(Training):
    """The same with the steps as a bar."""

    def __init__(self, say: Callable[[str], None], bar: Progress) -> None:
        super().__init__(say)
        self._bar = bar
        self._task = bar.add_task("", total=None, figures="")

    def step(self, event: event_pb2.Event, total: int) -> None:
        """One training step."""
        values = event.metrics_reported.values
        figures = f"loss {values['training_loss']:.3f}, {values['tokens_per_second']:.0f} tokens/s"
        self._bar.update(
            self._task,
            completed=event.metrics_reported.step,
            total=total or None,
            figures=figures,
        )


def loss_plot(
    training: Sequence[tuple[int, float]], validation: Sequence[tuple[int, float]]
) -> str:
    """The losses over the steps, as text."""
    figure = plotext.figure
    figure.clear()
    figure.plot_size(_WIDTH, _HEIGHT)
    for name, points, marker in (
        ("training loss", training, "braille"),
        ("validation loss", validation, "o"),
    ):
        if points:
            line = figure.signal(*map(list, zip(*points, strict=True)), marker=marker)
            line.lines(marker == "braille")
            line.label(name)
            figure.draw(line)
    figure.legend(x=_WIDTH - 28, y=0)
    return str(plotext.uncolorize(str(figure.build())))
