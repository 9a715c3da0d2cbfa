"""`results.csv`: the measurements of a run under the names and in the order they have always had.

Pure, so that the command line and the service's OpenAI-compatible port write the same file. Source:
OpenAI's fine-tuning guide, and result files of 2022 and 2023.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

_ALWAYS = (
    "step",
    "elapsed_tokens",
    "elapsed_examples",
    "training_loss",
    "training_sequence_accuracy",
    "training_token_accuracy",
)
_WHERE_MEASURED = (
    "validation_loss",
    "validation_sequence_accuracy",
    "validation_token_accuracy",
)
_MARGINS = ("training_reward_margin", "validation_reward_margin")
"""Of runs that learn preferences; not of the guide."""
_CLASSES = ("accuracy", "weighted_f1_score", "precision", "recall", "auroc", "auprc")

Row = tuple[int, Mapping[str, float]]
"""A step and what was measured at it."""


def columns(rows: Iterable[Row]) -> list[str]:
    """The columns that these rows need.

    Validation and classification have theirs where they were asked for. What is measured besides,
    such as `tokens_per_second`, is not in the file.
    """
    measured = {name for _, values in rows for name in values}
    classes = [f"classification/{name}" for name in _CLASSES]
    f_scores = sorted(name for name in measured if name.startswith("classification/f"))
    optional = (*_WHERE_MEASURED, *_MARGINS, *classes, *f_scores)
    return [*_ALWAYS, *(name for name in optional if name in measured)]


def cells(row: Row, names: Iterable[str]) -> list[str]:
    """One row's cells; empty where nothing was measured at that step."""
    step, values = row
    return [str(step) if name == "step" else _cell(values, name) for name in names]


def csv_text(rows: Sequence[Row]) -> str:
    """The file."""
    names = columns(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(cells(row, names) for row in rows)
    return text.getvalue()


def _cell(values: Mapping[str, float], name: str) -> str:
    if name not in values:
        return ""
    value = values[name]
    # counts travel as floating-point numbers, but results.csv has them as they are
    return str(int(value)) if name.startswith("elapsed_") else repr(float(value))
