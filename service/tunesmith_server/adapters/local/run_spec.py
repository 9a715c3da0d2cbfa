"""`run.json`: the run as the trainer reads it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from tunesmith_server.domain.fine_tune import FineTune


def run_spec(
    run: FineTune,
    *,
    base: Path,
    training: Path,
    validation: Path | None,
    parent_adapter: Path | None,
    resume_from: Path | None,
    threads: int,
    integrations: list[dict[str, Any]],
) -> dict[str, Any]:
    """The content of `run.json` for the run's current attempt."""
    resolved = run.resolved
    values = resolved.hyperparameters
    classification = run.spec.classification
    limits = run.spec.limits
    return {
        "format": "tunesmith.run/1",
        "run": run.uid,
        "attempt": run.attempt,
        "base": {"path": str(base), "name": resolved.base_model, "digest": None},
        "parent_adapter": _text(parent_adapter),
        "data": {
            "training": str(training),
            "validation": _text(validation),
            "shape": resolved.training.shape,
        },
        "hyperparameters": {
            "n_epochs": values.n_epochs,
            "batch_size": values.batch_size,
            "learning_rate": values.learning_rate,
            "prompt_loss_weight": values.prompt_loss_weight,
            "warmup_ratio": values.warmup_ratio,
            "weight_decay": values.weight_decay,
            "max_sequence_length": values.max_sequence_length,
            "max_grad_norm": 1.0,
            "lora": {
                "rank": values.lora_rank,
                "alpha": values.lora_alpha,
                "dropout": values.lora_dropout,
                "layers": values.lora_layers,
                "targets": list(values.lora_targets) if values.lora_targets else None,
            },
        },
        "classification": asdict(classification) if classification else None,
        "dpo": None if values.beta is None else {"beta": values.beta},
        "seed": resolved.seed,
        "threads": threads,
        "device": "auto",
        "checkpoints": {
            "every_steps": run.spec.checkpoint_every_steps,
            "keep": run.spec.checkpoint_keep,
        },
        "limits": {
            "max_trained_tokens": resolved.max_trained_tokens,
            "max_seconds": limits.max_run_seconds,
        },
        "resume_from": _text(resume_from),
        "integrations": integrations,
        "about": _about(run),
    }


def _about(run: FineTune) -> dict[str, Any]:
    """What is shown with the measurements, where they are sent besides."""
    resolved = run.resolved
    datasets = {"training": resolved.training, "validation": resolved.validation}
    return {
        "fine_tune": str(run.name),
        "learning_rate_multiplier": resolved.hyperparameters.learning_rate_multiplier,
        **{f"{use}_dataset": each.dataset for use, each in datasets.items() if each},
        **{f"{use}_digest": each.digest for use, each in datasets.items() if each},
        **({"parent_model": resolved.parent_model} if resolved.parent_model else {}),
        **({"suffix": run.spec.suffix} if run.spec.suffix else {}),
    }


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
