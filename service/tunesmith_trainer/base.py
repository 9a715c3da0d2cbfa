"""Loading the base model of a run from a folder in the Hugging Face layout."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch

from tunesmith_trainer import durable
from tunesmith_trainer.failures import BadBaseModel, BadRunSpec
from tunesmith_trainer.spec import Base

BASE_FILE = "base.json"
_UNDIGESTED = {BASE_FILE, "lock"}


@dataclass(frozen=True)
class LoadedBase:
    """A base in memory; the model is changed by training (adapters), the rest is not.

    `context_length` in tokens.
    """

    model: Any
    tokenizer: Any
    digest: str
    context_length: int


def resolve_device(wanted: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`; BadRunSpec where there is no CUDA."""
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise BadRunSpec("device: this machine has no CUDA device")
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def base_digest(base: Base) -> str:
    """The digest of the base's folder: the one recorded at its making, else computed now."""
    try:
        recorded = json.loads((base.path / BASE_FILE).read_bytes())
        return str(recorded["digest"])
    except FileNotFoundError:
        return durable.digest_of(
            (str(file.relative_to(base.path)), durable.sha256_of(file))
            for file in durable.files_under(base.path)
            if file.name not in _UNDIGESTED
        )
    except (ValueError, KeyError) as error:
        raise BadBaseModel(f"{BASE_FILE} of the base {base.name} cannot be read.") from error


def load_base(base: Base, device: torch.device) -> LoadedBase:
    """The base in memory: fp32 on a CPU, where bf16 is slow, bf16 on CUDA."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not (base.path / "config.json").is_file():
        raise BadBaseModel(f"The base {base.name} is not at its path.")
    digest = base_digest(base)
    if base.digest is not None and base.digest != digest:
        raise BadBaseModel(
            f"The base {base.name} at its path is not the one that the run was made for.",
            advice="Make the base again, or create the run again on the base as it is now.",
        )
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(base.path, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(
            base.path, dtype=dtype, local_files_only=True, attn_implementation="sdpa"
        )
    except (OSError, ValueError, KeyError) as error:
        raise BadBaseModel(f"The base {base.name} cannot be loaded.") from error
    decoder = model.get_decoder()
    if not (hasattr(decoder, "layers") and hasattr(decoder, "norm")):
        raise BadBaseModel(f"The base {base.name} is of an architecture that is not supported.")
    context = int(getattr(model.config, "max_position_embeddings", 0) or 2**31)
    return LoadedBase(model.to(device), tokenizer, digest, context)
