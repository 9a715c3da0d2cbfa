import json
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from tunesmith_trainer.activations import Activations
from tunesmith_trainer.base import load_base
from tunesmith_trainer.examples import Example
from tunesmith_trainer.failures import BadBaseModel, BadData, BadRunSpec
from tunesmith_trainer.head import CHUNK_ROWS, frozen_head_log_probabilities
from tunesmith_trainer.network import Network
from tunesmith_trainer.preferences import PreferenceScore, PreferenceScorer, encode_pairs
from tunesmith_trainer.records import Chat, read_records
from tunesmith_trainer.spec import Base, Lora, read_run_spec
from tunesmith_trainer.stop_request import StopRequest

from tests.unit.trainer.running import preferences, run_file, write_jsonl

PAIRS = [
    [
        Example([(7 * n + at) % 500 for at in range(6 + n % 5 + more)], [(3, 6 + n % 5 + more)])
        for more in (0, 2)
    ]
    for n in range(12)
]
SEQUENCES = [sequence for pair in PAIRS for sequence in pair]
BETA = 0.3


@pytest.fixture
def network(base):
    loaded = load_base(Base(path=base, name="tiny"), torch.device("cpu"))
    return Network(loaded.model, Lora(layers=2), seed=1, base_name="tiny")


def scorer(network, *, cached=False):
    sequences = [sequence.tokens[:-1] for sequence in SEQUENCES]
    return PreferenceScorer(
        network,
        SEQUENCES,
        beta=BETA,
        activations=Activations(network, sequences, spill=Path("unused")) if cached else None,
        request=StopRequest(Path("nobody-asks")),
        tell=print,
    )


def moved(network):
    """As after some training."""
    torch.manual_seed(5)
    for parameter in network.trainable.values():
        torch.nn.init.normal_(parameter.data, std=0.05)


def log_probability(network, sequence):
    """By plain torch."""
    (start, end), tokens = sequence.learnt[0], torch.tensor([sequence.tokens])
    logits = functional.linear(network.whole(tokens[:, :-1])[0], *network.head)
    chosen = functional.log_softmax(logits, dim=-1).gather(1, tokens[0, 1:, None]).squeeze(1)
    return chosen[start - 1 : end - 1].sum()


def test_the_head_gives_the_log_probabilities_and_the_gradient_that_torch_gives():
    torch.manual_seed(0)
    rows = CHUNK_ROWS + 44
    hidden = torch.randn(rows, 16, requires_grad=True)
    other = hidden.detach().clone().requires_grad_()
    weight, bias, targets = torch.randn(50, 16), torch.randn(50), torch.randint(50, (rows,))
    slopes = torch.randn(rows)

    found, right = frozen_head_log_probabilities(hidden, weight, bias, targets)
    (found * slopes).sum().backward()
    logits = functional.linear(other, weight, bias)
    expected = functional.log_softmax(logits, dim=-1).gather(1, targets[:, None]).squeeze(1)
    (expected * slopes).sum().backward()

    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(hidden.grad, other.grad)
    assert torch.equal(right, logits.argmax(dim=-1) == targets)


def test_a_model_that_has_not_moved_loses_log_two_and_prefers_nothing(network):
    score, found = scorer(network).evaluate(range(len(PAIRS)))
    assert score.loss == pytest.approx(math.log(2))
    assert (score.pairs, score.preferred, found) == (len(PAIRS), 0, {})
    assert score.columns("training")["training_reward_margin"] == 0


@pytest.mark.parametrize("cached", [False, True])
def test_loss_and_gradient_are_those_of_the_paper(network, cached):
    ours = scorer(network, cached=cached)
    before = [log_probability(network, each).detach() for each in SEQUENCES]
    moved(network)
    score = ours.train(range(len(PAIRS)))
    gradient = torch.cat([p.grad.flatten() for p in network.trainable.values()])
    for parameter in network.trainable.values():
        parameter.grad = None

    now = [log_probability(network, each) for each in SEQUENCES]
    ratios = [after - start for after, start in zip(now, before, strict=True)]
    margins = torch.stack([BETA * (ratios[at] - ratios[at + 1]) for at in range(0, len(ratios), 2)])
    loss = -functional.logsigmoid(margins).mean()
    loss.backward()

    assert score.loss == pytest.approx(loss.item(), rel=1e-4)
    assert score.preferred == int((margins > 0).sum())
    assert score.columns("x")["x_reward_margin"] == pytest.approx(margins.mean().item(), rel=1e-3)
    expected = torch.cat([p.grad.flatten() for p in network.trainable.values()])
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-6)


def test_the_numbers_of_a_worked_example():
    # margins 1 and -1: losses log(1 + 1/e) and log(1 + e), one of two preferred
    score = PreferenceScore(loss_sum=math.log1p(math.exp(-1)) + math.log1p(math.e), pairs=2)
    score.add(PreferenceScore(margin_sum=0.0, preferred=1, tokens=4, tokens_right=3))
    assert score.columns("validation") == {
        "validation_loss": pytest.approx(0.8132617),
        "validation_sequence_accuracy": 0.5,
        "validation_token_accuracy": 0.75,
        "validation_reward_margin": 0.0,
    }


