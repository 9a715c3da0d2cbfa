import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tunesmith_server.domain.catalogue import BUILT_IN
from tunesmith_server.domain.errors import InvalidArgument
from tunesmith_server.domain.fine_tune import Dpo, Hyperparameters, Lora
from tunesmith_server.domain.hyperparameters import DPO, SUPERVISED, resolve

ADA = next(base for base in BUILT_IN if base.id == "ada")


def test_the_guides_defaults_hold_where_nothing_is_asked():
    got, settings = resolve(Hyperparameters(), ADA, examples=10_000)
    assert (got.n_epochs, got.prompt_loss_weight) == (4, 0.01)
    assert got.batch_size == 20  # 0.2 % of the examples
    assert got.learning_rate_multiplier == 0.1
    assert got.learning_rate == pytest.approx(1e-3)
    assert got.lora_layers == 10
    assert {s.source for s in settings} <= {"guide", "catalogue", "server"}


def test_the_batch_size_stays_between_the_catalogues_floor_and_256():
    assert resolve(Hyperparameters(), ADA, examples=400)[0].batch_size == 8
    assert resolve(Hyperparameters(), ADA, examples=3)[0].batch_size == 3
    assert resolve(Hyperparameters(), ADA, examples=10**6)[0].batch_size == 256


def test_a_value_of_the_spec_is_kept_and_said_to_come_from_there():
    got, settings = resolve(Hyperparameters(n_epochs=2), ADA, examples=400)
    assert got.n_epochs == 2
    (epochs,) = [s for s in settings if s.path == f"{SUPERVISED}.n_epochs"]
    assert (epochs.value, epochs.source) == ("2", "spec")


def test_every_value_out_of_range_is_named_at_once():
    asked = Hyperparameters(n_epochs=51, learning_rate=2.0, lora=Lora(rank=0))
    with pytest.raises(InvalidArgument) as caught:
        resolve(asked, ADA, examples=400)
    assert [violation.field.rpartition(".")[2] for violation in caught.value.violations] == [
        "n_epochs",
        "learning_rate",
        "rank",
    ]


def test_dpo_takes_smaller_steps_over_fewer_epochs_and_says_why():
    got, settings = resolve(Hyperparameters(), ADA, examples=10_000, dpo=Dpo())
    assert (got.n_epochs, got.beta, got.prompt_loss_weight) == (3, 0.1, 0)
    assert got.learning_rate == pytest.approx(1e-4)
    assert all(s.path.startswith(f"{DPO}.") for s in settings)
    (beta,) = [s for s in settings if s.path.endswith(".beta")]
    assert (beta.value, beta.source) == ("0.1", "server")
    assert not [s for s in settings if s.path.endswith("prompt_loss_weight")]
    assert resolve(Hyperparameters(), ADA, examples=10, dpo=Dpo(0.5))[0].beta == 0.5


@pytest.mark.parametrize("beta", [0.0, -1.0, 2.1, math.nan])
def test_a_beta_out_of_range_is_named(beta: float):
    with pytest.raises(InvalidArgument) as caught:
        resolve(Hyperparameters(prompt_loss_weight=0.1), ADA, examples=10, dpo=Dpo(beta))
    assert [violation.field for violation in caught.value.violations] == [
        "fine_tune.spec.dpo.hyperparameters.prompt_loss_weight",
        "fine_tune.spec.dpo.beta",
    ]


@given(st.integers(1, 10**7))
def test_a_default_batch_is_never_larger_than_the_dataset(examples: int):
    assert 1 <= resolve(Hyperparameters(), ADA, examples=examples)[0].batch_size <= examples
