"""The base model with its adapters, cut where the lowest adapter sits."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith_trainer.failures import BadBaseModel, BadRunSpec
from tunesmith_trainer.spec import Lora

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"


class Network:
    """A decoder whose lower layers are frozen and whose last layers carry LoRA adapters.

    Sequences are padded on the right and no attention mask is given: under causal attention no
    real position can see the padding behind it, so the mask would change nothing but the speed.
    The frozen part is always in evaluation mode; of the dropouts only LoRA's own is ever active.

    `cut` is the number of layers below the lowest adapter. Their output depends on the tokens
    alone, so it can be computed once per example (`lower`) and used in every epoch (`upper`).
    """

    def __init__(self, model: Any, lora: Lora, *, seed: int, base_name: str) -> None:
        import peft

        decoder = model.get_decoder()
        layers = decoder.layers
        depth = len(layers)
        if lora.layers is not None and lora.layers > depth:
            raise BadRunSpec(
                f"hyperparameters.lora.layers: the base has {depth} layers, not {lora.layers}"
            )
        self.device = torch.device(model.device)
        self.cut = 0 if lora.layers is None else depth - lora.layers
        self._decoder = decoder
        self._norm = decoder.norm
        self._layers = layers
        self._head = model.get_output_embeddings()
        model.requires_grad_(False)
        model.eval()
        config = peft.LoraConfig(
            task_type="CAUSAL_LM",
            r=lora.rank,
            lora_alpha=lora.alpha,  # type: ignore[arg-type]  # peft takes floats too
            lora_dropout=lora.dropout,
            target_modules=_targets(layers, lora.targets),
            layers_to_transform=list(range(self.cut, depth)) if self.cut else None,
            layers_pattern="layers" if self.cut else None,
        )
        # The adapter's start is a function of the run's seed, whatever was drawn before.
        torch.manual_seed(seed)
        with warnings.catch_warnings():
            # peft asks transformers for an attribute under its old name.
            warnings.simplefilter("ignore", FutureWarning)
            self._model = peft.get_peft_model(model, config)
        self._model.peft_config["default"].base_model_name_or_path = base_name  # not a path of ours
        self._dropouts = [
            module
            for name, module in self._model.named_modules()
            if name.endswith(".lora_dropout") and lora.dropout > 0
        ]
        self.trainable: dict[str, nn.Parameter] = {
            # peft's names on disk do not carry the adapter's name in memory.
            name.replace(".default.", "."): parameter
            for name, parameter in self._model.named_parameters()
            if parameter.requires_grad
        }
        # Lists of the same layers; which of them the decoder runs is switched by assignment.
        self._below = nn.ModuleList(layers[: self.cut])
        self._above = nn.ModuleList(layers[self.cut :])

    @property
    def hidden_size(self) -> int:
        """Width H of the activations between layers."""
        return int(self._head.weight.shape[1])

    @property
    def dtype(self) -> torch.dtype:
        """The type in which the base computes."""
        return self._head.weight.dtype  # type: ignore[no-any-return]

    @property
    def head(self) -> tuple[Tensor, Tensor | None]:
        """Weight [V, H] and bias [V] of the output head."""
        return self._head.weight, getattr(self._head, "bias", None)

    def train(self, active: bool) -> None:
        """Switch LoRA's dropout on or off."""
        for module in self._dropouts:
            module.train(active)

    @torch.no_grad()
    def lower(self, tokens: Tensor) -> Tensor:
        """What the first `cut` layers make of `tokens` [B, T]: activations [B, T, H]."""
        with _Layers(self._decoder, self._below, nn.Identity()):
            return self._run(input_ids=tokens)

    def upper(self, activations: Tensor) -> Tensor:
        """The final hidden states [B, T, H] from the activations below the lowest adapter."""
        with _Layers(self._decoder, self._above, self._norm):
            return self._run(inputs_embeds=activations)

    def whole(self, tokens: Tensor) -> Tensor:
        """The final hidden states [B, T, H] of `tokens` [B, T], through every layer."""
        return self._run(input_ids=tokens)

    def _run(self, **inputs: Tensor) -> Tensor:
        hidden: Tensor = self._decoder(use_cache=False, **inputs).last_hidden_state
        return hidden

    @torch.no_grad()
    def check(self, tokens: Sequence[int]) -> bool:
        """Whether the base may be cut: `lower` then `upper` equals the whole on a short example.

        BadBaseModel if not even the whole, seen through the head, gives the model's own logits
        (a soft cap or a scale on the logits, which `head` would leave out).
        """
        ids = torch.tensor([list(tokens[:64])], device=self.device)
        whole = self.whole(ids)
        weight, bias = self.head
        ours = nn.functional.linear(whole, weight, bias)
        theirs = self._model(input_ids=ids, use_cache=False).logits
        if not torch.allclose(ours.float(), theirs.float(), rtol=1e-3, atol=1e-3):
            raise BadBaseModel("The base treats its logits in a way that is not supported.")
        if not self.cut:
            return False
        parts = self.upper(self.lower(ids))
        return torch.allclose(parts.float(), whole.float(), rtol=1e-2, atol=1e-3)

    def load_adapter(self, folder: Path, lora: Lora) -> None:
        """Start from the adapter in `folder`, which must have the same shape as this one."""
        from safetensors.torch import load_file

        try:
            config = json.loads((folder / ADAPTER_CONFIG).read_bytes())
            tensors = load_file(folder / ADAPTER_WEIGHTS)
        except (OSError, ValueError) as error:
            raise BadBaseModel("The parent adapter cannot be read.") from error
        for field, have, want in (
            ("rank", config.get("r"), lora.rank),
            ("alpha", config.get("lora_alpha"), lora.alpha),
        ):
            if have != want:
                raise BadBaseModel(
                    f"The parent adapter has {field} {have}; this run asks for {want}.",
                    advice="Continue with the LoRA settings that the parent was trained with.",
                )
        self.restore(tensors, what="The parent adapter")

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], *, what: str) -> None:
        """Put `tensors` (peft's names on disk) into the adapter; `what` names their source."""
        if {name: tensor.shape for name, tensor in tensors.items()} != {
            name: parameter.shape for name, parameter in self.trainable.items()
        }:
            raise BadBaseModel(
                f"{what} does not fit this base and these LoRA settings.",
                advice="Continue with the base, layers and targets that it was trained with.",
            )
        for name, parameter in self.trainable.items():
            parameter.copy_(tensors[name])

    def save_adapter(self, folder: Path) -> None:
        """Write the adapter to `folder` in peft's layout, which vLLM, SGLang and LoRAX read."""
        from safetensors.torch import save_file

        self._model.peft_config["default"].inference_mode = True
        try:
            self._model.peft_config["default"].save_pretrained(str(folder))
        finally:
            self._model.peft_config["default"].inference_mode = False
        config = folder / ADAPTER_CONFIG
        value = json.loads(config.read_bytes())
        value["target_modules"] = sorted(value["target_modules"])  # peft writes a set's order
        config.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
        tensors = {name: p.detach().cpu().contiguous() for name, p in self.trainable.items()}
        save_file(tensors, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})


class _Layers(AbstractContextManager[None]):
    """Lets `decoder` run `layers` and `norm` only; the way it was when the block ends."""

    def __init__(self, decoder: Any, layers: nn.ModuleList, norm: nn.Module) -> None:
        self._decoder = decoder
        self._new = (layers, norm)
        self._old = (decoder.layers, decoder.norm)

    def __enter__(self) -> None:
        self._decoder.layers, self._decoder.norm = self._new

    def __exit__(self, *_: object) -> None:
        self._decoder.layers, self._decoder.norm = self._old


def _targets(layers: nn.ModuleList, wanted: Sequence[str] | None) -> list[str]:
    """The names of the linear layers that get adapters, checked against the base."""
    linear = {
        name.rsplit(".", 1)[-1]
        for name, module in layers.named_modules()
        if isinstance(module, nn.Linear)
    }
    unknown = sorted(set(wanted or ()) - linear)
    if unknown:
        raise BadRunSpec(
            f"hyperparameters.lora.targets: the base has no {', '.join(unknown)};"
            f" it has {', '.join(sorted(linear))}"
        )
    return sorted(wanted or linear)
