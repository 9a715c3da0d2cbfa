from pathlib import Path

import pytest
import torch
from torch.nn import functional
from tunesmith_trainer.activations import Activations
from tunesmith_trainer.base import load_base
from tunesmith_trainer.examples import Example
from tunesmith_trainer.failures import BadBaseModel, BadRunSpec
from tunesmith_trainer.head import CHUNK_ROWS, frozen_head_loss
from tunesmith_trainer.network import Network
from tunesmith_trainer.scoring import SupervisedScorer
from tunesmith_trainer.spec import Base, Lora
from tunesmith_trainer.stop_request import StopRequest

EXAMPLES = [
    Example([(7 * n + at) % 500 for at in range(5 + n % 9)], [(3, 5 + n % 9)]) for n in range(24)
]


@pytest.fixture
def network(base):
    def make(seed=1, **lora):
        loaded = load_base(Base(path=base, name="tiny"), torch.device("cpu"))
        made = Network(loaded.model, Lora(**lora), seed=seed, base_name="tiny")
        for parameter in made.trainable.values():  # B is zero at the start, which hides mistakes
            torch.nn.init.normal_(parameter, std=0.05)
        return made

    return make


def scorer(network, *, cached, prompt_weight=0.1, spill=Path("unused"), **limit):
    sequences = [example.tokens[:-1] for example in EXAMPLES]
    activations = Activations(network, sequences, spill=spill, **limit) if cached else None
    return SupervisedScorer(
        network,
        EXAMPLES,
        prompt_weight=prompt_weight,
        activations=activations,
        request=StopRequest(Path("nobody-asks")),
        tell=print,
    )


def gradients(network):
    return torch.cat([p.grad.flatten() for p in network.trainable.values()])


def test_the_head_gives_the_loss_and_the_gradient_that_torch_gives():
    torch.manual_seed(0)
    rows = CHUNK_ROWS + 44  # more than a chunk, and not a multiple
    hidden = torch.randn(rows, 16, requires_grad=True)
    other = hidden.detach().clone().requires_grad_()
    weight, bias = torch.randn(50, 16), torch.randn(50)
    targets, weights = torch.randint(50, (rows,)), torch.rand(rows)

    loss, right = frozen_head_loss(hidden, weight, bias, targets, weights)
    (loss * 0.5).backward()
    logits = functional.linear(other, weight, bias)
    expected = (functional.cross_entropy(logits, targets, reduction="none") * weights).sum()
    (expected * 0.5).backward()

    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(hidden.grad, other.grad)
    assert torch.equal(right, logits.argmax(dim=-1) == targets)


def test_the_cached_network_trains_as_the_whole_one_does(network):
    whole, cut = network(layers=2), network(layers=2)
    cut.restore({name: p.detach() for name, p in whole.trainable.items()}, what="it")
    one = scorer(whole, cached=False).train(range(24))
    other = scorer(cut, cached=True).train(range(24))

    assert cut.cut == 2
    assert one.loss == pytest.approx(other.loss, rel=1e-5)
    torch.testing.assert_close(gradients(whole), gradients(cut), rtol=1e-3, atol=1e-6)


def test_activations_are_the_same_bits_whatever_order_they_are_asked_in_and_wherever_kept(
    network, tmp_path
):
    tokens = [example.tokens[:-1] for example in EXAMPLES]
    one = Activations(network(layers=2), tokens, spill=tmp_path / "one")
    other = Activations(network(layers=2), tokens, spill=tmp_path / "two", memory_limit=0)
    one.batch([23])
    other.batch([4, 5])

    assert torch.equal(one.batch([3, 17, 8]), other.batch([3, 17, 8]))
    assert not list(tmp_path.iterdir())  # the file has no name: a crash leaves nothing behind


def test_a_batch_is_one_sum_however_it_is_cut(network):
    one, other = network(), network()
    whole = scorer(one, cached=False).train(range(24))
    apart = scorer(other, cached=False)
    apart.budget = 1
    cut = apart.train(range(24))

    assert cut.loss == pytest.approx(whole.loss, rel=1e-5)
    torch.testing.assert_close(gradients(one), gradients(other), rtol=1e-3, atol=1e-6)


def test_padding_does_not_change_what_an_example_scores(network):
    scored = scorer(network(), cached=False)
    together = scored.evaluate(range(24))[0]
    apart = [scored.evaluate([number])[0] for number in range(24)]

    assert together.loss_sum == pytest.approx(sum(score.loss_sum for score in apart), rel=1e-5)
    assert together.tokens_right == sum(score.tokens_right for score in apart)


def test_prompts_weigh_in_the_loss_but_never_in_the_accuracies(network):
    made = network()
    light = scorer(made, cached=False, prompt_weight=0.0).evaluate(range(24))[0]
    heavy = scorer(made, cached=False, prompt_weight=1.0).evaluate(range(24))[0]

    assert light.loss != heavy.loss
    assert (
        light.tokens
        == heavy.tokens
        == sum(end - start for e in EXAMPLES for start, end in e.learnt)
    )
    assert light.tokens_right == heavy.tokens_right
    assert light.sequences == 24


def test_the_base_may_be_cut_and_its_head_is_plain(network):
    assert network(layers=2).check([1, 2, 3, 4])
    assert not network().check([1, 2, 3, 4])


def test_a_head_that_treats_its_logits_is_refused(network):
    made = network()
    made._head.weight.data[0] += 1  # as if ours were not the model's own
    made._head = torch.nn.Linear(128, 512, bias=False).requires_grad_(False)
    with pytest.raises(BadBaseModel, match="treats its logits"):
        made.check([1, 2, 3])


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        ({"layers": 5}, "the base has 4 layers, not 5"),
        ({"targets": ["q_proj", "c_attn"]}, "the base has no c_attn"),
    ],
)
def test_an_adapter_that_the_base_has_no_place_for_is_refused(network, lora, message):
    with pytest.raises(BadRunSpec, match=message):
        network(**lora)
