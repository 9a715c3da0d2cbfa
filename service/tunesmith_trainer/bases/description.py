"""`base.json`: what the folder of a base holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tunesmith_trainer import durable
from tunesmith_trainer.bases.errors import NotABase

BASE_FILE = "base.json"

Progress = Callable[[str, float], None]
"""Told a stage (downloading, converting, ...) and how much of it is done, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class BaseDescription:
    """What is known of a base. `digest` covers every file but base.json (`durable.digest_of`)."""

    name: str
    source: str
    digest: str
    licence: str
    parameter_count: int
    context_length: int
    layers: int


def describe(folder: Path, *, name: str, source: str, licence: str) -> BaseDescription:
    """Look at the files in `folder` and write its base.json."""
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
        config = config.get("text_config", config)
        layers = int(config["num_hidden_layers"])
        context = int(config["max_position_embeddings"])
    except (OSError, ValueError, KeyError) as error:
        raise NotABase(f"{folder} has no config.json of a language model") from error
    weights = sorted(folder.glob("*.safetensors"))
    if not weights or not (folder / "tokenizer_config.json").is_file():
        raise NotABase(f"{folder} needs *.safetensors and tokenizer files")
    description = BaseDescription(
        name=name,
        source=source,
        digest=durable.digest_of(
            (str(file.relative_to(folder)), durable.sha256_of(file))
            for file in durable.files_under(folder)
            if file.name != BASE_FILE
        ),
        licence=licence,
        parameter_count=sum(_elements(file) for file in weights),
        context_length=context,
        layers=layers,
    )
    (folder / BASE_FILE).write_bytes(durable.json_bytes(asdict(description)))
    return description


def recorded(folder: Path) -> BaseDescription | None:
    """The description in `folder`, or None if no whole base is there."""
    try:
        return BaseDescription(**json.loads((folder / BASE_FILE).read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise NotABase(f"{folder / BASE_FILE} is damaged: remove the folder") from error


def _elements(file: Path) -> int:
    """The number of values in a safetensors file, from its header alone."""
    with file.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            count = 1
            for length in tensor["shape"]:
                count *= length
            total += count
    return total
