"""What "auto" becomes: the old guide's defaults, adapted to LoRA, each value with its reason.

Sources: OpenAI's fine-tuning guide of 2022-23 (epochs, batch size, multiplier, prompt loss weight),
"LoRA Without Regret" (2025) for the factor on the learning rate, Rafailov et al. 2023 (beta) and
the defaults of TRL's trainers (epochs; a rate for DPO of a twentieth of that for supervised
training, of which we take a tenth) for preferences.
"""

from collections.abc import Iterator
from dataclasses import fields
from functools import lru_cache

from tunesmith_server.domain.errors import FieldViolation, InvalidArgument
from tunesmith_server.domain.fine_tune import (
    Dpo,
    Hyperparameters,
    ResolvedHyperparameters,
    Setting,
)
from tunesmith_server.domain.model import BaseModel

SUPERVISED, DPO = "spec.supervised.hyperparameters", "spec.dpo.hyperparameters"

GUIDE_EPOCHS = 4
GUIDE_PROMPT_LOSS_WEIGHT = 0.01
DPO_EPOCHS = 3
DPO_RATE_SHARE = 0.1
DPO_BETA = 0.1
GUIDE_BATCH_SHARE = 0.002
GUIDE_MAX_BATCH = 256
LARGE_BATCH = 32
"""Above this batch size the default multiplier is 0.2 rather than 0.1; OpenAI never published its
own cut-offs, recorded jobs of batch sizes 1 and 4 had 0.1."""


@lru_cache(1024)  # tenants submit the same settings over and over
def resolve(
    asked: Hyperparameters, base: BaseModel, *, examples: int, dpo: Dpo | None = None
) -> tuple[ResolvedHyperparameters, tuple[Setting, ...]]:
    """Every hyperparameter as a number, and where each came from.

    Raises InvalidArgument with every value that is out of range, not the first alone.
    """
    if violations := list(_violations(asked, examples, dpo)):
        raise InvalidArgument(violations)
    notes: list[Setting] = []
    root = DPO if dpo else SUPERVISED

    def settle(path: str, given: object, default: object, source: str, reason: str) -> None:
        value = default if given is None else given
        source, reason = ("spec", "given in the spec") if given is not None else (source, reason)
        notes.append(Setting(f"{root}.{path}", _shown(value), source, reason))

    n_epochs = asked.n_epochs or (DPO_EPOCHS if dpo else GUIDE_EPOCHS)
    source, reason = ("server", "usual for dpo") if dpo else ("guide", "the guide's default")
    settle("n_epochs", asked.n_epochs, n_epochs, source, reason)
    share = max(1, min(GUIDE_MAX_BATCH, round(GUIDE_BATCH_SHARE * examples)))
    floor = min(base.min_default_batch_size, examples)
    batch_size = asked.batch_size or max(share, floor)
    settle(
        "batch_size",
        asked.batch_size,
        batch_size,
        "guide" if share >= floor else "catalogue",
        f"0.2 % of {examples} examples, at most {GUIDE_MAX_BATCH}"
        + ("" if share >= floor else f"; {base.id} has a floor of {base.min_default_batch_size}"),
    )
    usual = 0.2 if batch_size > LARGE_BATCH else 0.1
    multiplier = asked.learning_rate_multiplier or usual * (DPO_RATE_SHARE if dpo else 1)
    settle(
        "learning_rate_multiplier",
        asked.learning_rate_multiplier,
        multiplier,
        "guide",
        f"0.1 up to a batch size of {LARGE_BATCH}, 0.2 above"
        + (f"; {DPO_RATE_SHARE:g} of it for dpo, which needs smaller steps" if dpo else ""),
    )
    scaled = multiplier * base.base_learning_rate * base.lora_learning_rate_factor
    learning_rate = asked.learning_rate or scaled
    settle(
        "learning_rate",
        asked.learning_rate,
        learning_rate,
        "catalogue",
        f"{multiplier:g} (multiplier) × {base.base_learning_rate:g} (rate of {base.id})"
        f" × {base.lora_learning_rate_factor:g} (LoRA)",
    )
    beta, prompt_loss_weight = None, 0.0
    if dpo:
        beta = dpo.beta or DPO_BETA
        settle("beta", dpo.beta, beta, "server", "the default of the method's authors")
    else:
        prompt_loss_weight = _or(asked.prompt_loss_weight, GUIDE_PROMPT_LOSS_WEIGHT)
        settle(
            "prompt_loss_weight",
            asked.prompt_loss_weight,
            prompt_loss_weight,
            "guide",
            "the guide's default",
        )
    warmup_ratio = _or(asked.warmup_ratio, 0.1)
    settle("warmup_ratio", asked.warmup_ratio, warmup_ratio, "server", "a tenth of the steps")
    weight_decay = _or(asked.weight_decay, 0.0)
    settle("weight_decay", asked.weight_decay, weight_decay, "server", "none for adapters")
    length = min(asked.max_sequence_length or base.context_length, base.context_length)
    settle(
        "max_sequence_length",
        asked.max_sequence_length,
        length,
        "catalogue",
        f"the context of {base.id}",
    )
    lora = asked.lora
    rank = lora.rank or base.lora_rank
    settle("lora.rank", lora.rank, rank, "catalogue", f"the default of {base.id}")
    alpha = lora.alpha or base.lora_alpha
    settle("lora.alpha", lora.alpha, alpha, "catalogue", f"the default of {base.id}")
    dropout = _or(lora.dropout, 0.0)
    settle("lora.dropout", lora.dropout, dropout, "server", "none")
    layers = lora.layers or base.adapted_layers
    settle(
        "lora.layers",
        lora.layers,
        "all" if layers is None else layers,
        "catalogue",
        f"the last layers that {base.id} adapts",
    )
    settle(
        "lora.targets",
        ", ".join(lora.targets) or None,
        "all linear layers",
        "server",
        "adapters on all linear layers learn best",
    )
    return (
        ResolvedHyperparameters(
            n_epochs=n_epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_multiplier=multiplier,
            prompt_loss_weight=prompt_loss_weight,
            warmup_ratio=warmup_ratio,
            weight_decay=weight_decay,
            max_sequence_length=length,
            lora_rank=rank,
            lora_alpha=alpha,
            lora_dropout=dropout,
            lora_layers=layers,
            lora_targets=lora.targets or None,
            beta=beta,
        ),
        tuple(notes),
    )


