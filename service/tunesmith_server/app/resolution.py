"""What a spec becomes: every reference looked up, every "auto" decided, every fault named."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tunesmith.dataset_rules import NOT_TRAINED, RULES, Shape

from tunesmith_server.app.counted import billable_tokens
from tunesmith_server.app.scope import allowed, base_named, tuned_model
from tunesmith_server.domain.analysis import Content
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.errors import (
    BackendUnsuitable,
    BaseModelUnknown,
    DatasetNotReady,
    DatasetUnsuitable,
    DomainError,
    FieldViolation,
    InvalidArgument,
    NotFound,
)
from tunesmith_server.domain.fine_tune import (
    Classification,
    DatasetVersion,
    Dpo,
    Resolved,
    Spec,
    most_template_tokens,
)
from tunesmith_server.domain.hyperparameters import resolve
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.domain.model_reference import model_reference
from tunesmith_server.domain.names import DatasetName, ModelName, can_name, checked_id, owned
from tunesmith_server.ports import TenantScope, Transaction

DEFAULT_SEED = 42
BACKEND = "local"
_SPEC = "fine_tune.spec"


@dataclass
class Resolution:
    """What a spec became, None if too much is wrong with it, and everything that is wrong."""

    spec: Spec
    """With the ids of its datasets for their names, as far as those are good."""
    resolved: Resolved | None = None
    faults: list[DomainError] = field(default_factory=list)

    def require(self) -> Resolved:
        """What the spec became; else InvalidArgument with every field at fault, or the first fault.

        Faults of fields are told together, since the caller mends the request; what depends on the
        state of something else is told first, since mending the request does not help.
        """
        if self.resolved is not None and not self.faults:
            return self.resolved
        fields = [fault for fault in self.faults if type(fault) is InvalidArgument]
        others = [fault for fault in self.faults if type(fault) is not InvalidArgument]
        if others:
            raise others[0]
        raise InvalidArgument([violation for fault in fields for violation in fault.violations])


def resolution(tx: Transaction, scope: TenantScope, spec: Spec) -> Resolution:
    """Look at every part of the spec, whatever is wrong with the others.

    Its names are of the tenant that the run would be of, whoever submits it: what is another
    tenant's is NotFound, as what is absent.
    """
    found = Resolution(spec)
    nothing = (None, None, None)
    base, parent, checkpoint = _tried(found, lambda: _base(tx, scope, spec.base_model)) or nothing
    training = _tried(
        found,
        lambda: _ready(scope, spec.training_dataset, f"{_SPEC}.training_dataset", spec.dpo),
    )
    validation = None
    if spec.validation_dataset:
        wanted, where = spec.validation_dataset, f"{_SPEC}.validation_dataset"
        validation = _tried(found, lambda: _ready(scope, wanted, where, spec.dpo))
    found.spec = replace(
        spec,
        training_dataset=training.dataset if training else spec.training_dataset,
        validation_dataset=validation.dataset if validation else spec.validation_dataset,
    )
    found.faults += _unfit(spec, training, validation)
    if base is None:
        return found
    examples = training.example_count if training else 0  # unknown: the rest is looked at anyway
    asked, dpo = spec.hyperparameters, spec.dpo
    values = _tried(found, lambda: resolve(asked, base, examples=examples, dpo=dpo))
    if values is None or training is None:
        return found
    hyperparameters, settings = values
    training = _counted(scope, training, base, hyperparameters.max_sequence_length)
    cap = token_cap(spec, base.price_micros_per_million)
    worst = training.most_tokens * hyperparameters.n_epochs
    found.resolved = Resolved(
        base_model=base.id,
        base_model_name=spec.base_model,
        parent_model=parent,
        parent_checkpoint=checkpoint,
        training=training,
        validation=validation,
        hyperparameters=hyperparameters,
        seed=DEFAULT_SEED if spec.seed is None else spec.seed,
        backend=BACKEND,
        worst_case_tokens=worst if cap is None else min(worst, cap),
        max_trained_tokens=cap,
        price_micros_per_million=base.price_micros_per_million,
        settings=settings,
    )
    return found


def token_cap(spec: Spec, price: int) -> int | None:
    """The most tokens that the spec's own limits of tokens and cost let the run train on.

    `price` is of a million trained tokens, in millionths of the currency.
    """
    limits = spec.limits
    caps = [limits.max_trained_tokens]
    if limits.max_cost_micros is not None and price:
        caps.append(limits.max_cost_micros * 1_000_000 // price)
    return min((cap for cap in caps if cap is not None), default=None)


def _tried(found: Resolution, work):  # type: ignore[no-untyped-def]
    """What `work` returns; None, and its error among the faults, if it raises one."""
    try:
        return work()
    except DomainError as fault:
        found.faults.append(fault)
        return None


def _base(
    tx: Transaction, scope: TenantScope, text: str
) -> tuple[BaseModel, str | None, int | None]:
    """The catalogue entry, and the id of the tuned model to continue from and its checkpoint."""
    where = f"{_SPEC}.base_model"
    if not text:
        raise InvalidArgument.of(where, "is missing: name a base model, or a model of your own")
    reference = model_reference(text, where) if can_name(text) else None
    if reference and isinstance(reference.name, ModelName):
        owned(reference.name.tenant, scope.tenant().id, text)
    try:
        if not can_name(text):
            raise NotFound(text)
        if reference:
            model = tuned_model(scope, reference, text)
            base = allowed(scope, tx.system.base_model(model.base_model))
            return base, model.name.id, reference.checkpoint
        return allowed(scope, base_named(tx, text)), None, None
    except NotFound:
        if reference and isinstance(reference.name, ModelName):
            raise
        usable = _usable(tx, scope)
        raise BaseModelUnknown(
            [FieldViolation(where, f"{text!r} is not in the catalogue, which has: {usable}")]
        ) from None


def _usable(tx: Transaction, scope: TenantScope) -> str:
    shown = []
    for base in tx.system.base_models():
        try:
            if not base.hidden:
                shown.append(allowed(scope, base).id)
        except NotFound:
            continue
    return ", ".join(shown) or "nothing for this tenant"


def _ready(scope: TenantScope, text: str, where: str, dpo: Dpo | None) -> DatasetVersion:
    """The current version of a dataset, named in full or by its id, if the method can take it."""
    if not text:
        raise InvalidArgument.of(where, "is missing: name a dataset")
    if text.startswith("tenants/"):
        name = DatasetName.parse(text, where)
        owned(name.tenant, scope.tenant().id, text)
        id = name.id
    else:
        id = checked_id(text, where)
    dataset: Dataset = scope.dataset(id)
    if dataset.state is DatasetState.PROCESSING:
        raise DatasetNotReady(
            str(dataset.name),
            f"({where}) it is still looked at for secrets and personal data, as the policy of"
            f" tenants/{scope.tenant().id} says; `tunesmith datasets get {id}` shows how far it is",
        )
    if dataset.state is not DatasetState.READY:
        raise DatasetNotReady(
            str(dataset.name),
            f"({where}) it is {dataset.state}; `tunesmith datasets get {id}` shows what is wrong",
        )
    _refuse_untrainable(dataset, where, dpo)
    text_bytes = int(dataset.report.get("text_bytes", dataset.size_bytes))
    return DatasetVersion(
        dataset=id,
        digest=dataset.digest,
        shape=dataset.shape,
        format=dataset.format,
        example_count=dataset.example_count,
        text_bytes=text_bytes,
        template_tokens=_template_tokens(dataset, text_bytes),
    )


def _template_tokens(dataset: Dataset, text_bytes: int) -> int:
    if dataset.shape == Shape.PROMPT_COMPLETION:
        return 0
    return most_template_tokens(
        size_bytes=dataset.size_bytes,
        text_bytes=text_bytes,
        conversations=dataset.example_count,
        messages=int(dict(dataset.report.get("statistics", {})).get("message_count", 0)),
    )


def _refuse_untrainable(dataset: Dataset, where: str, dpo: Dpo | None) -> None:
    """DatasetUnsuitable for sound data that the method, or no trainer here, can take."""
    if dpo is None and dataset.shape == Shape.PREFERENCE:
        raise DatasetUnsuitable.of(
            where,
            "holds preferences, and a supervised run trains on prompts or conversations: "
            "ask for the method dpo",
        )
    if dpo is not None and dataset.shape != Shape.PREFERENCE:
        raise DatasetUnsuitable.of(
            where,
            f"holds no preferences but {dataset.shape}, and dpo trains on pairs of answers: "
            "ask for the method supervised",
        )
    found = NOT_TRAINED & dict(dataset.report.get("counts", {})).keys()
    for code in sorted(found):
        raise DatasetUnsuitable.of(where, f"{code}: {RULES[code].why} {RULES[code].suggestion}")


def _counted(
    scope: TenantScope, training: DatasetVersion, base: BaseModel, limit: int
) -> DatasetVersion:
    """The version with the tokens that one epoch trains on, if they are counted."""
    content = Content(training.digest, training.shape, 0, training.format)
    tokens = billable_tokens(scope, content, base, limit)
    return training if tokens is None else replace(training, tokens=tokens)


def _unfit(
    spec: Spec, training: DatasetVersion | None, validation: DatasetVersion | None
) -> Iterator[DomainError]:
    """What does not fit together."""
    if training and validation and validation.shape != training.shape:
        yield InvalidArgument.of(
            f"{_SPEC}.validation_dataset",
            f"is {validation.shape}, but the training dataset is {training.shape}",
        )
    if spec.classification and spec.dpo:
        yield InvalidArgument.of(
            f"{_SPEC}.classification", "goes with the method supervised; this run is dpo"
        )
    elif spec.classification:
        yield from _classification_faults(spec.classification, spec.validation_dataset)
    if spec.backends and BACKEND not in spec.backends:
        yield BackendUnsuitable(
            f"{_SPEC}.placement.backends",
            f"{', '.join(spec.backends)}: this installation has the backend {BACKEND} alone",
        )


def _classification_faults(
    asked: Classification, validation_dataset: str | None
) -> Iterator[InvalidArgument]:
    where = f"{_SPEC}.classification"
    if not validation_dataset:
        yield InvalidArgument.of(where, "the metrics need a validation_dataset to compute them on")
    if asked.n_classes is None and asked.positive_class is None:
        yield InvalidArgument.of(where, "set n_classes, or positive_class for a binary task")
