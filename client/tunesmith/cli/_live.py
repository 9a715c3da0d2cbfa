"""Following a run: a live view on a terminal, a line an event anywhere else."""

import sys
import time
from collections import deque
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tunesmith._errors import TunesmithError
from tunesmith._sync import Client
from tunesmith.cli._session import FAILED, INTERRUPTED, Format, Session
from tunesmith.cli._text import duration, last, local, number, plain, state
from tunesmith.v1 import common_pb2, event_pb2, fine_tune_pb2

_RECENT = 8
_REFRESH_SECONDS = 2.0
_GOOD = (
    common_pb2.FINE_TUNE_STATE_SUCCEEDED,
    common_pb2.FINE_TUNE_STATE_STOPPED_AT_LIMIT,
)
_LEVELS = {event_pb2.EVENT_LEVEL_WARNING: "yellow", event_pb2.EVENT_LEVEL_ERROR: "red"}


def follow(
    session: Session, client: Client, name: str, cursor: str = ""
) -> tuple[fine_tune_pb2.FineTune, int]:
    """Show a run's events until it ends; the run then, and the exit code for how it ended.

    Events go to stderr when a JSON document is wanted on stdout. Ctrl-C ends the watching, not the
    run, with exit code 130.
    """
    aside = session.output is not Format.TABLE
    console = session.progress if aside else session.out
    events = client.fine_tunes.watch(name, cursor=cursor)
    try:
        if console.is_terminal:
            _live(console, client, name, events)
        else:
            for event in events:
                print(line(event), file=sys.stderr if aside else sys.stdout, flush=True)
    except KeyboardInterrupt:
        session.note(f"\nThe run goes on. Follow it again: tunesmith fine-tunes watch {last(name)}")
        session.note(f"Stop it for good: tunesmith fine-tunes cancel {last(name)}")
        raise SystemExit(INTERRUPTED) from None
    finally:
        events.close()
    run = client.fine_tunes.get(name)
    return run, 0 if run.status.state in _GOOD else FAILED


def line(event: event_pb2.Event) -> str:
    """An event as one line."""
    at = local(event.time).strftime("%Y-%m-%d %H:%M:%S")
    return f"[{at}] " + plain(event.message).replace("\n", " ")


def _live(console: Console, client: Client, name: str, events: Iterator[event_pb2.Event]) -> None:
    view = View(last(name))
    asked = 0.0
    with Live(view, console=console, refresh_per_second=4) as live:
        for event in events:
            view.add(event)
            # how far it is and how fast is the service's to say: steps in all are in no event
            if time.monotonic() - asked > _REFRESH_SECONDS:
                asked = time.monotonic()
                try:
                    view.run = client.fine_tunes.get(name)
                except TunesmithError:
                    continue  # the watch itself goes on or says what is wrong
        live.update(view.ended())


class View:
    """What the terminal shows of a run, from its events."""

    def __init__(self, title: str) -> None:
        self.run = fine_tune_pb2.FineTune()
        self._title = title
        self._state = "waiting"
        self._recent: deque[event_pb2.Event] = deque(maxlen=_RECENT)
        self._values: dict[str, float] = {}
        self._step = 0
        self._over = False

    def add(self, event: event_pb2.Event) -> None:
        """Take an event in."""
        self._recent.append(event)
        match event.WhichOneof("detail"):
            case "state_changed":
                name = common_pb2.FineTuneState.Name(event.state_changed.to)
                self._state = state(name, "FINE_TUNE_STATE_")
            case "metrics_reported":
                self._step = event.metrics_reported.step
                self._values.update(event.metrics_reported.values)

    def ended(self) -> "View":
        """The last picture: without the time left."""
        self._over = True
        return self

    def __rich__(self) -> RenderableType:
        recent = [
            Text(line(event), style=_LEVELS.get(event.level, "dim"), overflow="ellipsis")
            for event in self._recent
        ]
        for text in recent:
            text.no_wrap = True
        return Group(self._headline(), *recent)

    def _headline(self) -> Table:
        progress = self.run.status.progress
        step, total = max(self._step, progress.step), progress.total_steps
        cells: list[RenderableType] = [
            Text(self._title, style="bold", no_wrap=True),
            Text(self._state, style="cyan", no_wrap=True),
        ]
        if total:
            cells.append(ProgressBar(total=total, completed=min(step, total), width=24))
            cells.append(Text(f"{step}/{total}", no_wrap=True))
            if progress.epochs:
                epoch = min(progress.epochs, (max(step, 1) - 1) * progress.epochs // total + 1)
                cells.append(Text(f"epoch {epoch}/{progress.epochs}", no_wrap=True))
        loss = self._value("training_loss", "train_loss")
        if loss is not None:
            cells.append(Text(f"loss {number(loss)}", no_wrap=True))
        speed = progress.tokens_per_second or self._value("tokens_per_second")
        if speed:
            cells.append(Text(f"{speed:,.0f} tokens/s", no_wrap=True))
        if not self._over and progress.HasField("estimated_finish_time"):
            left = progress.estimated_finish_time.seconds - time.time()
            cells.append(Text(f"{duration(left)} left", no_wrap=True))
        table = Table.grid(padding=(0, 2))
        table.add_row(*cells)
        return table

    def _value(self, *names: str) -> float | None:
        return next((self._values[name] for name in names if name in self._values), None)
