"""The run that a caller's arguments ask for, and the change to one."""

import difflib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal, TypedDict

from google.protobuf.field_mask_pb2 import FieldMask

from tunesmith import _names
from tunesmith._resources.values import Amount, choice, choices, duration, money, timestamp, wrong
from tunesmith.v1 import fine_tune_pb2 as pb

OnLimit = Literal["checkpoint-and-stop", "fail"]
LIMIT_ACTIONS = choices(pb.LimitAction, "LIMIT_ACTION_")
LIMITS = ("max_trained_tokens", "max_cost", "max_run_time", "start_deadline", "on_limit")


class LimitOptions(TypedDict, total=False):
    """What a run may use up, as arguments. `FineTunes.create` says what each means."""

    max_trained_tokens: int | None
    max_cost: Amount | None
    max_run_time: timedelta | None
    start_deadline: datetime | None
    on_limit: OnLimit | None


class RunOptions(LimitOptions, total=False):
    """What can be asked of a run besides data and base, by `create` and by `plan` alike.

    One list for both, so that what was planned is what is created. `FineTunes.create` says what
    each means.
    """

    validation_dataset: str
    suffix: str
    n_epochs: int | None
    batch_size: int | None
    learning_rate_multiplier: float | None
    prompt_loss_weight: float | None
    hyperparameters: pb.Hyperparameters | None
    method: Literal["supervised", "dpo"] | None
    beta: float | None
    n_classes: int | None
    positive_class: str
    betas: Iterable[float]
    seed: int | None
    metadata: Mapping[str, str] | None
    checkpoint_every_steps: int | None
    keep_checkpoints: int | None
    integrations: Iterable[pb.Integration]
    priority: int | None
    hold: bool
    spec: pb.FineTuneSpec | None
    display_name: str
    labels: Mapping[str, str] | None


class ChangeOptions(LimitOptions, total=False):
    """What can be changed of a run that was submitted. `FineTunes.update` says how."""

    labels: Mapping[str, str] | None
    annotations: Mapping[str, str] | None
    display_name: str | None
    priority: int | None
    hold: bool | None
    remove_limits: Iterable[str]


def fine_tune(
    method: str, training_dataset: str, base_model: str, options: RunOptions
) -> pb.FineTune:
    """The run that a method is asked for. What nobody asked for stays open."""
    known(method, options, RunOptions)
    wanted = pb.FineTuneSpec()
    if spec := options.get("spec"):
        wanted.CopyFrom(spec)
    if base_model:
        wanted.base_model = base_model
    if training_dataset:
        wanted.training_dataset = _names.dataset(training_dataset)
    if validation_dataset := options.get("validation_dataset"):
        wanted.validation_dataset = _names.dataset(validation_dataset)
    if suffix := options.get("suffix"):
        wanted.suffix = suffix
    if (seed := options.get("seed")) is not None:
        wanted.seed = seed
    wanted.metadata.update(options.get("metadata") or {})
    _training(wanted, options)
    if _limited(options):
        _limit(wanted.limits, options)
    if (priority := options.get("priority")) is not None:
        wanted.placement.priority = priority
    if options.get("hold"):
        wanted.placement.hold = True
    if (every := options.get("checkpoint_every_steps")) is not None:
        wanted.checkpoints.every_steps = every
    if (keep := options.get("keep_checkpoints")) is not None:
        wanted.checkpoints.keep = keep
    wanted.integrations.extend(options.get("integrations", ()))
    return pb.FineTune(
        spec=wanted,
        display_name=options.get("display_name", ""),
        labels=options.get("labels") or {},
    )


def changes_limits(options: ChangeOptions) -> bool:
    """Whether an update is about limits too; InvalidArgumentError for one that there is not."""
    for limit in options.get("remove_limits", ()):
        if limit not in LIMITS:
            raise wrong("remove_limits", f"there is no {limit!r}; choose from {', '.join(LIMITS)}")
    return bool(_limited(options) or options.get("remove_limits"))


