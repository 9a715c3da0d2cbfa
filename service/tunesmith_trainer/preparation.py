"""Everything before the first step: base, adapter, examples, classes, columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tunesmith_trainer.activations import Activations
from tunesmith_trainer.base import LoadedBase, load_base, resolve_device
from tunesmith_trainer.classification import Classes, resolve_classes
from tunesmith_trainer.events import EventLog
from tunesmith_trainer.examples import Encoded, Example, common_stop, encode_records
from tunesmith_trainer.network import Network
from tunesmith_trainer.preferences import MARGIN_COLUMNS, PreferenceScorer, encode_pairs
from tunesmith_trainer.records import Completion, read_records
from tunesmith_trainer.results import TRAINING_COLUMNS, VALIDATION_COLUMNS
from tunesmith_trainer.scoring import Scorer, SupervisedScorer
from tunesmith_trainer.spec import RunSpec
from tunesmith_trainer.stop_request import StopRequest


@dataclass(frozen=True)
class Prepared:
    """A run ready for its first step.

    `lengths` are the tokens of each example: of the training examples, then of the validation
    examples; numbers below `training_count` are training. `truth` is the label, as a token, of each
    validation example where there are `classes`. `stop` is the common end of the completions, as
    text.
    `identity` is what a checkpoint must agree with to be continued; `environment` what it must
    agree with for the continuation to be bit-equal.
    """

    base: LoadedBase
    network: Network
    scorer: Scorer
    lengths: list[int]
    training_count: int
    truncated: int
    dropped: int
    classes: Classes | None
    truth: list[int]
    stop: str | None
    training_columns: list[str]
    validation_columns: list[str]
    identity: dict[str, Any]
    environment: dict[str, Any]

    @property
    def validation(self) -> range:
        """The numbers of the validation examples."""
        return range(self.training_count, len(self.lengths))

    @property
    def columns(self) -> list[str]:
        """Those of `results.csv`."""
        return [*self.training_columns, *self.validation_columns]


def prepare(
    spec: RunSpec,
    directory: Path,
    events: EventLog,
    *,
    loaded: LoadedBase | None,
    request: StopRequest,
) -> Prepared:
    """Read, load, tokenise and check. Raises Stopped between stages if `request` asks for it.

    `loaded` is the base where the process has it already (a fork server's child).
    """
    training = read_records(spec.data.training, spec.data.shape)
    validation = (
        read_records(spec.data.validation, spec.data.shape) if spec.data.validation else None
    )
    request.raise_if_asked()
    device = resolve_device(spec.device)
    base = loaded or load_base(spec.base, device)
    request.raise_if_asked()
    limit = min(spec.hyperparameters.max_sequence_length, base.context_length)
    encode = encode_pairs if spec.dpo else encode_records
    encoded = encode(training.records, base.tokenizer, limit=limit)
    held_out = encode(validation.records, base.tokenizer, limit=limit) if validation else Encoded()
    sequences = encoded.examples + held_out.examples
    stop_text = None
    if spec.data.shape == "prompt_completion":
        stop_text = _stop_text(encoded, base)
        if stop_text is None and spec.classification is None:
            _tell_about_stop(encoded, events)
    classes = _classes(spec, encoded, held_out, stop_text)
    request.raise_if_asked()
    network = Network(
        base.model, spec.hyperparameters.lora, seed=spec.seed, base_name=spec.base.name
    )
    if spec.parent_adapter is not None:
        network.load_adapter(spec.parent_adapter, spec.hyperparameters.lora)
    activations = None
    if network.check(sequences[0].tokens):
        activations = Activations(
            network,
            [sequence.tokens[:-1] for sequence in sequences],
            spill=directory / ".activations",
        )
    elif network.cut:
        events.message("The base cannot be cut; its lower layers are computed in every step.")
    request.raise_if_asked()
    rows = len(sequences) // (len(encoded.records) + len(held_out.records))
    return Prepared(
        base=base,
        network=network,
        scorer=_scorer(spec, network, sequences, activations, request, events),
        lengths=[
            sum(len(each.tokens) for each in sequences[at : at + rows])
            for at in range(0, len(sequences), rows)
        ],
        training_count=len(encoded.records),
        truncated=encoded.truncated + held_out.truncated,
        dropped=encoded.dropped + held_out.dropped,
        classes=classes,
        truth=[each.tokens[each.learnt[0][0]] for each in held_out.examples] if classes else [],
        stop=stop_text,
        training_columns=[*TRAINING_COLUMNS, *(MARGIN_COLUMNS[:1] if spec.dpo else ())],
        validation_columns=[
            *(VALIDATION_COLUMNS if validation else ()),
            *(MARGIN_COLUMNS[1:] if validation and spec.dpo else ()),
            *(classes.columns if classes else ()),
        ],
        identity={
            "base": base.digest,
            "training": training.sha256,
            "validation": validation.sha256 if validation else None,
            "shape": spec.data.shape,
            "hyperparameters": spec.hyperparameters.model_dump(mode="json"),
            "classification": (
                spec.classification.model_dump(mode="json") if spec.classification else None
            ),
            "dpo": spec.dpo.model_dump(mode="json") if spec.dpo else None,
            "seed": spec.seed,
        },
        environment={
            "device": _device_name(device),
            "threads": spec.threads,
            "torch": str(torch.__version__),
        },
    )


def _scorer(
    spec: RunSpec,
    network: Network,
    sequences: list[Example],
    activations: Activations | None,
    request: StopRequest,
    events: EventLog,
) -> Scorer:
    """What computes the method's loss."""

    def tell(text: str) -> None:
        events.message(text, level="warning")

    common: dict[str, Any] = {"activations": activations, "request": request, "tell": tell}
    if spec.dpo:
        return PreferenceScorer(network, sequences, beta=spec.dpo.beta, **common)
    weight = spec.hyperparameters.prompt_loss_weight
    return SupervisedScorer(network, sequences, prompt_weight=weight, **common)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _stop_text(encoded: Encoded, base: LoadedBase) -> str | None:
    tokens = common_stop(encoded.examples)
    return None if tokens is None else str(base.tokenizer.decode(tokens))


def _tell_about_stop(encoded: Encoded, events: EventLog) -> None:
    if any(len(e.tokens) - e.learnt[0][0] > 1 for e in encoded.examples):
        events.message(
            "The completions have no common end, so answers will run up to max_tokens: end each"
            " with the same sequence that comes nowhere else in it, and give it as stop.",
            level="warning",
        )


def _classes(
    spec: RunSpec, encoded: Encoded, held_out: Encoded, stop: str | None
) -> Classes | None:
    if spec.classification is None:
        return None
    labels = []
    for part in (encoded, held_out):
        for record, example in zip(part.records, part.examples, strict=True):
            assert isinstance(record, Completion)  # the spec refuses classification of chats
            label = record.completion.removesuffix(stop or "")
            labels.append((label, example.tokens[example.learnt[0][0]]))
    return resolve_classes(spec.classification, labels)
