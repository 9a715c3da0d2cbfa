"""Fine-tunes and their events between the domain and the contract."""

from functools import lru_cache
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2
from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import event_pb2 as events
from tunesmith.v1 import fine_tune_pb2 as pb

from tunesmith_server.app.submission import Wish
from tunesmith_server.domain.errors import InvalidArgument, NotBuiltYet
from tunesmith_server.domain.fine_tune import (
    Classification,
    DatasetVersion,
    Dpo,
    FineTune,
    Hyperparameters,
    Lora,
    OnLimit,
    Resolved,
    ResolvedHyperparameters,
    RunLimits,
    Spec,
)
from tunesmith_server.domain.names import DatasetName, TenantName
from tunesmith_server.domain.quota import cost_micros
from tunesmith_server.domain.states import State, WaitReason
from tunesmith_server.edge.grpc.errors import DOMAIN
from tunesmith_server.edge.grpc.integration_codec import integration_messages, integrations_of
from tunesmith_server.edge.grpc.requests import (
    CURRENCY,
    duration,
    moment,
    money,
    optional,
    price,
    stretch,
    timestamp,
)

STATES = {state: getattr(common, f"FINE_TUNE_STATE_{state.name}") for state in State}
STATE_OF = {number: state for state, number in STATES.items()}
WAITS = {reason: getattr(common, f"WAIT_REASON_{reason.name}") for reason in WaitReason}

_LIMITS = "fine_tune.spec.limits"
_SCALARS = (
    "n_epochs",
    "batch_size",
    "learning_rate_multiplier",
    "learning_rate",
    "prompt_loss_weight",
    "warmup_ratio",
    "weight_decay",
    "max_sequence_length",
)


def spec_of(message: pb.FineTuneSpec) -> Spec:
    """The spec that a request carries, with its names as they were sent."""
    if message.placement.queue or message.placement.preemptible:
        raise NotBuiltYet("placement.queue and .preemptible are not in this version")
    dpo = _dpo(message)
    asked = (message.dpo if dpo else message.supervised).hyperparameters
    if asked.WhichOneof("adaptation") == "full":
        raise NotBuiltYet("full fine-tuning is in the contract but not in this version")
    lora = asked.lora
    values: Any = optional(asked, *_SCALARS)
    lora_values: Any = optional(lora, "rank", "alpha", "dropout", "layers")
    return Spec(
        base_model=message.base_model,
        training_dataset=message.training_dataset,
        validation_dataset=message.validation_dataset or None,
        suffix=message.suffix,
        hyperparameters=Hyperparameters(
            **values, lora=Lora(**lora_values, targets=tuple(lora.targets))
        ),
        dpo=dpo,
        classification=_classification(message),
        seed=message.seed if message.HasField("seed") else None,
        metadata=dict(message.metadata),
        priority=message.placement.priority,
        hold=message.placement.hold,
        limits=limits_of(message.limits),
        backends=tuple(message.placement.backends),
        integrations=integrations_of(message.integrations),
        **_checkpoints(message.checkpoints),
    )


def limits_of(message: pb.FineTuneLimits) -> RunLimits:
    """The limits that a request carries."""
    currency = message.max_cost.currency_code
    if currency not in ("", CURRENCY):
        raise InvalidArgument.of(
            "fine_tune.spec.limits.max_cost", f"is in {currency}; this installation has {CURRENCY}"
        )
    return RunLimits(
        max_trained_tokens=message.max_trained_tokens
        if message.HasField("max_trained_tokens")
        else None,
        max_cost_micros=message.max_cost.micros if message.HasField("max_cost") else None,
        max_run_seconds=stretch(message.max_run_time, f"{_LIMITS}.max_run_time").total_seconds()
        if message.HasField("max_run_time")
        else None,
        start_deadline=moment(message.start_deadline, f"{_LIMITS}.start_deadline")
        if message.HasField("start_deadline")
        else None,
        on_limit=OnLimit.FAIL
        if message.on_limit == pb.LIMIT_ACTION_FAIL
        else OnLimit.CHECKPOINT_AND_STOP,
    )


