"""The old guide's classification metrics, on the whole validation file at the end of an epoch.

A class is known by the *first token* of its completion. Its probability is that token's in the
softmax over the whole vocabulary. Multiclass: the most probable class is the prediction. Binary:
positive exactly if the positive class's probability is above 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith_trainer.failures import BadData
from tunesmith_trainer.spec import Classification


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of a run: first tokens in ascending order, and which is positive (binary)."""

    tokens: list[int]
    positive: int | None
    betas: list[float]

    @property
    def columns(self) -> list[str]:
        """The columns of `results.csv`, in the order that OpenAI's had."""
        if self.positive is None:
            names = ["accuracy", "weighted_f1_score"]
        else:
            names = ["accuracy", "precision", "recall", "auroc", "auprc"]
            names += [f"f{float(beta)}" for beta in self.betas]
        return [f"classification/{name}" for name in names]


def resolve_classes(wanted: Classification, labels: Sequence[tuple[str, int]]) -> Classes:
    """The classes in `labels`, given as (completion without stop, first token) of every example.

    BadData if there are more than declared, if two begin with the same token, or if the positive
    class is not among them.
    """
    first_token: dict[str, int] = {}
    for label, token in labels:
        first_token[label.strip()] = token
    allowed = wanted.n_classes or (2 if wanted.positive_class is not None else None)
    if allowed is not None and len(first_token) > allowed:
        raise BadData(
            f"The data has {len(first_token)} classes; {allowed} are declared.",
            advice="Declare the number of different completions, or correct the odd ones.",
        )
    tokens = sorted(set(first_token.values()))
    if len(tokens) < len(first_token):
        raise BadData(
            "Two classes begin with the same token, so that it cannot tell them apart.",
            advice="Choose class names that differ in their first token.",
        )
    if len(tokens) < 2:
        raise BadData("All examples are of one class.", advice="Give examples of each class.")
    positive = None
    if wanted.positive_class is not None:
        if wanted.positive_class.strip() not in first_token:
            raise BadData(
                "The positive class is not among the completions.",
                advice="Give the positive class as it stands in the data.",
            )
        positive = first_token[wanted.positive_class.strip()]
    return Classes(tokens, positive, list(wanted.betas))


def classification_metrics(
    classes: Classes, truth: Sequence[int], probabilities: Sequence[Sequence[float]]
) -> dict[str, float]:
    """The metrics under their column names.

    `truth` has the first token of each true completion, `probabilities` the probabilities of
    `classes.tokens` in that order. A share of nothing is 0; the areas are left out where the file
    has one class only, as they are not defined there.
    """
    from sklearn import metrics

    if classes.positive is None:
        predicted = [
            classes.tokens[max(range(len(row)), key=row.__getitem__)] for row in probabilities
        ]
        values = [
            metrics.accuracy_score(truth, predicted),
            metrics.f1_score(truth, predicted, average="weighted", zero_division=0),
        ]
        return dict(zip(classes.columns, map(float, values), strict=True))
    column = classes.tokens.index(classes.positive)
    scores = [row[column] for row in probabilities]
    positives = [token == classes.positive for token in truth]
    guesses = [score > 0.5 for score in scores]
    both = len(set(positives)) == 2
    binary: list[float | None] = [
        metrics.accuracy_score(positives, guesses),
        metrics.precision_score(positives, guesses, zero_division=0),
        metrics.recall_score(positives, guesses, zero_division=0),
        metrics.roc_auc_score(positives, scores) if both else None,
        metrics.average_precision_score(positives, scores) if both else None,
        *(metrics.fbeta_score(positives, guesses, beta=b, zero_division=0) for b in classes.betas),
    ]
    named = zip(classes.columns, binary, strict=True)
    return {name: float(value) for name, value in named if value is not None}