def test_how_a_batch_is_cut_changes_nothing_but_the_last_bits(network):
    ours = scorer(network)
    moved(network)
    whole = ours.train(range(8))
    gradient = torch.cat([p.grad.flatten() for p in network.trainable.values()])
    for parameter in network.trainable.values():
        parameter.grad = None
    ours.budget = 30  # one pair at a time
    cut = ours.train(range(8))
    assert cut.loss == pytest.approx(whole.loss, rel=1e-5)
    other = torch.cat([p.grad.flatten() for p in network.trainable.values()])
    torch.testing.assert_close(gradient, other, rtol=1e-3, atol=1e-6)


def test_of_a_conversation_the_answer_alone_is_learnt(base):
    tokenizer = load_base(Base(path=base, name="tiny"), torch.device("cpu")).tokenizer
    asked = [
        {"role": "user", "content": "1?"},
        {"role": "assistant", "content": "one"},
        {"role": "user", "content": "2?"},
    ]
    row = preferences(1)[0] | {"input": {"messages": asked}}
    file = write_jsonl(base.parent / "pairs.jsonl", [row])
    encoded = encode_pairs(read_records(file, "preference").records, tokenizer, limit=512)
    preferred, other = encoded.examples
    learnt = [tokenizer.decode(s.tokens[slice(*s.learnt[0])]) for s in (preferred, other)]
    assert [len(s.learnt) for s in (preferred, other)] == [1, 1]
    assert learnt[0].startswith("Yes.")
    assert learnt[1].startswith("Well, that")
    start = preferred.learnt[0][0]
    assert preferred.tokens[:start] == other.tokens[:start]


def test_pairs_that_do_not_differ_within_the_limit_are_dropped_and_none_left_is_refused(base):
    tokenizer = load_base(Base(path=base, name="tiny"), torch.device("cpu")).tokenizer
    long = preferences(1)[0]
    for field in ("preferred_output", "non_preferred_output"):
        text = "word " * 200 + field
        long = long | {field: [{"role": "assistant", "content": text}]}
    file = write_jsonl(base.parent / "long.jsonl", [*preferences(2), long])
    records = read_records(file, "preference").records
    encoded = encode_pairs(records, tokenizer, limit=100)
    assert (len(encoded.records), len(encoded.examples), encoded.dropped) == (2, 4, 1)
    with pytest.raises(BadData, match="No pair has two answers that differ"):
        encode_pairs(records, tokenizer, limit=3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input": "hi"}, 'needs "input" as an object with messages'),
        ({"input": {"messages": []}}, 'needs "messages" as a list that is not empty'),
        ({"preferred_output": None}, 'needs "preferred_output" as a list of one assistant message'),
        ({"non_preferred_output": []}, 'needs "non_preferred_output" as a list of one'),
        (
            {"preferred_output": [{"role": "user", "content": "x"}]},
            'has in "preferred_output" a message that is not the assistant\'s',
        ),
        ({"preferred_output": [{"role": "assistant"}]}, 'needs "content" as a string'),
        (
            {"non_preferred_output": [{"role": "assistant", "content": ""}]},
            'has an empty answer in "non_preferred_output"',
        ),
        (
            {"input": {"messages": [{"role": "assistant", "content": "x"}]}},
            'has an "input" that ends with an answer already',
        ),
        (
            {"preferred_output": preferences(1)[0]["non_preferred_output"]},
            "has the same answer twice",
        ),
    ],
)
def test_a_row_that_is_no_pair_is_named(tmp_path, change, words):
    file = write_jsonl(tmp_path / "pairs.jsonl", [*preferences(1), preferences(1)[0] | change])
    with pytest.raises(BadData, match=f"pairs.jsonl, line 2 {words}"):
        read_records(file, "preference")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dpo": {"beta": 0}}, "dpo.beta: Input should be greater than 0"),
        ({"dpo": {"beta": 2.5}}, "dpo.beta: Input should be less than or equal to 2"),
        ({"dpo": None}, "dpo goes with data.shape preference"),
        ({"shape": "chat", "dpo": {}}, "dpo goes with data.shape preference"),
    ],
)
def test_a_spec_of_which_method_and_data_do_not_fit_is_refused(tmp_path, base, fields, words):
    values = {"shape": "preference", "dpo": {}} | fields
    path = run_file(tmp_path / "run", base, preferences(), **values)
    with pytest.raises(BadRunSpec, match=words):
        read_run_spec(path)


def test_no_number_is_not_a_beta(tmp_path, base):
    path = run_file(tmp_path / "run", base, preferences(), shape="preference", dpo={})
    text = json.dumps(json.loads(path.read_text()) | {"dpo": {"beta": math.nan}})
    path.write_text(text)
    with pytest.raises(BadRunSpec, match=r"dpo\.beta"):
        read_run_spec(path)


def test_a_base_without_a_chat_template_is_refused(base):
    tokenizer = load_base(Base(path=base, name="tiny"), torch.device("cpu")).tokenizer
    tokenizer.chat_template = None
    file = write_jsonl(base.parent / "some.jsonl", preferences(1))
    records = read_records(file, "preference").records
    assert not isinstance(records[0], Chat)
    with pytest.raises(BadBaseModel, match="no chat template"):
        encode_pairs(records, tokenizer, limit=100)
