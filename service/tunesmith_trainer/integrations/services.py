"""Which services there are, and what all of them are told of a run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from tunesmith_trainer.integrations.mlflow_run import MlflowRun
from tunesmith_trainer.integrations.tensorboard_files import TensorBoardFiles
from tunesmith_trainer.integrations.tracker import Tracker, Value
from tunesmith_trainer.integrations.wandb_run import WandbRun
from tunesmith_trainer.spec import (
    Integration,
    MlflowIntegration,
    RunSpec,
    TensorBoardIntegration,
    WandbIntegration,
)

EXTRAS = {"wandb": "wandb", "mlflow": "mlflow", "tensorboard": "tensorboard"}
"""The extra of the distribution that has the library of each type."""
_TITLES = {"wandb": "Weights & Biases", "mlflow": "MLflow", "tensorboard": "TensorBoard"}


def title(wanted: Integration) -> str:
    """What people call the service."""
    return _TITLES[wanted.type]


def tracker(wanted: Integration, key: str | None, directory: Path) -> Tracker:
    """The tracker of an integration of the run in `directory`."""
    match wanted:
        case WandbIntegration():
            folder = directory / "wandb"
            folder.mkdir(exist_ok=True)
            return WandbRun(wanted, key, folder)
        case MlflowIntegration():
            return MlflowRun(wanted, key)
        case TensorBoardIntegration():
            return TensorBoardFiles(wanted.folder or directory / "tensorboard")
        case _:
            assert_never(wanted)


def config_of(spec: RunSpec) -> dict[str, Value]:
    """Every hyperparameter of a run, and what the run is about, as one flat mapping."""
    values = spec.hyperparameters.model_dump(mode="json")
    lora = values.pop("lora")
    values |= {f"lora_{name}": value for name, value in lora.items()}
    if spec.classification:
        asked = spec.classification.model_dump(mode="json")
        values |= {f"classification_{name}": value for name, value in asked.items()}
    if spec.dpo:
        values |= {f"dpo_{name}": value for name, value in spec.dpo.model_dump(mode="json").items()}
    values |= {"base_model": spec.base.name, "seed": spec.seed, "run": spec.run}
    values |= spec.about
    return {
        name: value if isinstance(value, str | int | float | bool) else str(value)
        for name, value in values.items()
        if value is not None
    }
