from hypothesis import given
from hypothesis import strategies as st
from tunesmith_trainer.batches import epoch_batches, micro_batches
from tunesmith_trainer.schedule import learning_rate, steps_per_epoch

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=400)


@given(LENGTHS, st.integers(1, 40), st.integers(0, 2**63 - 1), st.integers(1, 9))
def test_an_epoch_has_every_example_once_in_batches_of_the_size_asked(lengths, size, seed, epoch):
    batches = epoch_batches(lengths, batch_size=size, seed=seed, epoch=epoch)

    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    assert len(batches) == steps_per_epoch(len(lengths), size)
    assert sorted(map(len, batches), reverse=True)[:-1] == [size] * (len(batches) - 1)
    assert batches == epoch_batches(lengths, batch_size=size, seed=seed, epoch=epoch)


def test_epochs_and_seeds_differ_in_their_order():
    lengths = [1] * 100
    orders = {
        str(epoch_batches(lengths, batch_size=8, seed=seed, epoch=epoch))
        for seed in (1, 2)
        for epoch in (1, 2)
    }
    assert len(orders) == 4


def test_the_order_never_changes_between_releases_or_machines():
    # A resumed run relies on it: a change here is a change of the checkpoint format.
    assert epoch_batches([3, 1, 2, 5, 4], batch_size=2, seed=42, epoch=1) == [[1, 2], [0, 4], [3]]


@given(LENGTHS, st.integers(1, 1024))
def test_micro_batches_keep_the_token_budget_but_for_single_examples(lengths, budget):
    cut = micro_batches(range(len(lengths)), lengths, budget=budget)

    assert sorted(number for micro in cut for number in micro) == list(range(len(lengths)))
    for micro in cut:
        assert len(micro) == 1 or len(micro) * max(lengths[n] for n in micro) <= budget


def test_length_bucketing_leaves_little_padding():
    lengths = [5 + (number * 37) % 60 for number in range(512)]
    batches = epoch_batches(lengths, batch_size=8, seed=1, epoch=1)
    padded = sum(len(batch) * max(lengths[n] for n in batch) for batch in batches)
    assert padded / sum(lengths) < 1.15


@given(st.integers(1, 500), st.floats(0, 1), st.floats(1e-6, 1))
def test_the_learning_rate_rises_to_its_peak_and_falls_without_reaching_zero(total, ratio, peak):
    rates = [
        learning_rate(step, total=total, warmup_ratio=ratio, peak=peak)
        for step in range(1, total + 1)
    ]
    top = rates.index(max(rates))

    assert all(0 < rate <= peak * (1 + 1e-12) for rate in rates)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_the_learning_rate_of_a_run_of_ten_steps_with_two_of_warm_up():
    rates = [learning_rate(n, total=10, warmup_ratio=0.2, peak=0.9) for n in (1, 2, 3, 10)]
    assert [round(rate, 3) for rate in rates] == [0.45, 0.9, 0.8, 0.1]
