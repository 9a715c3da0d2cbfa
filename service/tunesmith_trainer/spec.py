"""`run.json`: what a run shall do, resolved to the last value.

The server writes it; a person can too. There is no "auto" left in it but the device. Anything
unknown is refused, so that a misspelt name is never a silent default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from tunesmith_trainer.failures import BadRunSpec

Shape = Literal["prompt_completion", "chat", "preference"]


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Base(_Part):
    """The base model: a folder in the Hugging Face layout, and what it is called."""

    path: AbsolutePath
    name: str = Field(min_length=1)
    digest: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$")


class Data(_Part):
    """The examples, one JSON object a line."""

    training: AbsolutePath
    validation: AbsolutePath | None = None
    shape: Shape


class Lora(_Part):
    """The adapter: its size and where it sits.

    `layers`: only the last so many transformer layers get adapters; None is all of them.
    `targets`: names of linear layers inside a transformer layer; None is all of them.
    """

    rank: int = Field(default=8, ge=1, le=512)
    alpha: float = Field(default=16, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    layers: int | None = Field(default=None, ge=1)
    targets: list[str] | None = Field(default=None, min_length=1)


class Hyperparameters(_Part):
    """Every value of the optimisation.

    `learning_rate` is the peak, reached after `warmup_ratio` of all steps and falling linearly to
    zero at the last. `prompt_loss_weight` weighs tokens that are not completion (completion: 1).
    `max_sequence_length` in tokens, prompt and completion together.
    """

    n_epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=1, le=65_536)
    learning_rate: float = Field(gt=0)
    prompt_loss_weight: float = Field(default=0.01, ge=0, le=1)
    warmup_ratio: float = Field(default=0.1, ge=0, le=1)
    weight_decay: float = Field(default=0.0, ge=0)
    max_sequence_length: int = Field(default=2048, ge=2)
    max_grad_norm: float = Field(default=1.0, gt=0)
    lora: Lora = Lora()


class Classification(_Part):
    """Ask for the classification metrics at the end of each epoch.

    Binary with a `positive_class` (with or without its leading blank), multiclass without.
    """

    n_classes: int | None = Field(default=None, ge=2)
    positive_class: str | None = Field(default=None, min_length=1)
    betas: list[Annotated[float, Field(gt=0)]] = [1.0]


class Dpo(_Part):
    """Direct preference optimisation, instead of supervised training.

    `beta`: how strongly the model is held to where it started; see `preferences.py`.
    """

    beta: float = Field(default=0.1, gt=0, le=2)


class Checkpoints(_Part):
    """`every_steps` None: at the end of each epoch. `keep`: how many of the latest stay."""

    every_steps: int | None = Field(default=None, ge=1)
    keep: int = Field(default=2, ge=1)


class Limits(_Part):
    """What the run may take at most, over all attempts; None is no limit.

    A run that reaches one ends early with what it has learnt. The learning rate and the order of
    the data stay those of the whole plan. `max_seconds` counts the time of training, without that
    of starting up.
    """

    max_trained_tokens: int | None = Field(default=None, ge=1)
    max_seconds: float | None = Field(default=None, gt=0)


class WandbIntegration(_Part):
    """Weights & Biases. `mode` offline writes files in `wandb/` for `wandb sync`.

    `url` None: where the library looks by itself. `credentials`: the library's own, or a key that
    the trainer is handed on its standard input and nothing else.
    """

    type: Literal["wandb"]
    project: str = Field(min_length=1)
    name: str | None = None
    entity: str | None = None
    tags: list[str] = []
    mode: Literal["online", "offline"] = "online"
    url: str | None = None
    credentials: Literal["own", "stdin"] = "own"


class MlflowIntegration(_Part):
    """MLflow. `credentials` as of Weights & Biases; `needs_key`: the server takes none without."""

    type: Literal["mlflow"]
    tracking_uri: str = Field(min_length=1)
    experiment: str = Field(default="Default", min_length=1)
    name: str | None = None
    credentials: Literal["own", "stdin"] = "own"
    needs_key: bool = False


class TensorBoardIntegration(_Part):
    """TensorBoard's event files. `folder` None: `tensorboard/` in the run directory."""

    type: Literal["tensorboard"]
    folder: AbsolutePath | None = None


Integration = Annotated[
    WandbIntegration | MlflowIntegration | TensorBoardIntegration, Field(discriminator="type")
]
"""Where measurements are sent besides. Nothing of it can fail a run."""


class RunSpec(_Part):
    """`run.json` as a whole. `about` is shown with the measurements and means nothing else."""

    format: Literal["tunesmith.run/1"]
    run: str = Field(min_length=1)
    attempt: int = Field(ge=1)
    base: Base
    parent_adapter: AbsolutePath | None = None
    data: Data
    hyperparameters: Hyperparameters
    classification: Classification | None = None
    dpo: Dpo | None = None
    seed: int = Field(default=42, ge=0, lt=2**63)
    threads: int = Field(default=1, ge=1, le=1024)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    checkpoints: Checkpoints = Checkpoints()
    limits: Limits = Limits()
    resume_from: AbsolutePath | None = None
    integrations: list[Integration] = []
    about: dict[str, str | int | float] = {}

    @model_validator(mode="after")
    def _method_fits_the_data(self) -> RunSpec:
        if (self.data.shape == "preference") != (self.dpo is not None):
            raise ValueError("dpo goes with data.shape preference, and with no other")
        return self

    @model_validator(mode="after")
    def _classification_has_what_it_needs(self) -> RunSpec:
        wanted = self.classification
        if wanted is None:
            return self
        if self.data.validation is None:
            raise ValueError("classification needs data.validation")
        if self.data.shape != "prompt_completion":
            raise ValueError("classification needs data.shape prompt_completion")
        if wanted.positive_class is not None and (wanted.n_classes or 2) > 2:
            raise ValueError("classification.positive_class needs classification.n_classes 2")
        return self


def read_run_spec(path: Path) -> RunSpec:
    """The spec in the file at `path`, or BadRunSpec with one line that names the field."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadRunSpec(f"{path}: {error.strerror}") from error
    try:
        spec = RunSpec.model_validate_json(text)
    except ValidationError as error:
        raise BadRunSpec(f"{path}: {_first_problem(error)}") from error
    for field, file in (
        ("data.training", spec.data.training),
        ("data.validation", spec.data.validation),
    ):
        if file is not None and not file.is_file():
            raise BadRunSpec(f"{path}: {field}: there is no file {file}")
    return spec


def _first_problem(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False)
    first = problems[0]
    field = ".".join(str(part) for part in first["loc"]) or "run.json"
    message = first["msg"].removeprefix("Value error, ")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{field}: {message}{more}"
