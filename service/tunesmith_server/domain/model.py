"""A tuned model and the catalogue of bases it can come from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tunesmith_server.domain.names import ModelName


@dataclass(frozen=True)
class BaseModel:
    """An entry of the catalogue: a base under a name, and how it is adapted by default."""

    id: str
    source: str
    """Where the weights come from: `package:…`, `seeded:…`, `folder:…` or `huggingface:…`."""
    display_name: str = ""
    description: str = ""
    licence: str = ""
    licence_note: str = ""
    context_length: int = 2048
    parameter_count: int = 0
    adapted_layers: int | None = None
    """LoRA on the last so many layers; None is all."""
    lora_rank: int = 8
    lora_alpha: float = 16.0
    base_learning_rate: float = 1e-3
    """Learning rate of pre-training, which `learning_rate_multiplier` multiplies."""
    lora_learning_rate_factor: float = 10.0
    """LoRA wants about ten times the rate of full fine-tuning ("LoRA Without Regret", 2025)."""
    min_default_batch_size: int = 1
    """Floor of the default batch size: very small batches waste a CPU."""
    price_micros_per_million: int = 0
    """What training on a million tokens costs, in millionths of the installation's currency."""
    hidden: bool = False
    """Usable by name but not listed, such as the tiny base of the tests."""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """A tuned model."""

    name: ModelName
    uid: str
    base_model: str
    """Id of the catalogue entry it was tuned from."""
    public_name: str
    """`ft:{base}:{org}:{suffix}:{id8}`."""
    legacy_name: str
    """`{base}:ft-{org}:{suffix}-{YYYY-MM-DD-HH-MM-SS}`."""
    fine_tune: str
    """Id of the run that made it."""
    digest: str
    """Digest of the artefact, `sha256:…`."""
    size_bytes: int
    create_time: datetime
    suffix: str = ""
    parent_model: str | None = None
    training_digest: str = ""
    validation_digest: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    display_name: str = ""


def public_name(base: str, organization: str, suffix: str, uid: str) -> str:
    """The modern name; an empty suffix leaves an empty part, as OpenAI's does."""
    return f"ft:{base}:{organization}:{suffix}:{short_id(uid)}"


def legacy_name(base: str, organization: str, suffix: str, at: datetime) -> str:
    """The old guide's name; `at` is in UTC."""
    stamp = at.strftime("%Y-%m-%d-%H-%M-%S")
    middle = f"{organization}:{suffix}-" if suffix else f"{organization}-"
    return f"{base}:ft-{middle}{stamp}"


def model_id(base: str, suffix: str, uid: str) -> str:
    """The last segment of the model's resource name."""
    parts = [re.sub(r"[^a-z0-9-]+", "-", part).strip("-") for part in (base, suffix) if part]
    return "-".join([*parts, short_id(uid)])[-63:].strip("-")


def short_id(uid: str) -> str:
    """The last eight letters and digits of a uid: a UUIDv7 begins with the time, ends at random."""
    return uid.replace("-", "")[-8:]
