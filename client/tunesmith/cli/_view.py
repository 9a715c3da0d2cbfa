"""What a terminal shows of a run while it goes on."""

import time
from collections.abc import Callable, Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from tunesmith.cli._text import duration, last, line, named, number, plain
from tunesmith.v1 import common_pb2, event_pb2, fine_tune_pb2

_RECENT = 8
_BAR = 24
_GAP = 2
_WAITING = "waiting"
_STYLES = {
    "succeeded": "bold green",
    "stopped at limit": "bold green",
    "failed": "bold red",
    "cancelled": "bold yellow",
}
_LEVELS = {event_pb2.EVENT_LEVEL_WARNING: "yellow", event_pb2.EVENT_LEVEL_ERROR: "red"}


class View:
    """A headline (state, progress, loss, speed, time left) above the newest events.

    Drawn again and again from another thread: what `add` changes it changes by assignment.

    Args:
        run: the run as it is when the view begins.
        cut_off: whether the service is out of reach at present.
        clock: seconds, from anywhere.
    """

    def __init__(
        self,
        run: fine_tune_pb2.FineTune,
        *,
        cut_off: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run = run
        self._cut_off = cut_off
        self._pace = Pace(clock)
        self._recent: tuple[event_pb2.Event, ...] = ()
        self._values: dict[str, float] = {}
        self._state = _WAITING
        self._step = 0
        self._over = False
        self._spinner = Spinner("line", style="cyan")

    @property
    def knows_the_steps(self) -> bool:
        """Whether it knows how many steps there are: the one thing that no event says."""
        return self.run.status.progress.total_steps > 0

    def add(self, event: event_pb2.Event) -> None:
        """Take an event in."""
        self._recent = (*self._recent, event)[-_RECENT:]
        match event.WhichOneof("detail"):
            case "state_changed":
                self._state = _state(event.state_changed.to)
            case "metrics_reported":
                self._step = event.metrics_reported.step
                self._values = {**self._values, **event.metrics_reported.values}
                self._pace.add(self._step, event.time.ToMilliseconds() / 1000)

    def end(self, run: fine_tune_pb2.FineTune) -> None:
        """Draw the last picture: how the run ended, and in what time."""
        self.run, self._state, self._over = run, _state(run.status.state), True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _flowing(self._cells(), options.max_width)
        for event in self._recent:
            style = _LEVELS.get(event.level, "dim")
            yield Text(line(event), style=style, overflow="ellipsis", no_wrap=True)
        if self._cut_off() and not self._over:
            yield Text("The service is out of reach; trying again. The run goes on.", "yellow")

    def _cells(self) -> Iterator[tuple[RenderableType, int]]:
        """The headline's parts, and how wide they are."""
        progress = self.run.status.progress
        step, total = max(self._step, progress.step if self._over else 0), progress.total_steps
        yield _text(plain(last(self.run.name)), "bold")
        if not self._over:
            yield self._spinner, 1
        yield _text(self._state, _STYLES.get(self._state, "cyan"))
        if total:
            yield ProgressBar(total=total, completed=min(step, total), width=_BAR), _BAR
            yield _text(f"{step}/{total}")
            if progress.epochs:
                epoch = min(progress.epochs, (max(step, 1) - 1) * progress.epochs // total + 1)
                yield _text(f"epoch {epoch}/{progress.epochs}")
        elif step:
            yield _text(f"step {step}")
        if (loss := self._value("training_loss", "train_loss")) is not None:
            yield _text(f"loss {number(loss)}")
        if speed := self._value("tokens_per_second"):
            yield _text(f"{speed:,.0f} tokens/s")
        if self._over:
            if self.run.HasField("end_time"):
                took = self.run.end_time.seconds - self.run.create_time.seconds
                yield _text(f"took {duration(took)}")
        elif self._state == "running" and (left := self._pace.left(total)) is not None:
            yield _text(f"{duration(left)} left")

    def _value(self, *names: str) -> float | None:
        return next((self._values[name] for name in names if name in self._values), None)


class Pace:
    """How long the rest takes, judged by the steps of late.

    The first two of an attempt also fill caches, of training and of validation data, and may take a
    hundred times as long as the rest: they are left out. Steps are timed by the run's own clock;
    how long ago the newest was is taken from this machine's, since the two clocks may differ.
    """

    _WARM_UP = 2
    _STEPS = 20

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: tuple[tuple[int, float], ...] = ()
        self._newest = self._skipped = 0
        self._newest_at = 0.0

    def add(self, step: int, at: float) -> None:
        """Step number `step` ended `at` (seconds)."""
        if step <= self._newest:  # another attempt, from its checkpoint on
            self._seen, self._skipped = (), 0
        self._newest, self._newest_at = step, self._clock()
        if self._skipped < self._WARM_UP - 1:  # the second ends where the third begins
            self._skipped += 1
        else:
            self._seen = (*self._seen, (step, at))[-self._STEPS :]

    def left(self, total: int) -> float | None:
        """Seconds until step `total` ends; None while nobody can tell."""
        seen = self._seen
        if len(seen) < 3 or not total:
            return None
        (first, began), (newest, ended) = seen[0], seen[-1]
        each = (ended - began) / (newest - first)
        return max(0.0, each * (total - newest) - (self._clock() - self._newest_at))


def _flowing(cells: Iterator[tuple[RenderableType, int]], width: int) -> Iterator[Table]:
    """The cells in one row, or in as many as it takes: like words of a paragraph."""
    row: list[RenderableType] = []
    taken = 0
    for cell, wide in cells:
        if row and taken + _GAP + wide > width:
            yield _grid(row)
            row, taken = [], 0
        taken += wide + (_GAP if row else 0)
        row.append(cell)
    yield _grid(row)


def _grid(row: list[RenderableType]) -> Table:
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_row(*row)
    return grid


def _text(words: str, style: str = "") -> tuple[Text, int]:
    return Text(words, style=style, no_wrap=True), cell_len(words)


def _state(number: int) -> str:
    return named(common_pb2.FineTuneState, number, "FINE_TUNE_STATE_")