def _checkpoints(message: pb.CheckpointPolicy) -> dict[str, Any]:
    given = {"checkpoint_every_steps": "every_steps", "checkpoint_keep": "keep"}
    return {
        name: getattr(message, field) for name, field in given.items() if message.HasField(field)
    }


def wish_of(parent: str, message: pb.FineTune, id: str = "") -> Wish:
    """The run that a request wants."""
    return Wish(
        parent=TenantName.parse(parent, "parent"),
        spec=spec_of(message.spec),
        id=id,
        display_name=message.display_name,
        labels=dict(message.labels),
        annotations=dict(message.annotations),
    )


def _dpo(message: pb.FineTuneSpec) -> Dpo | None:
    if message.WhichOneof("method") != "dpo":
        return None
    return Dpo(beta=message.dpo.beta if message.dpo.HasField("beta") else None)


def _classification(message: pb.FineTuneSpec) -> Classification | None:
    if not message.HasField("classification"):
        return None
    asked = message.classification
    return Classification(
        n_classes=asked.n_classes if asked.HasField("n_classes") else None,
        positive_class=asked.positive_class or None,
        betas=tuple(asked.betas) or (1.0,),
    )


def resource(run: FineTune) -> pb.FineTune:
    """The run as the contract shows it."""
    return pb.FineTune(
        name=str(run.name),
        uid=run.uid,
        etag=str(run.version),
        labels=dict(run.labels),
        annotations=dict(run.annotations),
        display_name=run.display_name,
        create_time=timestamp(run.create_time),
        update_time=timestamp(run.update_time),
        start_time=timestamp(run.start_time),
        end_time=timestamp(run.end_time),
        spec=_spec(run),
        resolved=_resolved(run.name.tenant, run.resolved),
        status=_status(run),
    )


def _spec(run: FineTune) -> pb.FineTuneSpec:
    spec = run.spec
    asked = spec.hyperparameters
    message = pb.FineTuneSpec(
        base_model=spec.base_model,
        training_dataset=_dataset_name(run.name.tenant, spec.training_dataset),
        validation_dataset=_dataset_name(run.name.tenant, spec.validation_dataset),
        suffix=spec.suffix,
        seed=spec.seed,
        metadata=dict(spec.metadata),
        integrations=integration_messages(spec.integrations),
    )
    method: pb.SupervisedMethod | pb.DpoMethod = message.supervised
    if spec.dpo:
        method = message.dpo
        message.dpo.CopyFrom(pb.DpoMethod(beta=spec.dpo.beta))
    method.hyperparameters.CopyFrom(
        pb.Hyperparameters(**{field: getattr(asked, field) for field in _SCALARS})
    )
    if asked.lora != Lora():
        lora = asked.lora
        method.hyperparameters.lora.CopyFrom(
            pb.LoraOptions(
                rank=lora.rank,
                alpha=lora.alpha,
                dropout=lora.dropout,
                layers=lora.layers,
                targets=lora.targets,
            )
        )
    if spec.classification:
        message.classification.CopyFrom(
            pb.Classification(
                n_classes=spec.classification.n_classes,
                positive_class=spec.classification.positive_class or "",
                betas=spec.classification.betas,
            )
        )
    if spec.priority or spec.hold or spec.backends:
        message.placement.CopyFrom(
            pb.Placement(priority=spec.priority, hold=spec.hold, backends=spec.backends)
        )
    if spec.limits != RunLimits():
        message.limits.CopyFrom(_limits(spec.limits))
    if spec.checkpoint_every_steps or spec.checkpoint_keep != Spec.checkpoint_keep:
        message.checkpoints.CopyFrom(
            pb.CheckpointPolicy(every_steps=spec.checkpoint_every_steps, keep=spec.checkpoint_keep)
        )
    return message


