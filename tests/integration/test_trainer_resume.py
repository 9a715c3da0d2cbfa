"""Killed, stopped and resumed: the end is the same to the last bit."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tunesmith_trainer.checkpoints import latest_checkpoint
from tunesmith_trainer.failures import BadRunSpec

from tests.unit.trainer.running import (
    events,
    outcome,
    results,
    run_file,
    sentiments,
    tiny_base,
    train_here,
)

SERVICE = Path(__file__).parents[2] / "service"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


def long_run(folder, base, **fields):
    """240 steps with dropout, cached lower layers, validation and checkpoints in odd places."""
    return run_file(
        folder,
        base,
        sentiments(48),
        validation=sentiments(10),
        lora={"dropout": 0.1},
        hyperparameters={"n_epochs": 20},
        **{"checkpoints": {"every_steps": 7, "keep": 2}, **fields},
    )


@pytest.fixture(scope="module")
def undisturbed(base, tmp_path_factory):
    """The run that nobody interrupted."""
    run_json = long_run(tmp_path_factory.mktemp("runs") / "undisturbed", base)
    assert train_here(run_json) == 0
    return run_json.parent


def start(run_json):
    """`python -m tunesmith_trainer` as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "tunesmith_trainer", str(run_json)],
        env={**os.environ, "PYTHONPATH": str(SERVICE)},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_step(run_json, step, process, *, deadline=60.0):
    """Wait until the events tell of `step`."""
    path = run_json.parent / "events.jsonl"
    until = time.monotonic() + deadline
    while time.monotonic() < until:
        if path.exists() and f'"kind":"metrics","step":{step},' in path.read_text():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    raise AssertionError(f"no step {step} within {deadline} s")


def ended_alike(one, other):
    """Whether two runs' weights and result files are the same bytes."""
    return all(
        (one / name).read_bytes() == (other / name).read_bytes()
        for name in ("model/adapter_model.safetensors", "results.csv")
    )


def test_killed_and_started_again_it_ends_as_if_nothing_had_happened(base, undisturbed, tmp_path):
    run_json = long_run(tmp_path / "run", base)
    process = start(run_json)
    wait_for_step(run_json, 25, process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.communicate()
    assert not (tmp_path / "run" / "outcome.json").exists()
    assert train_here(run_json) == 0

    assert ended_alike(tmp_path / "run", undisturbed)
    told = events(tmp_path / "run")
    assert [event["sequence"] for event in told] == list(range(1, len(told) + 1))
    steps = [event["step"] for event in told if event["kind"] == "metrics"]
    assert steps == list(range(1, 241))
    starts = [event["start_step"] for event in told if event["kind"] == "prepared"]
    assert starts[0] == 0
    assert starts[1] >= 21


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_leaves_a_checkpoint_from_which_another_attempt_goes_on(
    base, undisturbed, tmp_path, number
):
    run_json = long_run(tmp_path / "first", base)
    process = start(run_json)
    wait_for_step(run_json, 12, process)
    process.send_signal(number)
    assert process.wait(timeout=30) == 20
    process.communicate()

    told = outcome(tmp_path / "first")
    assert (told["status"], told["reason"]) == ("stopped", "STOPPED")
    assert told["steps"] == len(results(tmp_path / "first")) < 240
    assert (told["model"], told["stopped_at"]) == (None, None)
    checkpoint, _ = latest_checkpoint(tmp_path / "first")
    assert checkpoint is not None
    assert checkpoint.progress.step == told["steps"]

    second = long_run(tmp_path / "second", base, attempt=2, resume_from=str(tmp_path / "first"))
    assert train_here(second) == 0
    assert ended_alike(tmp_path / "second", undisturbed)
    assert events(tmp_path / "second")[-1]["status"] == "succeeded"


def test_a_signal_before_the_first_step_is_not_lost(base, tmp_path):
    run_json = long_run(tmp_path / "run", base)
    process = start(run_json)
    until = time.monotonic() + 30
    while not (tmp_path / "run" / "lock").exists():  # taken before torch is imported
        assert time.monotonic() < until
        time.sleep(0.005)
    process.terminate()
    assert process.wait(timeout=30) == 20
    process.communicate()
    assert outcome(tmp_path / "run")["steps"] == 0
    assert outcome(tmp_path / "run")["model"] is None


@pytest.fixture
def halfway(undisturbed, tmp_path):
    """A copy of the finished run as a crash at its end would have left it."""
    folder = tmp_path / "halfway"
    shutil.copytree(undisturbed, folder)
    (folder / "outcome.json").unlink()
    shutil.rmtree(folder / "model")
    return folder


def test_a_crash_after_the_last_step_costs_no_step(halfway, undisturbed):
    before = events(halfway)
    assert train_here(halfway / "run.json") == 0
    assert ended_alike(halfway, undisturbed)
    after = events(halfway)[len(before) :]
    assert {event["kind"] for event in after} == {"message", "prepared"}


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(halfway, undisturbed):
    last = halfway / "checkpoints" / "step-000240"
    weights = last / "optimizer.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert train_here(halfway / "run.json") == 0

    assert ended_alike(halfway, undisturbed)
    texts = [event["text"] for event in events(halfway) if event["kind"] == "message"]
    assert "Checkpoint step-000240 is damaged and was not used." in texts
    assert "Resumed from step 238." in texts


def test_an_unfinished_checkpoint_is_not_there(halfway):
    (halfway / "checkpoints" / "step-000240").rename(halfway / "checkpoints" / ".tmp-step-000240")
    checkpoint, damaged = latest_checkpoint(halfway)
    assert checkpoint is not None
    assert (checkpoint.progress.step, damaged) == (238, [])


def test_a_checkpoint_folder_can_be_resumed_by_itself(undisturbed, base, tmp_path):
    lone = tmp_path / "elsewhere"
    shutil.copytree(undisturbed / "checkpoints" / "step-000238", lone)
    run_json = long_run(tmp_path / "run", base, resume_from=str(lone))
    assert train_here(run_json) == 0
    assert ended_alike(run_json.parent, undisturbed)


def test_a_checkpoint_of_other_hyperparameters_is_refused(undisturbed, base, tmp_path):
    run_json = long_run(tmp_path / "run", base, resume_from=str(undisturbed))
    spec = json.loads(run_json.read_text())
    spec["hyperparameters"]["learning_rate"] = 0.5
    run_json.write_text(json.dumps(spec))
    with pytest.raises(BadRunSpec, match="it differs in hyperparameters"):
        train_here(run_json)
