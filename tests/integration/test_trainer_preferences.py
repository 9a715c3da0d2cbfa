"""Training on preferences: it learns, and goes on after a kill as if nothing had happened."""

import os
import signal

import pytest

from tests.integration.test_trainer_resume import ended_alike, start, wait_for_step
from tests.unit.trainer.running import (
    events,
    outcome,
    preferences,
    results,
    run_file,
    tiny_base,
    train_here,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


def preferring(folder, base, **fields):
    """A run over pairs, with others held out."""
    return run_file(
        folder,
        base,
        preferences(32),
        validation=preferences(16, start=1000),
        shape="preference",
        lora={"dropout": 0.1},
        hyperparameters={"n_epochs": 5, "learning_rate": 0.003},
        **{"dpo": {"beta": 0.1}, "checkpoints": {"every_steps": 3, "keep": 2}, **fields},
    )


@pytest.fixture(scope="module")
def undisturbed(base, tmp_path_factory):
    run_json = preferring(tmp_path_factory.mktemp("runs") / "undisturbed", base)
    assert train_here(run_json) == 0
    return run_json.parent


def test_it_learns_to_prefer_what_was_preferred_also_where_it_was_not_trained(undisturbed):
    rows = results(undisturbed)
    first, last = rows[0], rows[-1]
    assert float(first["training_loss"]) == pytest.approx(0.6931, abs=1e-3)
    assert float(first["training_reward_margin"]) == pytest.approx(0, abs=1e-3)
    assert float(last["validation_sequence_accuracy"]) == 1
    assert float(last["validation_loss"]) < 0.3
    assert float(last["validation_reward_margin"]) > 1


def test_tokens_are_those_of_both_answers_and_the_model_is_served_as_a_chat(undisturbed):
    (prepared,) = [each for each in events(undisturbed) if each["kind"] == "prepared"]
    assert (prepared["training_examples"], prepared["validation_examples"]) == (32, 16)
    end = outcome(undisturbed)
    assert end["status"] == "succeeded"
    assert end["trained_tokens"] > 5 * 32 * 2 * 10  # two conversations a pair
    contract = (undisturbed / "model" / "contract.json").read_text()
    assert '"shape": "preference"' in contract or '"shape":"preference"' in contract
    assert "template" in contract


def test_killed_at_any_moment_it_ends_with_the_same_weights(undisturbed, base, tmp_path):
    run_json = preferring(tmp_path / "killed", base)
    for step in (1, 4, 17):
        process = start(run_json)
        wait_for_step(run_json, step, process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert train_here(run_json) == 0
    assert ended_alike(run_json.parent, undisturbed)


def test_another_beta_is_another_run(base, tmp_path):
    run_json = preferring(tmp_path / "first", base)
    assert train_here(run_json) == 0
    other = preferring(
        tmp_path / "second", base, dpo={"beta": 0.5}, resume_from=str(run_json.parent)
    )
    with pytest.raises(Exception, match="it differs in dpo"):
        train_here(other)
