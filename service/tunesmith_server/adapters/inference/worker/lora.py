"""LoRA adapters on a base that stays as it is.

A hook behind each adapted layer adds `B(Ax)` of the adapter that each row of the batch belongs to,
rows of one adapter together. Nothing is merged, gathered or padded: a row's result is that of peft,
and rows of the base alone are left untouched.
"""

import hashlib
import json
import math
import re
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch.nn.functional import linear

from tunesmith_server.domain.completion import AdapterInvalid, AdapterRef

_PREFIX = "base_model.model."
_A, _B = ".lora_A.weight", ".lora_B.weight"
# What would change the result and is not applied here; an adapter that has it is refused.
_UNSUPPORTED = (
    "use_dora",
    "use_qalora",
    "lora_bias",
    "modules_to_save",
    "trainable_token_indices",
    "layer_replication",
    "target_parameters",
    "alora_invocation_tokens",
)


@dataclass(frozen=True, eq=False)
class Adapter:
    """One adapter in memory: per layer A [rank, in] and B [out, rank], B scaled already."""

    ref: AdapterRef
    weights: Mapping[str, tuple[torch.Tensor, torch.Tensor]]


class AdapterShelf:
    """At most `limit` adapters in memory; the one not used for longest makes room."""

    def __init__(self, model: torch.nn.Module, *, limit: int) -> None:
        self._model = model
        self._modules = dict(model.named_modules())
        self._limit = limit
        self._shelf: OrderedDict[str, Adapter] = OrderedDict()
        self._hooked: set[str] = set()
        self._groups: list[tuple[Adapter, slice | torch.Tensor]] = []

    @property
    def ids(self) -> list[str]:
        """What is in memory, the next to go first."""
        return list(self._shelf)

    def take(self, ref: AdapterRef, *, in_use: Collection[Adapter]) -> Adapter | None:
        """The adapter, loaded if need be; None if all places are in use. Or AdapterInvalid."""
        adapter = self._shelf.get(ref.id)
        if adapter is not None and adapter.ref == ref:
            self._shelf.move_to_end(ref.id)
            return adapter
        if adapter is not None:  # the same id with other weights: rows at work keep the old ones
            del self._shelf[ref.id]
        held = {id(user) for user in in_use} | {id(one) for one in self._shelf.values()}
        if len(held) >= self._limit:
            busy = {id(user) for user in in_use}
            idle = next((name for name, one in self._shelf.items() if id(one) not in busy), None)
            if idle is None:
                return None
            del self._shelf[idle]
        adapter = load_adapter(ref, self._modules)
        self._hook(adapter)
        self._shelf[ref.id] = adapter
        return adapter

    def drop(self, id: str) -> None:
        """Forget an adapter; rows at work end with it."""
        self._shelf.pop(id, None)

    @contextmanager
    def applied(self, rows: Sequence[Adapter | None]) -> Iterator[None]:
        """Within, the model's batch has these adapters, one a row."""
        members: dict[int, list[int]] = {}
        adapters = {id(adapter): adapter for adapter in rows if adapter is not None}
        for row, adapter in enumerate(rows):
            if adapter is not None:
                members.setdefault(id(adapter), []).append(row)
        self._groups = [
            (adapters[key], _selection(indexes, self._model)) for key, indexes in members.items()
        ]
        try:
            yield
        finally:
            self._groups = []

    def _hook(self, adapter: Adapter) -> None:
        for name in adapter.weights.keys() - self._hooked:
            self._modules[name].register_forward_hook(self._adder(name))
            self._hooked.add(name)

    def _adder(self, name: str) -> Any:
        def add(_: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
            for adapter, rows in self._groups:
                if (weights := adapter.weights.get(name)) is not None:
                    a, b = weights
                    output[rows] = output[rows] + linear(linear(inputs[0][rows], a), b)

        return add


def load_adapter(ref: AdapterRef, modules: Mapping[str, torch.nn.Module]) -> Adapter:
    """An adapter from peft's layout, checked against the base; or AdapterInvalid."""
    folder = Path(ref.path)
    try:
        config = json.loads((folder / "adapter_config.json").read_bytes())
        raw = (folder / "adapter_model.safetensors").read_bytes()
        digest = "sha256:" + hashlib.sha256(raw).hexdigest()
        if ref.digest and digest != ref.digest:
            raise AdapterInvalid(ref.id, f"its weights have digest {digest}, not {ref.digest}")
        tensors = safetensors.torch.load(raw)
    except (OSError, ValueError, SafetensorError) as error:
        # Not the error's own words: they hold paths of this machine.
        raise AdapterInvalid(ref.id, f"cannot be read ({type(error).__name__})") from error
    if config.get("peft_type") != "LORA":
        raise AdapterInvalid(ref.id, f"is not LoRA but {config.get('peft_type')}")
    odd = [name for name in _UNSUPPORTED if config.get(name)]
    if odd or config.get("bias", "none") != "none":
        raise AdapterInvalid(ref.id, f"uses {', '.join(odd or ['bias'])}, which is not supported")
    strangers = [key for key in tensors if not key.startswith(_PREFIX) or key[-14:] not in (_A, _B)]
    if strangers or not tensors:
        raise AdapterInvalid(ref.id, f"has an unknown tensor {strangers[0] if strangers else ''}")
    names = sorted({key[len(_PREFIX) : -14] for key in tensors})
    return Adapter(ref, {name: _layer(ref, config, tensors, modules, name) for name in names})


def _layer(
    ref: AdapterRef,
    config: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    modules: Mapping[str, torch.nn.Module],
    name: str,
) -> tuple[torch.Tensor, torch.Tensor]:
    module = modules.get(name)
    a, b = tensors.get(_PREFIX + name + _A), tensors.get(_PREFIX + name + _B)
    if module is None or a is None or b is None or a.dim() != 2 or b.dim() != 2:
        raise AdapterInvalid(ref.id, f"is not of this base: layer {name}")
    weight = module.get_parameter("weight")
    wanted = {tuple(weight.shape), tuple(weight.shape[::-1])}  # GPT-2 keeps [in, out]
    if isinstance(module, torch.nn.Linear):
        wanted = {tuple(weight.shape)}
    if isinstance(module, torch.nn.Embedding) or (b.shape[0], a.shape[1]) not in wanted:
        raise AdapterInvalid(ref.id, f"is not of this base: layer {name} has another shape")
    rank = a.shape[0]
    if b.shape[1] != rank:
        raise AdapterInvalid(ref.id, f"has A and B of different ranks in layer {name}")
    alpha = _pattern(config.get("alpha_pattern") or {}, name, config.get("lora_alpha", rank))
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return a.to(weight), (b.float() * scale).to(weight)


def _pattern(patterns: Mapping[str, float], name: str, default: float) -> float:
    """The value of the first pattern that is the whole name or its end, as peft matches them."""
    for pattern, value in patterns.items():
        if re.match(rf"(.*\.)?({pattern})$", name):
            return value
    return default


def _selection(indexes: Sequence[int], model: torch.nn.Module) -> slice | torch.Tensor:
    """A slice where the rows lie together, which costs no copy."""
    first, last = indexes[0], indexes[-1]
    if last - first + 1 == len(indexes):
        return slice(first, last + 1)
    return torch.tensor(indexes, device=next(model.parameters()).device)
