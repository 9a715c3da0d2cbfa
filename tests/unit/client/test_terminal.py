"""What fits on a terminal: the live view, and tables of what may be copied."""

import io

import pytest
from rich.console import Console
from tunesmith.cli import _output, _results
from tunesmith.cli._session import Session
from tunesmith.cli._view import Pace, View
from tunesmith.v1 import common_pb2, event_pb2, fine_tune_pb2, model_pb2

RUN = "tenants/acme/fineTunes/bot"
HEADLINE = ("bot", "running", "5/10", "epoch 1/2", "loss 1.5", "1,234 tokens/s", "00:50 left")


def a_run(
    state: int = common_pb2.FINE_TUNE_STATE_RUNNING, steps: int = 0
) -> fine_tune_pb2.FineTune:
    run = fine_tune_pb2.FineTune(name=RUN)
    run.status.state = state  # type: ignore[assignment, unused-ignore]
    run.status.progress.total_steps, run.status.progress.epochs = steps, 2 if steps else 0
    return run


def running() -> event_pb2.Event:
    changed = event_pb2.StateChanged(to=common_pb2.FINE_TUNE_STATE_RUNNING)
    return event_pb2.Event(message="Fine-tune started", state_changed=changed)


def a_step(step: int, at: float, loss: float = 1.5) -> event_pb2.Event:
    values = {"training_loss": loss, "tokens_per_second": 1234.0}
    event = event_pb2.Event(
        message=f"Step {step}",
        metrics_reported=event_pb2.MetricsReported(step=step, values=values),
    )
    event.time.FromMilliseconds(int(at * 1000))
    return event


def drawn(view: View, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(view)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_the_headline_tells_state_progress_loss_speed_and_time_left():
    view = View(a_run(steps=10), clock=lambda: 0.0)
    view.add(running())
    for step in range(1, 6):
        view.add(a_step(step, at=step * 10))
    headline = drawn(view, 120)[0]
    for words in (
        "bot",
        "running",
        "5/10",
        "epoch 1/2",
        "loss 1.5",
        "1,234 tokens/s",
        "00:50 left",
    ):
        assert words in headline


@pytest.mark.parametrize("width", [40, 60, 80])
def test_on_a_narrow_terminal_it_takes_more_lines_and_nothing_is_cut(width: int):
    view = View(a_run(steps=10), clock=lambda: 0.0)
    view.add(running())
    for step in range(1, 6):
        view.add(a_step(step, at=step * 10))
    lines = drawn(view, width)
    assert all(len(line) <= width for line in lines)
    text = " ".join(lines)
    for words in HEADLINE:
        assert words in text


def test_the_last_picture_tells_how_it_ended_and_how_long_it_took():
    view = View(a_run(steps=10))
    view.add(a_step(10, at=100))
    ended = a_run(common_pb2.FINE_TUNE_STATE_SUCCEEDED, steps=10)
    ended.create_time.FromSeconds(1_000)
    ended.end_time.FromSeconds(1_065)
    view.end(ended)
    headline = drawn(view, 120)[0]
    assert "succeeded" in headline
    assert headline.endswith("took 01:05")


def test_it_says_when_the_service_is_out_of_reach_until_the_run_is_over():
    away = True
    view = View(a_run(), cut_off=lambda: away)
    assert "out of reach" in drawn(view, 80)[-1]
    away = False
    assert "out of reach" not in " ".join(drawn(view, 80))
    away = True
    view.end(a_run(common_pb2.FINE_TUNE_STATE_SUCCEEDED))
    assert "out of reach" not in " ".join(drawn(view, 80))


def test_text_of_an_event_cannot_steer_the_terminal():
    view = View(a_run())
    view.add(event_pb2.Event(message="a\x1b[2Jb [bold]c[/bold]"))
    assert drawn(view, 80)[-1].endswith("] a[2Jb [bold]c[/bold]")


def test_the_time_left_leaves_the_first_steps_out_which_fill_caches():
    pace = Pace(clock=lambda: 0.0)
    pace.add(1, at=100)
    pace.add(2, at=200)
    pace.add(3, at=201)
    assert pace.left(10) is None
    pace.add(4, at=202)
    assert pace.left(10) == 6
    assert pace.left(0) is None


def test_the_time_left_runs_down_between_steps_and_starts_anew_with_an_attempt():
    now = 0.0
    pace = Pace(clock=lambda: now)
    for step in range(1, 6):
        pace.add(step, at=step)
    assert pace.left(10) == 5
    now = 2.0
    assert pace.left(10) == 3
    now = 60.0
    assert pace.left(10) == 0
    pace.add(3, at=100)
    assert pace.left(10) is None


class Narrow(Session):
    """A session on a terminal of so many columns."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.file = io.StringIO()
        self._width = width

    def _console(self, *, stderr: bool) -> Console:
        return Console(file=self.file, width=self._width, force_terminal=True, color_system=None)


def listed(width: int, capsys: pytest.CaptureFixture[str]) -> str:
    session = Narrow(width)
    model = model_pb2.Model(name="tenants/acme/models/ada-support-1f2e3d4c", base_model="x" * 20)
    columns = {"model": lambda m: m.name, "base": lambda m: m.base_model, "note": lambda m: "a b"}
    _output.show_all(session, [model], columns, prose=("note",))
    return session.file.getvalue() + capsys.readouterr().err


def test_a_table_never_breaks_a_name_in_two_but_leaves_columns_out_and_says_so(
    capsys: pytest.CaptureFixture[str],
):
    wide, narrow, narrowest = (listed(width, capsys) for width in (120, 70, 45))
    for text in (wide, narrow, narrowest):
        assert "tenants/acme/models/ada-support-1f2e3d4c" in text
    assert "x" * 20 in wide
    assert "No room" not in wide
    assert "x" * 20 in narrow
    assert "No room for note" in narrow
    assert "x" not in narrowest.replace("-o json", "").split("No room")[0]
    assert "No room for base, note" in narrowest


def test_the_columns_of_results_begin_with_what_people_look_for():
    names = [
        "step",
        "elapsed_tokens",
        "elapsed_examples",
        "training_loss",
        "training_token_accuracy",
    ]
    assert _results.for_people([*names, "validation_loss"]) == [
        "step", "training_loss", "validation_loss", "training_token_accuracy",
        "elapsed_tokens", "elapsed_examples",
    ]  # fmt: skip


@pytest.mark.parametrize("steps", [1, 2, 6, 7, 15, 100, 1234, 10**6])
def test_the_axis_of_a_plot_has_few_and_whole_steps(steps: int):
    ticks = _results._ticks(steps)
    assert ticks[0] == 1
    assert 1 <= len(ticks) <= 7
    assert ticks == sorted(set(ticks))
    assert ticks[-1] <= steps
