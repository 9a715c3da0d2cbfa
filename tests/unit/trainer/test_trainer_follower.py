"""Feeding a tracker that fails in every way, from an event log."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tunesmith_trainer.integrations.follower import Follower, words
from tunesmith_trainer.integrations.tracker import End, Facts, Measured, Refused

END = End("succeeded", {"model_digest": "sha256:1"})


class FakeTracker:
    """Keeps what it is told, and raises what is in `faults`: one at each call, until none is left.

    `known`: the last step that the service had before.
    """

    def __init__(self, known: int = 0, **faults: list[Exception | None]) -> None:
        self.faults = faults
        self.known = known
        self.steps: list[int] = []
        self.facts: Facts | None = None
        self.end: object = "open"

    def _maybe(self, call: str) -> None:
        left = self.faults.get(call, [])
        if left and (fault := left.pop(0)):
            raise fault

    def open(self, facts: Facts) -> int:
        self._maybe("open")
        self.facts = facts
        return max([self.known, *self.steps])

    def log(self, measurements: Sequence[Measured]) -> None:
        for each in measurements:
            self._maybe("log")
            self.steps.append(each.step)

    def close(self, end: End | None) -> None:
        self._maybe("close")
        self.end = end


class FakeOrders:
    """Ends after so many looks; waiting takes no time."""

    def __init__(self, looks: int, end: End | None = END) -> None:
        self.left = looks
        self.end = end
        self.waited: list[float] = []

    @property
    def ended(self) -> bool:
        self.left -= 1
        return self.left < 0

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)


def run(folder: Path, tracker: FakeTracker, looks: int = 6) -> tuple[bool, list[str], FakeOrders]:
    """Whether the service has everything, what the owner of the run was told, and the orders."""
    told: list[str] = []
    orders = FakeOrders(looks)
    follower = Follower(
        tracker,
        "a-run",
        {"n_epochs": 2},
        folder,
        orders,  # type: ignore[arg-type]
        fault=lambda error: told.append(str(error)),
        mended=lambda: told.append("mended"),
    )
    return follower.follow(), told, orders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five steps, which go on from the third of an earlier attempt."""
    rows = ["step,training_loss", *(f"{step},0.5" for step in range(1, 9))]
    (tmp_path / "results.csv").write_text("\n".join(rows) + "\n")
    write(tmp_path, start=3, steps=range(4, 9))
    return tmp_path


def write(folder: Path, *, start: int, steps: range) -> None:
    events = [{"kind": "message"}, {"kind": "prepared", "start_step": start, "total_steps": 8}]
    events += [
        {
            "kind": "metrics",
            "time": "2026-01-01T00:00:00.000Z",
            "step": step,
            "epoch": 1,
            "values": {"step": step, "training_loss": 0.5},
        }
        for step in steps
    ]
    lines = [json.dumps(event) + "\n" for event in events]
    (folder / "events.jsonl").write_text("".join(lines) + '{"kind": "metr')


def test_every_step_is_told_once_and_then_the_end(folder: Path):
    tracker = FakeTracker()
    done, told, _ = run(folder, tracker)
    assert (done, told) == (True, [])
    assert tracker.steps == [1, 2, 3, 4, 5, 6, 7, 8]
    assert tracker.facts == Facts("a-run", {"n_epochs": 2, "total_steps": 8})
    assert tracker.end == END


def test_a_service_is_not_told_what_it_has(folder: Path):
    tracker = FakeTracker(known=5)
    assert run(folder, tracker)[0]
    assert tracker.steps == [6, 7, 8]


@pytest.mark.parametrize(
    "faults",
    [
        {"open": [OSError("away")]},
        {"open": [None, OSError("twice")], "log": [None, None, OSError("away")]},
        {"log": [OSError("away")]},
        {"log": [None] * 4 + [OSError("away")]},
        {"close": [OSError("away")]},
    ],
)
def test_what_a_service_missed_is_told_when_it_is_back(
    folder: Path, faults: dict[str, list[Exception | None]]
):
    tracker = FakeTracker(**faults)
    done, told, orders = run(folder, tracker, looks=12)
    assert done
    assert told == ["away", "mended"]
    assert tracker.steps == [1, 2, 3, 4, 5, 6, 7, 8]
    assert tracker.end == END
    assert 5.0 in orders.waited


def test_a_service_that_stays_away_is_named_once_and_asked_less_and_less(folder: Path):
    tracker = FakeTracker(open=[OSError("away")] * 100)
    done, told, orders = run(folder, tracker, looks=12)
    assert (done, told) == (False, ["away"])
    pauses = [each for each in orders.waited if each >= 5]
    assert pauses == sorted(pauses)
    assert len(set(pauses)) > 1


def test_a_service_that_refuses_is_not_asked_again(folder: Path):
    tracker = FakeTracker(open=[Refused("no key")])
    assert run(folder, tracker, looks=100)[:2] == (False, ["no key"])
    assert tracker.end == "open"


def test_a_run_that_never_began_is_not_told_of(tmp_path: Path):
    tracker = FakeTracker()
    assert run(tmp_path, tracker)[:2] == (True, [])
    assert tracker.facts is None


def test_a_key_in_the_words_of_an_error_is_not_repeated():
    error = ValueError("the key\nsecret-key is wrong: " + "x" * 500)
    assert words(error, without="secret-key").startswith("the key [key] is wrong: xxx")
    assert len(words(error, without=None)) == 200
    assert words(KeyError(), without=None) == "KeyError"
