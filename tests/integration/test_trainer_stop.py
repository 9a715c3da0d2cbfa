"""Ended early: at a limit, to be gone on with, with what was learnt so far, or for good."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tunesmith_trainer import stop_request
from tunesmith_trainer.events import EventLog
from tunesmith_trainer.scoring import Scorer
from tunesmith_trainer.stop_request import StopMode

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
WEIGHTS = "adapter_model.safetensors"
STEPS, PER_EPOCH = 48, 12
CLASSES = {"n_classes": 2, "positive_class": " positive"}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


def a_run(folder, base, **fields):
    """48 steps with dropout, classification and a checkpoint of each step."""
    return run_file(
        folder,
        base,
        sentiments(46),  # the last batch of an epoch is a smaller one
        validation=sentiments(10),
        lora={"dropout": 0.1},
        classification=CLASSES,
        **{"checkpoints": {"every_steps": 1, "keep": 99}, **fields},
    )


@pytest.fixture(scope="module")
def undisturbed(base, tmp_path_factory):
    """The run that nothing ended before its last step."""
    run_json = a_run(tmp_path_factory.mktemp("runs") / "undisturbed", base)
    assert train_here(run_json) == 0
    assert outcome(run_json.parent)["stopped_at"] is None
    return run_json.parent


def asking(monkeypatch, folder, mode, step):
    """Ask the run in `folder` to stop the moment it has told of `step`."""
    tell = EventLog.once

    def once(self, kind, number, **fields):
        tell(self, kind, number, **fields)
        if (kind, number) == ("metrics", step):
            stop_request.ask(folder / "stop.json", mode)

    monkeypatch.setattr(EventLog, "once", once)


def is_the_run_up_to(folder, step, undisturbed):
    """Whether `folder` has the weights and the results that `undisturbed` had after `step`.

    The last row may have more: it is a whole measurement.
    """
    rows, all_rows = results(folder), results(undisturbed)
    training = [name for name in rows[-1] if "valid" not in name and "class" not in name]
    assert rows[:-1] == all_rows[: step - 1]
    assert [rows[-1][name] for name in training] == [all_rows[step - 1][name] for name in training]
    assert all(rows[-1].values()), "the last row is a whole measurement"
    then = undisturbed / "checkpoints" / f"step-{step:06d}"
    assert (folder / "model" / WEIGHTS).read_bytes() == (then / WEIGHTS).read_bytes()


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 7, PER_EPOCH, 29, STEPS - 1])
@pytest.mark.parametrize("more", ["exactly", "all but one of the next"])
def test_the_tokens_are_never_passed_and_missed_by_less_than_a_step(
    base, undisturbed, tmp_path, step, more
):
    sums = [int(row["elapsed_tokens"]) for row in results(undisturbed)]
    most = sums[step - 1] if more == "exactly" else sums[step] - 1
    run_json = a_run(tmp_path / "run", base, limits={"max_trained_tokens": most})
    assert train_here(run_json) == 0

    told = outcome(run_json.parent)
    assert (told["status"], told["stopped_at"]) == ("succeeded", "MAX_TRAINED_TOKENS")
    assert (told["steps"], told["trained_tokens"]) == (step, sums[step - 1])
    assert f"step {step} of {STEPS}" in told["message"]
    is_the_run_up_to(run_json.parent, step, undisturbed)
    warnings = [each["text"] for each in events(run_json.parent) if each.get("level") == "warning"]
    assert warnings == [told["message"]]
    measured = [each for each in events(run_json.parent) if each["kind"] == "metrics"][-1]
    assert (measured["step"], "classification/auroc" in measured["values"]) == (step, True)
    assert told["metrics"] == {k: v for k, v in measured["values"].items() if k in told["metrics"]}


def test_a_limit_that_the_plan_just_keeps_ends_nothing(base, undisturbed, tmp_path):
    most = outcome(undisturbed)["trained_tokens"]
    run_json = a_run(tmp_path / "run", base, limits={"max_trained_tokens": most})
    assert train_here(run_json) == 0
    assert outcome(run_json.parent)["stopped_at"] is None
    is_the_run_up_to(run_json.parent, STEPS, undisturbed)


def test_a_limit_below_the_first_step_is_named_with_what_it_needs(base, undisturbed, tmp_path):
    needed = int(results(undisturbed)[0]["elapsed_tokens"])
    run_json = a_run(tmp_path / "run", base, limits={"max_trained_tokens": needed - 1})
    assert train_here(run_json) == 15
    told = outcome(run_json.parent)
    assert (told["status"], told["reason"]) == ("failed", "NOTHING_LEARNT")
    assert f"The first step needs {needed} tokens" in told["message"]
    assert str(needed) in told["advice"]
    assert (told["model"], told["stopped_at"], told["steps"]) == (None, None, 0)


# peft asks transformers for an attribute under its old name.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_the_model_of_a_run_that_reached_its_limit_answers_as_it_learnt(base, tmp_path):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    limits = {"max_trained_tokens": 20_000}
    values = {"n_epochs": 1_000, "warmup_ratio": 0.0, "prompt_loss_weight": 0.0}
    run_json = run_file(
        tmp_path / "run", base, sentiments(20), hyperparameters=values, limits=limits
    )
    assert train_here(run_json) == 0
    assert outcome(run_json.parent)["stopped_at"] == "MAX_TRAINED_TOKENS"
    tokenizer = AutoTokenizer.from_pretrained(run_json.parent / "model")
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = PeftModel.from_pretrained(plain, run_json.parent / "model").eval()
    for row in sentiments(20):
        ids = tokenizer.encode(row["prompt"], add_special_tokens=False, return_tensors="pt")
        first = model(input_ids=ids).logits[0, -1].argmax().item()
        assert first == tokenizer.encode(row["completion"], add_special_tokens=False)[0]


def test_time_is_limited_over_all_attempts(base, tmp_path):
    limits = {"max_seconds": 0.2}
    values = {"n_epochs": 10_000}
    first = run_file(tmp_path / "first", base, hyperparameters=values, limits=limits)
    assert train_here(first) == 0
    told = outcome(tmp_path / "first")
    assert (told["status"], told["stopped_at"]) == ("succeeded", "MAX_RUN_TIME")
    assert told["training_seconds"] >= 0.2
    assert told["steps"] >= 1

    resumed = {"attempt": 2, "resume_from": str(tmp_path / "first")}
    second = run_file(tmp_path / "second", base, hyperparameters=values, limits=limits, **resumed)
    assert train_here(second) == 0
    again = outcome(tmp_path / "second")
    assert (again["steps"], again["stopped_at"]) == (told["steps"], "MAX_RUN_TIME")
    assert again["training_seconds"] >= told["training_seconds"]

    limits = {"max_seconds": told["training_seconds"] + 0.2}
    third = run_file(tmp_path / "third", base, hyperparameters=values, limits=limits, **resumed)
    assert train_here(third) == 0
    assert outcome(tmp_path / "third")["steps"] > told["steps"]


def test_a_limit_of_an_attempt_is_no_part_of_what_a_checkpoint_must_agree_with(
    base, undisturbed, tmp_path
):
    first = a_run(tmp_path / "first", base, limits={"max_trained_tokens": 1_000})
    assert train_here(first) == 0
    second = a_run(tmp_path / "second", base, attempt=2, resume_from=str(tmp_path / "first"))
    assert train_here(second) == 0
    weights = [(folder / "model" / WEIGHTS).read_bytes() for folder in (undisturbed, second.parent)]
    assert weights[0] == weights[1], "the learning rate is that of the whole plan"


# --- pause ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_paused_wherever_and_however_often_it_ends_as_if_nothing_had_happened(
    base, undisturbed, tmp_path, monkeypatch, seed
):
    stops = sorted(random.Random(f"pauses:{seed}").sample(range(1, STEPS), 4))
    resumed = {}
    # A checkpoint an epoch: what a pause itself writes is what the next attempt goes on from.
    checkpoints = {"every_steps": None, "keep": 2}
    seconds = 0.0
    for attempt, step in enumerate(stops, 1):
        folder = tmp_path / f"attempt-{attempt}"
        run_json = a_run(folder, base, attempt=attempt, checkpoints=checkpoints, **resumed)
        with monkeypatch.context() as patched:
            asking(patched, folder, StopMode.PAUSE, step)
            assert train_here(run_json) == 20
        told = outcome(folder)
        assert (told["status"], told["steps"], told["model"]) == ("stopped", step, None)
        assert told["training_seconds"] > seconds
        seconds = told["training_seconds"]
        resumed = {"resume_from": str(folder)}
    last = a_run(tmp_path / "last", base, attempt=9, checkpoints=checkpoints, **resumed)
    assert train_here(last) == 0

    for name in (f"model/{WEIGHTS}", "results.csv"):
        assert (last.parent / name).read_bytes() == (undisturbed / name).read_bytes()
    told, whole = outcome(last.parent), outcome(undisturbed)
    assert [told[key] for key in ("steps", "trained_tokens", "metrics")] == [
        whole[key] for key in ("steps", "trained_tokens", "metrics")
    ]


@pytest.fixture
def in_a_measurement(monkeypatch):
    """Trains a run whose validation takes many micro-batches, asked to stop in the first of them.

    Gives the exit code, and how many micro-batches there were after the asking.
    """

    def train(run_json, mode):
        forward, seen = Scorer._hidden, []

        def hidden(self, micro):
            seen.append(micro)
            if len(seen) == 3:  # the first step is one micro-batch, and the one step of an epoch
                stop_request.ask(run_json.parent / "stop.json", mode)
            return forward(self, micro)

        with monkeypatch.context() as patched:
            patched.setattr(Scorer, "_hidden", hidden)
            return train_here(run_json), len(seen) - 3

    return train


def much_to_measure(folder, base, **fields):
    long = [{"prompt": "so " * 200 + f"{n} ->", "completion": " positive"} for n in range(40)]
    return run_file(folder, base, sentiments(4), validation=long, **fields)


def test_a_pause_does_not_wait_for_the_end_of_a_measurement_and_loses_nothing(
    base, in_a_measurement, tmp_path
):
    whole = much_to_measure(tmp_path / "whole", base)
    assert train_here(whole) == 0
    first = much_to_measure(tmp_path / "first", base)
    assert in_a_measurement(first, StopMode.PAUSE) == (20, 0)
    assert (outcome(first.parent)["steps"], results(first.parent)) == (1, [])
    assert [each for each in events(first.parent) if each["kind"] == "metrics"] == []

    second = much_to_measure(tmp_path / "second", base, resume_from=str(first.parent))
    assert train_here(second) == 0
    for name in (f"model/{WEIGHTS}", "results.csv"):
        assert (second.parent / name).read_bytes() == (whole.parent / name).read_bytes()
    steps = [each["step"] for each in events(second.parent) if each["kind"] == "metrics"]
    assert steps == [1, 2, 3, 4]
    assert [each["epoch"] for each in events(second.parent) if each["kind"] == "epoch"] == steps


# --- finish -----------------------------------------------------------------------------------


def test_asked_to_finish_it_ends_with_what_it_has_learnt(base, undisturbed, tmp_path, monkeypatch):
    run_json = a_run(tmp_path / "run", base)
    asking(monkeypatch, tmp_path / "run", StopMode.FINISH, 19)
    assert train_here(run_json) == 0
    told = outcome(tmp_path / "run")
    assert (told["status"], told["stopped_at"]) == ("succeeded", "FINISH_REQUESTED")
    assert events(tmp_path / "run")[-1]["stopped_at"] == "FINISH_REQUESTED"
    assert told["steps"] == 19
    is_the_run_up_to(tmp_path / "run", 19, undisturbed)


def test_asked_to_finish_after_the_last_step_it_has_ended_as_planned(
    base, undisturbed, tmp_path, monkeypatch
):
    run_json = a_run(tmp_path / "run", base)
    asking(monkeypatch, tmp_path / "run", StopMode.FINISH, STEPS)
    assert train_here(run_json) == 0
    assert outcome(tmp_path / "run")["stopped_at"] is None
    is_the_run_up_to(tmp_path / "run", STEPS, undisturbed)


def test_an_attempt_that_is_to_finish_from_its_start_finishes_what_it_goes_on_from(
    base, undisturbed, tmp_path
):
    run_json = a_run(
        tmp_path / "run",
        base,
        attempt=2,
        resume_from=str(undisturbed / "checkpoints" / "step-000031"),
    )
    stop_request.ask(tmp_path / "run" / "stop.json", StopMode.FINISH)
    assert train_here(run_json) == 0
    assert outcome(tmp_path / "run")["stopped_at"] == "FINISH_REQUESTED"
    is_the_run_up_to(tmp_path / "run", 31, undisturbed)


def test_a_crash_while_it_ends_early_costs_no_step(base, undisturbed, tmp_path, monkeypatch):
    run_json = a_run(tmp_path / "run", base)
    with monkeypatch.context() as patched:
        asking(patched, tmp_path / "run", StopMode.FINISH, 19)
        assert train_here(run_json) == 0
    (tmp_path / "run" / "outcome.json").unlink()
    shutil.rmtree(tmp_path / "run" / "model")
    assert train_here(run_json) == 0
    assert outcome(tmp_path / "run")["stopped_at"] == "FINISH_REQUESTED"
    is_the_run_up_to(tmp_path / "run", 19, undisturbed)


# --- cancel -----------------------------------------------------------------------------------


def test_cancelled_it_writes_neither_checkpoint_nor_model(base, tmp_path, monkeypatch):
    run_json = a_run(tmp_path / "run", base, checkpoints={"every_steps": None, "keep": 2})
    asking(monkeypatch, tmp_path / "run", StopMode.CANCEL, 5)
    assert train_here(run_json) == 20
    told = outcome(tmp_path / "run")
    assert (told["status"], told["reason"], told["steps"]) == ("stopped", "STOPPED", 5)
    assert told["model"] is None
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_cancel_does_not_wait_for_the_end_of_a_measurement(base, in_a_measurement, tmp_path):
    run_json = much_to_measure(tmp_path / "run", base)
    assert in_a_measurement(run_json, StopMode.CANCEL) == (20, 0)
    told = outcome(tmp_path / "run")
    assert (told["status"], told["model"]) == ("stopped", None)
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


# --- the process ------------------------------------------------------------------------------


def start(run_json):
    """`python -m tunesmith_trainer` as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "tunesmith_trainer", str(run_json)],
        env={**os.environ, "PYTHONPATH": str(SERVICE)},
        stderr=subprocess.DEVNULL,
    )