def _limits(limits: RunLimits) -> pb.FineTuneLimits:
    cost, seconds = limits.max_cost_micros, limits.max_run_seconds
    fails = limits.on_limit is OnLimit.FAIL
    return pb.FineTuneLimits(
        max_trained_tokens=limits.max_trained_tokens,
        max_cost=None if cost is None else money(cost),
        max_run_time=None if seconds is None else duration(seconds),
        start_deadline=timestamp(limits.start_deadline),
        on_limit=pb.LIMIT_ACTION_FAIL if fails else pb.LIMIT_ACTION_CHECKPOINT_AND_STOP,
    )


def _dataset_name(tenant: str, id: str | None) -> str:
    return str(DatasetName(tenant, id)) if id else ""


@lru_cache(
    1024
)  # it never changes, and is most of what is said of a run. To be copied, not changed
def _resolved(tenant: str, resolved: Resolved) -> pb.FineTuneResolved:
    step = resolved.parent_checkpoint
    behind = "" if step is None else f"#{step}"
    parent = f"tenants/{tenant}/models/{resolved.parent_model}{behind}"
    return pb.FineTuneResolved(
        base_model=f"baseModels/{resolved.base_model}",
        parent_model=parent if resolved.parent_model else "",
        training_dataset=_version(tenant, resolved.training),
        validation_dataset=_version(tenant, resolved.validation) if resolved.validation else None,
        hyperparameters=_hyperparameters(resolved.hyperparameters),
        values=[
            pb.ResolvedValue(path=s.path, value=s.value, source=s.source, reason=s.reason)
            for s in resolved.settings
        ],
        seed=resolved.seed,
        backend=resolved.backend,
        price=price(resolved.price_micros_per_million),
        max_trained_tokens=resolved.worst_case_tokens,
        max_cost=money(cost_micros(resolved.worst_case_tokens, resolved.price_micros_per_million)),
    )


def _version(tenant: str, version: DatasetVersion) -> pb.DatasetVersionRef:
    return pb.DatasetVersionRef(
        dataset=_dataset_name(tenant, version.dataset),
        digest=version.digest,
        example_count=version.example_count,
    )


def _hyperparameters(values: ResolvedHyperparameters) -> pb.Hyperparameters:
    return pb.Hyperparameters(
        **{field: getattr(values, field) for field in _SCALARS},
        lora=pb.LoraOptions(
            rank=values.lora_rank,
            alpha=values.lora_alpha,
            dropout=values.lora_dropout,
            layers=values.lora_layers,
            targets=values.lora_targets or (),
        ),
    )


def _status(run: FineTune) -> pb.FineTuneStatus:
    progress = run.progress
    per_million = run.resolved.price_micros_per_million
    reserved = 0 if run.state.is_terminal else run.resolved.worst_case_tokens
    return pb.FineTuneStatus(
        state=STATES[run.state],
        reason=run.failure.reason if run.failure else run.stopped_at or run.stopping,
        message=run.message,
        wait_reason=WAITS[run.wait_reason] if run.wait_reason else None,
        progress=pb.Progress(
            step=progress.step,
            total_steps=progress.total_steps,
            epoch=progress.epoch,
            epochs=run.resolved.hyperparameters.n_epochs,
            trained_tokens=progress.trained_tokens,
            tokens_per_second=progress.tokens_per_second,
            train_loss=progress.train_loss,
            estimated_finish_time=timestamp(progress.estimated_finish),
        ),
        reserved_tokens=reserved,
        reserved_cost=money(cost_micros(reserved, per_million)),
        usage=events.UsageReported(
            trained_tokens=progress.trained_tokens,
            cost=money(cost_micros(progress.trained_tokens, per_million)),
            final=run.state.is_terminal,
        ),
        error=_error(run),
        model=f"tenants/{run.name.tenant}/models/{run.model}" if run.model else "",
        attempt=run.attempt,
        last_event_sequence=run.last_event,
    )


def _error(run: FineTune) -> status_pb2.Status | None:
    if not run.failure:
        return None
    detail = AnyMessage()
    detail.Pack(
        error_details_pb2.ErrorInfo(
            reason=run.failure.reason, domain=DOMAIN, metadata={"advice": run.failure.advice}
        )
    )
    return status_pb2.Status(
        code=code_pb2.FAILED_PRECONDITION, message=run.failure.message, details=[detail]
    )