def change(
    name: str, etag: str, present: pb.FineTuneLimits, options: ChangeOptions
) -> tuple[pb.FineTune, FieldMask]:
    """The run with what is to change, and which fields those are; `present` are its limits."""
    run, paths = pb.FineTune(name=_names.fine_tune(name), etag=etag), list[str]()
    if (labels := options.get("labels")) is not None:
        run.labels.update(labels)
        paths.append("labels")
    if (annotations := options.get("annotations")) is not None:
        run.annotations.update(annotations)
        paths.append("annotations")
    if (display_name := options.get("display_name")) is not None:
        run.display_name = display_name
        paths.append("display_name")
    if (priority := options.get("priority")) is not None:
        run.spec.placement.priority = priority
        paths.append("spec.placement.priority")
    if (hold := options.get("hold")) is not None:
        run.spec.placement.hold = hold
        paths.append("spec.placement.hold")
    if changes_limits(options):
        # not limit by limit: a service may take them as a whole alone
        run.spec.limits.CopyFrom(present)
        for limit in options.get("remove_limits", ()):
            run.spec.limits.ClearField(limit)
        _limit(run.spec.limits, options)
        paths.append("spec.limits")
    return run, FieldMask(paths=paths)


def known(method: str, options: Mapping[str, object], kind: type) -> None:
    """TypeError, as Python's own, for an argument that there is not."""
    for name in options:
        if name not in kind.__annotations__:
            close = difflib.get_close_matches(name, kind.__annotations__, 1)
            hint = f". Did you mean {close[0]!r}?" if close else ""
            raise TypeError(f"{method}() got an unexpected keyword argument {name!r}{hint}")


def _training(wanted: pb.FineTuneSpec, options: RunOptions) -> None:
    beta, method = options.get("beta"), options.get("method")
    if method not in (None, "supervised", "dpo"):
        raise wrong("method", f"there is no {method!r}; choose supervised or dpo")
    if beta is not None and method != "dpo" and not wanted.HasField("dpo"):
        raise wrong("beta", "goes with the method dpo")
    if method == "dpo":
        wanted.dpo.SetInParent()
    if beta is not None:
        wanted.dpo.beta = beta
    asked = pb.Hyperparameters(
        n_epochs=options.get("n_epochs"),
        batch_size=options.get("batch_size"),
        learning_rate_multiplier=options.get("learning_rate_multiplier"),
        prompt_loss_weight=options.get("prompt_loss_weight"),
    )
    for more in (options.get("hyperparameters"), asked):
        if more and more.ListFields():
            chosen = wanted.dpo if wanted.HasField("dpo") else wanted.supervised
            chosen.hyperparameters.MergeFrom(more)
    n_classes, positive_class = options.get("n_classes"), options.get("positive_class", "")
    if n_classes is not None or positive_class:
        if n_classes is not None:
            wanted.classification.n_classes = n_classes
        wanted.classification.positive_class = positive_class
        wanted.classification.betas.extend(options.get("betas", ()))


def _limited(options: LimitOptions) -> list[str]:
    """The limits that are given, by name."""
    given: Mapping[str, object] = options
    return [name for name in LIMITS if given.get(name) is not None]


def _limit(limits: pb.FineTuneLimits, options: LimitOptions) -> None:
    if (tokens := options.get("max_trained_tokens")) is not None:
        limits.max_trained_tokens = tokens
    if (cost := options.get("max_cost")) is not None:
        limits.max_cost.CopyFrom(money("max_cost", cost))
    if (span := options.get("max_run_time")) is not None:
        limits.max_run_time.CopyFrom(duration(span))
    if (deadline := options.get("start_deadline")) is not None:
        limits.start_deadline.CopyFrom(timestamp(deadline))
    if (action := options.get("on_limit")) is not None:
        limits.on_limit = choice("on_limit", action, LIMIT_ACTIONS)