def wait_for(process, look, *, deadline=60.0):
    """Wait until `look` is true, while the process lives."""
    until = time.monotonic() + deadline
    while not look():
        assert process.poll() is None, f"it ended with {process.returncode}"
        assert time.monotonic() < until
        time.sleep(0.005)


def has_told_of(folder, step):
    path = folder / "events.jsonl"
    return path.exists() and f'"kind":"metrics","step":{step},' in path.read_text()


def test_asked_to_finish_while_it_starts_it_says_that_nothing_was_learnt(base, tmp_path):
    run_json = a_run(tmp_path / "run", base)
    process = start(run_json)
    wait_for(process, (tmp_path / "run" / "lock").exists)  # taken before torch is imported
    stop_request.ask(tmp_path / "run" / "stop.json", StopMode.FINISH)
    assert process.wait(timeout=60) == 15
    told = outcome(tmp_path / "run")
    assert (told["reason"], told["steps"]) == ("NOTHING_LEARNT", 0)
    assert "asked to finish before its first step" in told["message"]


def test_killed_before_it_could_finish_it_finishes_when_it_is_started_again(
    base, undisturbed, tmp_path
):
    run_json = a_run(tmp_path / "run", base, checkpoints={"every_steps": 5, "keep": 2})
    process = start(run_json)
    wait_for(process, lambda: has_told_of(tmp_path / "run", 12))
    process.send_signal(signal.SIGSTOP)  # so that it cannot be quicker than the kill
    stop_request.ask(tmp_path / "run" / "stop.json", StopMode.FINISH)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "run" / "outcome.json").exists()

    assert train_here(run_json) == 0
    told = outcome(tmp_path / "run")
    assert told["stopped_at"] == "FINISH_REQUESTED"
    assert told["steps"] % 5 == 0, "it ends where its last checkpoint was"
    assert told["steps"] >= 10
    is_the_run_up_to(tmp_path / "run", told["steps"], undisturbed)


def test_a_pause_asked_for_by_file_before_the_start_trains_nothing(base, tmp_path):
    run_json = a_run(tmp_path / "run", base)
    (tmp_path / "run" / "stop.json").write_text(json.dumps({"mode": "pause"}))
    process = start(run_json)
    assert process.wait(timeout=60) == 20
    assert outcome(tmp_path / "run")["steps"] == 0