_RANGES: dict[str, tuple[float, float]] = {
    "n_epochs": (1, 50),
    "batch_size": (1, 1024),
    "learning_rate_multiplier": (1e-6, 100),
    "learning_rate": (1e-9, 1),
    "prompt_loss_weight": (0, 1),
    "warmup_ratio": (0, 1),
    "weight_decay": (0, 1),
    "max_sequence_length": (1, 1_000_000),
}
_MOST_BETA = 2.0
_LORA_RANGES: dict[str, tuple[float, float]] = {
    "rank": (1, 512),
    "alpha": (1e-3, 4096),
    "dropout": (0, 0.9),
    "layers": (1, 1000),
}


def _violations(asked: Hyperparameters, examples: int, dpo: Dpo | None) -> Iterator[FieldViolation]:
    root = f"fine_tune.{DPO if dpo else SUPERVISED}"
    for prefix, values, ranges in (("", asked, _RANGES), ("lora.", asked.lora, _LORA_RANGES)):
        for field in fields(values):
            value, (low, high) = getattr(values, field.name), ranges.get(field.name, (0, 0))
            if field.name in ranges and value is not None and not low <= value <= high:
                yield FieldViolation(
                    f"{root}.{prefix}{field.name}",
                    f"{value:g} is outside of {low:g} to {high:g}",
                )
    if asked.batch_size and examples and asked.batch_size > examples:
        yield FieldViolation(
            f"{root}.batch_size",
            f"{asked.batch_size} is more than the {examples} examples of the training dataset",
        )
    if dpo and asked.prompt_loss_weight is not None:
        yield FieldViolation(
            f"{root}.prompt_loss_weight", "dpo learns from answers alone: leave it out"
        )
    if dpo and dpo.beta is not None and not 0 < dpo.beta <= _MOST_BETA:
        yield FieldViolation(
            "fine_tune.spec.dpo.beta", f"{dpo.beta:g} is not above 0 and at most {_MOST_BETA:g}"
        )


def _or(given: float | None, default: float) -> float:
    return default if given is None else given


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
