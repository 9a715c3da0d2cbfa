"""What can be asked of a run, as options: of `plan` and of `create` alike."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import typer

from tunesmith._resources.specs import LimitOptions, RunOptions
from tunesmith.cli import _labels, _moments
from tunesmith.cli._quantities import Unit, read
from tunesmith.cli._session import REQUIRED, Options
from tunesmith.v1 import common_pb2
from tunesmith.v1 import fine_tune_pb2 as pb

_KNOBS, _LIMITS, _QUEUE = "Training", "What it may use up", "Queue and checkpoints"
_TRACKING = "Where measurements are sent besides"
Read = TypeVar("Read")


class OnLimit(StrEnum):
    """What happens when a limit is reached."""

    CHECKPOINT_AND_STOP = "checkpoint-and-stop"
    FAIL = "fail"


class Method(StrEnum):
    """How a run learns."""

    SUPERVISED = "supervised"
    DPO = "dpo"


class Limit(StrEnum):
    """A limit of a run, to take it off."""

    MAX_TRAINED_TOKENS = "max-trained-tokens"
    MAX_COST = "max-cost"
    MAX_RUN_TIME = "max-run-time"
    START_DEADLINE = "start-deadline"
    ON_LIMIT = "on-limit"


def _option(kind: Any, words: str, panel: str, *names: str, **settings: Any) -> tuple[Any, Any]:
    option = typer.Option(*names, help=words, rich_help_panel=panel, show_default=False, **settings)
    return Annotated[kind, option], None


PRIORITY = _option(
    int | None, "Higher goes first within the tenant; 0 is normal.", _QUEUE, min=-100, max=100
)
LIMIT_OPTIONS: Options = {
    "max_trained_tokens": _option(
        str | None, "Train on so many tokens at most, such as 500k.", _LIMITS, metavar="TOKENS"
    ),
    "max_cost": _option(
        str | None, "Cost so much at most, such as 12.50.", _LIMITS, metavar="AMOUNT"
    ),
    "max_run_time": _option(
        str | None, "Train so long at most, such as 90m.", _LIMITS, metavar="TIME"
    ),
    "start_deadline": _option(
        str | None,
        "Expire if it has not started: in so long, such as 2h, or at a time.",
        _LIMITS,
        metavar="TIME",
    ),
    "on_limit": _option(
        OnLimit | None,
        "At a limit, make the last checkpoint the model, or fail.",
        _LIMITS,
    ),
}
RUN_OPTIONS: Options = {
    "training": (
        Annotated[
            str,
            typer.Option("--training", "-t", help="The dataset to learn from.", metavar="DATASET"),
        ],
        REQUIRED,
    ),
    "model": (
        Annotated[
            str,
            typer.Option(
                "--model", "-m", help="A base model, such as ada, or a tuned one to go on."
            ),
        ],
        REQUIRED,
    ),
    "validation": (
        Annotated[
            str, typer.Option("--validation", "-v", help="To measure on.", metavar="DATASET")
        ],
        "",
    ),
    "suffix": (Annotated[str, typer.Option(help="Becomes part of the model's name.")], ""),
    "display_name": (Annotated[str, typer.Option("--name", help="For people.")], ""),
    "label": (_labels.Label, None),
    "method": _option(
        Method | None, "dpo learns from pairs of answers, of which one is preferred.", _KNOBS
    ),
    "beta": _option(
        float | None, "How strongly dpo holds the model to where it began; else 0.1.", _KNOBS
    ),
    "n_epochs": _option(int | None, "Passes over the data.", _KNOBS),
    "batch_size": _option(int | None, "Examples a step.", _KNOBS),
    "learning_rate_multiplier": _option(float | None, "Times the usual rate.", _KNOBS),
    "prompt_loss_weight": _option(float | None, "How much the prompt counts in the loss.", _KNOBS),
    "seed": _option(int | None, "Of every random choice.", _KNOBS),
    "classification_n_classes": _option(int | None, "Measure as a classifier.", _KNOBS),
    "classification_positive_class": _option(
        str | None, "What precision and recall are about.", _KNOBS
    ),
    "classification_beta": _option(
        list[float] | None, "An F-score to compute. May be repeated.", _KNOBS, metavar="BETA"
    ),
    **LIMIT_OPTIONS,
    "priority": PRIORITY,
    "hold": (
        Annotated[
            bool,
            typer.Option(
                "--hold",
                help="Wait until `fine-tunes update --no-hold`.",
                rich_help_panel=_QUEUE,
            ),
        ],
        False,
    ),
    "checkpoint_every": _option(
        int | None, "Steps between checkpoints; else one an epoch.", _QUEUE, metavar="STEPS", min=1
    ),
    "keep_checkpoints": _option(int | None, "How many to keep; else 2.", _QUEUE, min=1, max=100),
    "wandb_project": _option(str | None, "A project of Weights & Biases.", _TRACKING),
    "wandb_name": _option(str | None, "The run's name there; else its name here.", _TRACKING),
    "wandb_entity": _option(str | None, "The team there.", _TRACKING),
    "wandb_tag": _option(list[str] | None, "A tag. May be repeated.", _TRACKING),
    "mlflow_uri": _option(str | None, "An MLflow server that may be used.", _TRACKING),
    "mlflow_experiment": _option(str | None, "The experiment there.", _TRACKING),
}


def asked(values: dict[str, Any]) -> tuple[str, str, RunOptions]:
    """Dataset, base model and the rest, as the client takes them."""
    options: RunOptions = {
        "validation_dataset": values["validation"],
        "suffix": values["suffix"],
        "display_name": values["display_name"],
        "labels": _labels.parsed(values["label"]),
        "method": values["method"] and values["method"].value,
        "beta": values["beta"],
        "n_epochs": values["n_epochs"],
        "batch_size": values["batch_size"],
        "learning_rate_multiplier": values["learning_rate_multiplier"],
        "prompt_loss_weight": values["prompt_loss_weight"],
        "seed": values["seed"],
        "n_classes": values["classification_n_classes"],
        "positive_class": values["classification_positive_class"] or "",
        "betas": values["classification_beta"] or (),
        "priority": values["priority"],
        "hold": values["hold"],
        "checkpoint_every_steps": values["checkpoint_every"],
        "keep_checkpoints": values["keep_checkpoints"],
        "integrations": _integrations(values),
    }
    limit(options, values)
    return values["training"], values["model"], options


def _integrations(values: dict[str, Any]) -> list[pb.Integration]:
    """Where the measurements are sent besides."""
    found = []
    for service, needed in (("wandb", "project"), ("mlflow", "uri")):
        given = {name: values[name] for name in values if name.startswith(f"{service}_")}
        if not given.pop(f"{service}_{needed}"):
            for name in (name for name, value in given.items() if value):
                option = f"--{name.replace('_', '-')}"
                words = f"goes with --{service}-{needed}"
                raise typer.BadParameter(words, param_hint=option)
            continue
        found.append(_wandb(values) if service == "wandb" else _mlflow(values))
    return found


def _wandb(values: dict[str, Any]) -> pb.Integration:
    return pb.Integration(
        wandb=pb.WandbIntegration(
            project=values["wandb_project"],
            display_name=values["wandb_name"] or "",
            entity=values["wandb_entity"] or "",
            tags=values["wandb_tag"] or (),
        )
    )


def _mlflow(values: dict[str, Any]) -> pb.Integration:
    return pb.Integration(
        mlflow=pb.MlflowIntegration(
            tracking_uri=values["mlflow_uri"], experiment=values["mlflow_experiment"] or ""
        )
    )


def limit(options: LimitOptions, values: dict[str, Any]) -> None:
    """Put what the run may use up into what is asked, as the client takes it."""
    action: Any = values["on_limit"] and values["on_limit"].value
    options["max_trained_tokens"] = _read(
        values, "max_trained_tokens", lambda text: read(Unit.TOKENS, text)
    )
    options["max_cost"] = _read(
        values, "max_cost", lambda text: common_pb2.Money(micros=read(Unit.MONEY, text))
    )
    options["max_run_time"] = _read(values, "max_run_time", _moments.span)
    options["start_deadline"] = _read(values, "start_deadline", _moments.after)
    options["on_limit"] = action


def _read(values: dict[str, Any], name: str, how: Callable[[str], Read]) -> Read | None:
    if values[name] is None:
        return None
    try:
        return how(values[name])
    except ValueError as error:
        option = f"--{name.replace('_', '-')}"
        raise typer.BadParameter(str(error), param_hint=option) from None
