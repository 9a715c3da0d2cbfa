"""A tuned model and the catalogue of bases it can come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tunesmith_server.domain.names import ModelName
from tunesmith_server.domain.public_names import checkpoint_name


@dataclass(frozen=True)
class BaseModel:
    """An entry of the catalogue: a base under a name, and how it is adapted by default."""

    id: str
    source: str
    """Where the weights come from: `package:…`, `seeded:…`, `folder:…` or `huggingface:…`."""
    tokenizer: str = ""
    """What counts its tokens: `tiktoken:NAME`; empty for the tokenizer that comes with it."""
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

    @property
    def tokenizer_ref(self) -> str:
        """What counts its tokens. Bases with the same one are counted once."""
        return self.tokenizer or self.source


@dataclass(frozen=True)
class KeptCheckpoint:
    """A checkpoint that was kept with the model of its run: the adapter, and nothing to resume."""

    step: int
    attempt: int
    """Of the run, which wrote it."""
    size_bytes: int
    digest: str
    """Digest of what is kept, `sha256:…`."""


@dataclass(frozen=True)
class Model:
    """A tuned model."""

    name: ModelName
    uid: str
    base_model: str
    """Id of the catalogue entry it was tuned from."""
    public_name: str
    """Modern: see `domain/public_names.py`."""
    legacy_name: str
    """The old guide's: see there, too. No two models of a tenant share one."""
    fine_tune: str
    """Id of the run that made it."""
    digest: str
    """Digest of the artefact, `sha256:…`."""
    size_bytes: int
    create_time: datetime
    suffix: str = ""
    parent_model: str | None = None
    parent_checkpoint: int | None = None
    """The step of the parent's checkpoint that it was continued from; None is the parent itself."""
    training_digest: str = ""
    validation_digest: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    display_name: str = ""
    checkpoints: tuple[KeptCheckpoint, ...] = ()
    """Those that can be asked, oldest first."""

    shared: bool = False
    """Whether it is another tenant's, which shares it: see `domain/sharing.py`. Never stored so."""
    checkpoints_only: bool = False
    """Whether only its checkpoints are shared. Never stored so."""

    def has(self, checkpoint: int | None) -> bool:
        """Whether that checkpoint can be asked; None is the model itself."""
        if checkpoint is None:
            return not self.checkpoints_only
        return any(each.step == checkpoint for each in self.checkpoints)

    def public_name_of(self, checkpoint: int | None) -> str:
        """The modern public name, of a checkpoint if it is not None."""
        return checkpoint_name(self.public_name, checkpoint)
