import random

import pytest
from tunesmith_trainer.classification import Classes, classification_metrics, resolve_classes
from tunesmith_trainer.failures import BadData
from tunesmith_trainer.metrics import Score
from tunesmith_trainer.spec import Classification


def test_the_guides_worked_example_gives_two_thirds_and_five_sixths():
    score = Score()
    completions, predictions = [[1, 2], [0, 5], [4, 2]], [[1, 1], [0, 5], [4, 2]]
    for true, guessed in zip(completions, predictions, strict=True):
        score.count([one == other for one, other in zip(true, guessed, strict=True)])

    assert score.sequence_accuracy == pytest.approx(2 / 3)
    assert score.token_accuracy == pytest.approx(5 / 6)


def test_the_loss_is_weighted_and_does_not_depend_on_how_the_batch_was_cut():
    whole = Score(loss_sum=3.0, weight_sum=1.5)
    parts = Score(loss_sum=1.0, weight_sum=0.5)
    parts.add(Score(loss_sum=2.0, weight_sum=1.0))

    assert whole.loss == parts.loss == 2.0


def test_binary_metrics_on_a_case_worked_by_hand():
    classes = Classes(tokens=[10, 20], positive=20, betas=[1.0, 2.0])
    # True: + + - -; p(+) 0.9 0.4 0.6 0.1: one true positive, one false, one missed, one true -.
    values = classification_metrics(
        classes, [20, 20, 10, 10], [[0.1, 0.9], [0.6, 0.4], [0.4, 0.6], [0.9, 0.1]]
    )

    assert list(values) == classes.columns
    assert values["classification/accuracy"] == 0.5
    assert values["classification/precision"] == 0.5
    assert values["classification/recall"] == 0.5
    assert values["classification/auroc"] == 0.75  # 3 of the 4 pairs are in order
    assert values["classification/auprc"] == pytest.approx((1 + 2 / 3) / 2)
    assert values["classification/f1.0"] == values["classification/f2.0"] == 0.5


def test_a_probability_of_exactly_one_half_is_not_positive():
    values = classification_metrics(Classes([1, 2], 2, [1.0]), [1, 2], [[0.5, 0.5], [0.2, 0.8]])
    assert values["classification/accuracy"] == 1.0


def test_areas_are_left_out_where_the_file_has_one_class_only():
    values = classification_metrics(Classes([1, 2], 2, [1.0]), [2, 2], [[0.4, 0.6], [0.9, 0.1]])
    assert "classification/auroc" not in values
    assert values["classification/recall"] == 0.5


def test_multiclass_takes_the_most_probable_class():
    classes = Classes(tokens=[1, 2, 3], positive=None, betas=[1.0])
    rows = [[0.5, 0.3, 0.1], [0.1, 0.2, 0.1], [0.1, 0.3, 0.2]]
    values = classification_metrics(classes, [1, 2, 3], rows)

    assert values == {
        "classification/accuracy": pytest.approx(2 / 3),
        "classification/weighted_f1_score": pytest.approx((1 + 2 / 3 + 0) / 3),
    }


def test_auroc_equals_the_share_of_ordered_pairs_with_ties_counted_half():
    draw = random.Random(1)
    truth = [draw.choice([1, 2]) for _ in range(60)]
    scores = [draw.randrange(5) / 5 for _ in truth]
    pairs = [
        (scores[i], scores[j])
        for i in range(60)
        for j in range(60)
        if truth[i] == 2 and truth[j] == 1
    ]
    expected = sum((high > low) + (high == low) / 2 for high, low in pairs) / len(pairs)
    values = classification_metrics(Classes([1, 2], 2, [1.0]), truth, [[1 - s, s] for s in scores])

    assert values["classification/auroc"] == pytest.approx(expected)


LABELS = [(" yes", 5), (" no", 6), (" yes", 5)]


@pytest.mark.parametrize("name", [" yes", "yes"])
def test_the_positive_class_may_be_given_without_its_leading_blank(name):
    assert resolve_classes(Classification(positive_class=name), LABELS).positive == 5


@pytest.mark.parametrize(
    ("wanted", "labels", "message"),
    [
        (Classification(n_classes=2), [*LABELS, (" maybe", 7)], "3 classes; 2 are declared"),
        (Classification(positive_class=" si"), LABELS, "positive class is not among"),
        (Classification(), [(" posh", 5), (" positive", 5)], "same token"),
        (Classification(), [(" yes", 5)], "one class"),
    ],
)
def test_data_that_cannot_be_classified_is_refused(wanted, labels, message):
    with pytest.raises(BadData, match=message):
        resolve_classes(wanted, labels)
