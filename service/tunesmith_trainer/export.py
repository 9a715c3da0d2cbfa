"""`model/`: the tuned model as others read it, and the contract under which it must be served."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tunesmith_trainer import durable
from tunesmith_trainer.base import LoadedBase
from tunesmith_trainer.network import Network
from tunesmith_trainer.spec import RunSpec

CONTRACT_FORMAT = "tunesmith.contract/1"
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)


def export_model(
    folder: Path, spec: RunSpec, network: Network, base: LoadedBase, *, stop: str | None
) -> dict[str, Any]:
    """Write the model to `folder`, atomically, and describe it as `outcome.json` does.

    `stop` is the sequence that the training completions end with, or None.
    """
    temporary = folder.with_name(f".tmp-{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        network.save_adapter(temporary)
        for name in _TOKENIZER_FILES:
            if (spec.base.path / name).is_file():
                shutil.copyfile(spec.base.path / name, temporary / name)
        contract = _contract(spec, base, temporary, stop)
        (temporary / "contract.json").write_bytes(durable.json_bytes(contract))
        digest, size = durable.folder_digest(temporary), durable.folder_size(temporary)
        durable.publish_directory(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return {"path": folder.name, "digest": digest, "size_bytes": size}


def _contract(spec: RunSpec, base: LoadedBase, folder: Path, stop: str | None) -> dict[str, Any]:
    chat = spec.data.shape in ("chat", "preference")
    end_of_turn = base.tokenizer.eos_token
    stops = [end_of_turn] if chat and end_of_turn else [stop] if stop else []
    tokenizer = [(name, folder / name) for name in _TOKENIZER_FILES if (folder / name).is_file()]
    return {
        "format": CONTRACT_FORMAT,
        "run": spec.run,
        "base": {"name": spec.base.name, "digest": base.digest},
        "tokenizer": {
            "digest": durable.digest_of((name, durable.sha256_of(path)) for name, path in tokenizer)
        },
        "shape": spec.data.shape,
        "template": base.tokenizer.chat_template if chat else None,
        "add_special_tokens": False,  # neither around prompts nor between prompt and completion
        "end_of_text_learnt": False,  # completions end by their own stop, see examples.py
        "stop": stops,
        "seed": spec.seed,
        "hyperparameters": spec.hyperparameters.model_dump(mode="json"),
    }
