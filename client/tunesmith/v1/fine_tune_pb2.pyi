import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from tunesmith.v1 import common_pb2 as _common_pb2
from tunesmith.v1 import event_pb2 as _event_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LimitAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIMIT_ACTION_UNSPECIFIED: _ClassVar[LimitAction]
    LIMIT_ACTION_CHECKPOINT_AND_STOP: _ClassVar[LimitAction]
    LIMIT_ACTION_FAIL: _ClassVar[LimitAction]
LIMIT_ACTION_UNSPECIFIED: LimitAction
LIMIT_ACTION_CHECKPOINT_AND_STOP: LimitAction
LIMIT_ACTION_FAIL: LimitAction

class FineTune(_message.Message):
    __slots__ = ("name", "uid", "etag", "labels", "annotations", "display_name", "create_time", "update_time", "spec", "resolved", "status", "start_time", "end_time")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class AnnotationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    uid: str
    etag: str
    labels: _containers.ScalarMap[str, str]
    annotations: _containers.ScalarMap[str, str]
    display_name: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    spec: FineTuneSpec
    resolved: FineTuneResolved
    status: FineTuneStatus
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., uid: _Optional[str] = ..., etag: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., annotations: _Optional[_Mapping[str, str]] = ..., display_name: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., spec: _Optional[_Union[FineTuneSpec, _Mapping]] = ..., resolved: _Optional[_Union[FineTuneResolved, _Mapping]] = ..., status: _Optional[_Union[FineTuneStatus, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FineTuneSpec(_message.Message):
    __slots__ = ("base_model", "training_dataset", "validation_dataset", "suffix", "supervised", "dpo", "classification", "limits", "placement", "checkpoints", "integrations", "seed", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    TRAINING_DATASET_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_DATASET_FIELD_NUMBER: _ClassVar[int]
    SUFFIX_FIELD_NUMBER: _ClassVar[int]
    SUPERVISED_FIELD_NUMBER: _ClassVar[int]
    DPO_FIELD_NUMBER: _ClassVar[int]
    CLASSIFICATION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    INTEGRATIONS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    base_model: str
    training_dataset: str
    validation_dataset: str
    suffix: str
    supervised: SupervisedMethod
    dpo: DpoMethod
    classification: Classification
    limits: FineTuneLimits
    placement: Placement
    checkpoints: CheckpointPolicy
    integrations: _containers.RepeatedCompositeFieldContainer[Integration]
    seed: int
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, base_model: _Optional[str] = ..., training_dataset: _Optional[str] = ..., validation_dataset: _Optional[str] = ..., suffix: _Optional[str] = ..., supervised: _Optional[_Union[SupervisedMethod, _Mapping]] = ..., dpo: _Optional[_Union[DpoMethod, _Mapping]] = ..., classification: _Optional[_Union[Classification, _Mapping]] = ..., limits: _Optional[_Union[FineTuneLimits, _Mapping]] = ..., placement: _Optional[_Union[Placement, _Mapping]] = ..., checkpoints: _Optional[_Union[CheckpointPolicy, _Mapping]] = ..., integrations: _Optional[_Iterable[_Union[Integration, _Mapping]]] = ..., seed: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SupervisedMethod(_message.Message):
    __slots__ = ("hyperparameters",)
    HYPERPARAMETERS_FIELD_NUMBER: _ClassVar[int]
    hyperparameters: Hyperparameters
    def __init__(self, hyperparameters: _Optional[_Union[Hyperparameters, _Mapping]] = ...) -> None: ...

class DpoMethod(_message.Message):
    __slots__ = ("hyperparameters", "beta")
    HYPERPARAMETERS_FIELD_NUMBER: _ClassVar[int]
    BETA_FIELD_NUMBER: _ClassVar[int]
    hyperparameters: Hyperparameters
    beta: float
    def __init__(self, hyperparameters: _Optional[_Union[Hyperparameters, _Mapping]] = ..., beta: _Optional[float] = ...) -> None: ...

class Hyperparameters(_message.Message):
    __slots__ = ("n_epochs", "batch_size", "learning_rate_multiplier", "learning_rate", "warmup_ratio", "weight_decay", "prompt_loss_weight", "max_sequence_length", "lora", "full")
    N_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    WARMUP_RATIO_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_DECAY_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LOSS_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_SEQUENCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    LORA_FIELD_NUMBER: _ClassVar[int]
    FULL_FIELD_NUMBER: _ClassVar[int]
    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    learning_rate: float
    warmup_ratio: float
    weight_decay: float
    prompt_loss_weight: float
    max_sequence_length: int
    lora: LoraOptions
    full: FullFineTuning
    def __init__(self, n_epochs: _Optional[int] = ..., batch_size: _Optional[int] = ..., learning_rate_multiplier: _Optional[float] = ..., learning_rate: _Optional[float] = ..., warmup_ratio: _Optional[float] = ..., weight_decay: _Optional[float] = ..., prompt_loss_weight: _Optional[float] = ..., max_sequence_length: _Optional[int] = ..., lora: _Optional[_Union[LoraOptions, _Mapping]] = ..., full: _Optional[_Union[FullFineTuning, _Mapping]] = ...) -> None: ...

class LoraOptions(_message.Message):
    __slots__ = ("rank", "alpha", "dropout", "layers", "targets")
    RANK_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    DROPOUT_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    rank: int
    alpha: float
    dropout: float
    layers: int
    targets: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, rank: _Optional[int] = ..., alpha: _Optional[float] = ..., dropout: _Optional[float] = ..., layers: _Optional[int] = ..., targets: _Optional[_Iterable[str]] = ...) -> None: ...

class FullFineTuning(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Classification(_message.Message):
    __slots__ = ("n_classes", "positive_class", "betas")
    N_CLASSES_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_CLASS_FIELD_NUMBER: _ClassVar[int]
    BETAS_FIELD_NUMBER: _ClassVar[int]
    n_classes: int
    positive_class: str
    betas: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, n_classes: _Optional[int] = ..., positive_class: _Optional[str] = ..., betas: _Optional[_Iterable[float]] = ...) -> None: ...

class FineTuneLimits(_message.Message):
    __slots__ = ("max_trained_tokens", "max_cost", "max_run_time", "start_deadline", "on_limit")
    MAX_TRAINED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_FIELD_NUMBER: _ClassVar[int]
    MAX_RUN_TIME_FIELD_NUMBER: _ClassVar[int]
    START_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    ON_LIMIT_FIELD_NUMBER: _ClassVar[int]
    max_trained_tokens: int
    max_cost: _common_pb2.Money
    max_run_time: _duration_pb2.Duration
    start_deadline: _timestamp_pb2.Timestamp
    on_limit: LimitAction
    def __init__(self, max_trained_tokens: _Optional[int] = ..., max_cost: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., max_run_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., start_deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., on_limit: _Optional[_Union[LimitAction, str]] = ...) -> None: ...

class Placement(_message.Message):
    __slots__ = ("backends", "queue", "priority", "preemptible", "hold")
    BACKENDS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    PREEMPTIBLE_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    backends: _containers.RepeatedScalarFieldContainer[str]
    queue: str
    priority: int
    preemptible: bool
    hold: bool
    def __init__(self, backends: _Optional[_Iterable[str]] = ..., queue: _Optional[str] = ..., priority: _Optional[int] = ..., preemptible: _Optional[bool] = ..., hold: _Optional[bool] = ...) -> None: ...

class CheckpointPolicy(_message.Message):
    __slots__ = ("every_steps", "keep")
    EVERY_STEPS_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    every_steps: int
    keep: int
    def __init__(self, every_steps: _Optional[int] = ..., keep: _Optional[int] = ...) -> None: ...

class Integration(_message.Message):
    __slots__ = ("wandb", "mlflow")
    WANDB_FIELD_NUMBER: _ClassVar[int]
    MLFLOW_FIELD_NUMBER: _ClassVar[int]
    wandb: WandbIntegration
    mlflow: MlflowIntegration
    def __init__(self, wandb: _Optional[_Union[WandbIntegration, _Mapping]] = ..., mlflow: _Optional[_Union[MlflowIntegration, _Mapping]] = ...) -> None: ...

class WandbIntegration(_message.Message):
    __slots__ = ("project", "display_name", "entity", "tags", "api_key")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    project: str
    display_name: str
    entity: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    api_key: _common_pb2.SecretReference
    def __init__(self, project: _Optional[str] = ..., display_name: _Optional[str] = ..., entity: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., api_key: _Optional[_Union[_common_pb2.SecretReference, _Mapping]] = ...) -> None: ...

class MlflowIntegration(_message.Message):
    __slots__ = ("tracking_uri", "experiment")
    TRACKING_URI_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    tracking_uri: str
    experiment: str
    def __init__(self, tracking_uri: _Optional[str] = ..., experiment: _Optional[str] = ...) -> None: ...

class FineTuneResolved(_message.Message):
    __slots__ = ("base_model", "parent_model", "training_dataset", "validation_dataset", "hyperparameters", "values", "seed", "backend", "price", "max_trained_tokens", "max_cost")
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    PARENT_MODEL_FIELD_NUMBER: _ClassVar[int]
    TRAINING_DATASET_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_DATASET_FIELD_NUMBER: _ClassVar[int]
    HYPERPARAMETERS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    MAX_TRAINED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_FIELD_NUMBER: _ClassVar[int]
    base_model: str
    parent_model: str
    training_dataset: DatasetVersionRef
    validation_dataset: DatasetVersionRef
    hyperparameters: Hyperparameters
    values: _containers.RepeatedCompositeFieldContainer[ResolvedValue]
    seed: int
    backend: str
    price: _common_pb2.Price
    max_trained_tokens: int
    max_cost: _common_pb2.Money
    def __init__(self, base_model: _Optional[str] = ..., parent_model: _Optional[str] = ..., training_dataset: _Optional[_Union[DatasetVersionRef, _Mapping]] = ..., validation_dataset: _Optional[_Union[DatasetVersionRef, _Mapping]] = ..., hyperparameters: _Optional[_Union[Hyperparameters, _Mapping]] = ..., values: _Optional[_Iterable[_Union[ResolvedValue, _Mapping]]] = ..., seed: _Optional[int] = ..., backend: _Optional[str] = ..., price: _Optional[_Union[_common_pb2.Price, _Mapping]] = ..., max_trained_tokens: _Optional[int] = ..., max_cost: _Optional[_Union[_common_pb2.Money, _Mapping]] = ...) -> None: ...

class DatasetVersionRef(_message.Message):
    __slots__ = ("dataset", "digest", "example_count")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    digest: str
    example_count: int
    def __init__(self, dataset: _Optional[str] = ..., digest: _Optional[str] = ..., example_count: _Optional[int] = ...) -> None: ...

class ResolvedValue(_message.Message):
    __slots__ = ("path", "value", "source", "reason")
    PATH_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    path: str
    value: str
    source: str
    reason: str
    def __init__(self, path: _Optional[str] = ..., value: _Optional[str] = ..., source: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class FineTuneStatus(_message.Message):
    __slots__ = ("state", "reason", "message", "wait_reason", "queue_position", "progress", "reserved_tokens", "usage", "error", "model", "attempt", "last_event_sequence", "reserved_cost")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    WAIT_REASON_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESERVED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESERVED_COST_FIELD_NUMBER: _ClassVar[int]
    state: _common_pb2.FineTuneState
    reason: str
    message: str
    wait_reason: _common_pb2.WaitReason
    queue_position: int
    progress: Progress
    reserved_tokens: int
    usage: _event_pb2.UsageReported
    error: _status_pb2.Status
    model: str
    attempt: int
    last_event_sequence: int
    reserved_cost: _common_pb2.Money
    def __init__(self, state: _Optional[_Union[_common_pb2.FineTuneState, str]] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., wait_reason: _Optional[_Union[_common_pb2.WaitReason, str]] = ..., queue_position: _Optional[int] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., reserved_tokens: _Optional[int] = ..., usage: _Optional[_Union[_event_pb2.UsageReported, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., model: _Optional[str] = ..., attempt: _Optional[int] = ..., last_event_sequence: _Optional[int] = ..., reserved_cost: _Optional[_Union[_common_pb2.Money, _Mapping]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("step", "total_steps", "epoch", "epochs", "trained_tokens", "tokens_per_second", "train_loss", "estimated_finish_time")
    STEP_FIELD_NUMBER: _ClassVar[int]
    TOTAL_STEPS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    TRAINED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    TRAIN_LOSS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FINISH_TIME_FIELD_NUMBER: _ClassVar[int]
    step: int
    total_steps: int
    epoch: int
    epochs: int
    trained_tokens: int
    tokens_per_second: float
    train_loss: float
    estimated_finish_time: _timestamp_pb2.Timestamp
    def __init__(self, step: _Optional[int] = ..., total_steps: _Optional[int] = ..., epoch: _Optional[int] = ..., epochs: _Optional[int] = ..., trained_tokens: _Optional[int] = ..., tokens_per_second: _Optional[float] = ..., train_loss: _Optional[float] = ..., estimated_finish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ("name", "step", "create_time", "metrics", "size_bytes", "digest", "attempt", "model")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    name: str
    step: int
    create_time: _timestamp_pb2.Timestamp
    metrics: _containers.ScalarMap[str, float]
    size_bytes: int
    digest: str
    attempt: int
    model: str
    def __init__(self, name: _Optional[str] = ..., step: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., size_bytes: _Optional[int] = ..., digest: _Optional[str] = ..., attempt: _Optional[int] = ..., model: _Optional[str] = ...) -> None: ...

class CreateFineTuneRequest(_message.Message):
    __slots__ = ("parent", "fine_tune_id", "fine_tune", "plan_token", "request_id", "validate_only")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    FINE_TUNE_ID_FIELD_NUMBER: _ClassVar[int]
    FINE_TUNE_FIELD_NUMBER: _ClassVar[int]
    PLAN_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    parent: str
    fine_tune_id: str
    fine_tune: FineTune
    plan_token: str
    request_id: str
    validate_only: bool
    def __init__(self, parent: _Optional[str] = ..., fine_tune_id: _Optional[str] = ..., fine_tune: _Optional[_Union[FineTune, _Mapping]] = ..., plan_token: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class CreateFineTuneResponse(_message.Message):
    __slots__ = ("fine_tune",)
    FINE_TUNE_FIELD_NUMBER: _ClassVar[int]
    fine_tune: FineTune
    def __init__(self, fine_tune: _Optional[_Union[FineTune, _Mapping]] = ...) -> None: ...

class GetFineTuneRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetFineTuneResponse(_message.Message):
    __slots__ = ("fine_tune",)
    FINE_TUNE_FIELD_NUMBER: _ClassVar[int]
    fine_tune: FineTune
    def __init__(self, fine_tune: _Optional[_Union[FineTune, _Mapping]] = ...) -> None: ...

class ListFineTunesRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "filter", "states")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    filter: str
    states: _containers.RepeatedScalarFieldContainer[_common_pb2.FineTuneState]
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ..., states: _Optional[_Iterable[_Union[_common_pb2.FineTuneState, str]]] = ...) -> None: ...

class ListFineTunesResponse(_message.Message):
    __slots__ = ("fine_tunes", "next_page_token")
    FINE_TUNES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    fine_tunes: _containers.RepeatedCompositeFieldContainer[FineTune]
    next_page_token: str
    def __init__(self, fine_tunes: _Optional[_Iterable[_Union[FineTune, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateFineTuneRequest(_message.Message):
    __slots__ = ("fine_tune", "update_mask", "request_id", "validate_only")
    FINE_TUNE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    fine_tune: FineTune
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    validate_only: bool
    def __init__(self, fine_tune: _Optional[_Union[FineTune, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class UpdateFineTuneResponse(_message.Message):
    __slots__ = ("fine_tune", "outcome")
    FINE_TUNE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    fine_tune: FineTune
    outcome: _common_pb2.UpdateOutcome
    def __init__(self, fine_tune: _Optional[_Union[FineTune, _Mapping]] = ..., outcome: _Optional[_Union[_common_pb2.UpdateOutcome, str]] = ...) -> None: ...

class CancelFineTuneRequest(_message.Message):
    __slots__ = ("name", "request_id", "validate_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    validate_only: bool
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class CancelFineTuneResponse(_message.Message):
    __slots__ = ("fine_tune",)
    FINE_TUNE_FIELD_NUMBER: _ClassVar[int]
    fine_tune: FineTune
    def __init__(self, fine_tune: _Optional[_Union[FineTune, _Mapping]] = ...) -> None: ...

class PauseFineTuneRequest(_message.Message):
    __slots__ = ("name", "request_id", "validate_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    validate_only: bool
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class PauseFineTuneResponse(_message.Message):
    __slots__ = ("fine_tune",)
    FINE_TUNE_FIELD_NUMBER: _ClassVar[int]
    fine_tune: FineTune
    def __init__(self, fine_tune: _Optional[_Union[FineTune, _Mapping]] = ...) -> None: ...

class ResumeFineTuneRequest(_message.Message):
    __slots__ = ("name", "request_id", "validate_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    validate_only: bool
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ResumeFineTuneResponse(_message.Message):
    __slots__ = ("fine_tune",)
    FINE_TUNE_FIELD_NUMBER: _ClassVar[int]
    fine_tune: FineTune
    def __init__(self, fine_tune: _Optional[_Union[FineTune, _Mapping]] = ...) -> None: ...

class DeleteFineTuneRequest(_message.Message):
    __slots__ = ("name", "request_id", "validate_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    validate_only: bool
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class DeleteFineTuneResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PlanFineTuneRequest(_message.Message):
    __slots__ = ("parent", "fine_tune")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    FINE_TUNE_FIELD_NUMBER: _ClassVar[int]
    parent: str
    fine_tune: FineTune
    def __init__(self, parent: _Optional[str] = ..., fine_tune: _Optional[_Union[FineTune, _Mapping]] = ...) -> None: ...

class PlanFineTuneResponse(_message.Message):
    __slots__ = ("fine_tune", "findings", "quota_effects", "total_steps", "trained_tokens", "min_cost", "max_cost", "run_time", "estimated_start_time", "plan_token", "cost_basis", "run_time_basis", "max_trained_tokens", "queue_position", "memory_bytes")
    FINE_TUNE_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    QUOTA_EFFECTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_STEPS_FIELD_NUMBER: _ClassVar[int]
    TRAINED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MIN_COST_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_FIELD_NUMBER: _ClassVar[int]
    RUN_TIME_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_START_TIME_FIELD_NUMBER: _ClassVar[int]
    PLAN_TOKEN_FIELD_NUMBER: _ClassVar[int]
    COST_BASIS_FIELD_NUMBER: _ClassVar[int]
    RUN_TIME_BASIS_FIELD_NUMBER: _ClassVar[int]
    MAX_TRAINED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    fine_tune: FineTune
    findings: _containers.RepeatedCompositeFieldContainer[_common_pb2.Finding]
    quota_effects: _containers.RepeatedCompositeFieldContainer[_common_pb2.QuotaEffect]
    total_steps: int
    trained_tokens: int
    min_cost: _common_pb2.Money
    max_cost: _common_pb2.Money
    run_time: _duration_pb2.Duration
    estimated_start_time: _timestamp_pb2.Timestamp
    plan_token: str
    cost_basis: str
    run_time_basis: str
    max_trained_tokens: int
    queue_position: int
    memory_bytes: int
    def __init__(self, fine_tune: _Optional[_Union[FineTune, _Mapping]] = ..., findings: _Optional[_Iterable[_Union[_common_pb2.Finding, _Mapping]]] = ..., quota_effects: _Optional[_Iterable[_Union[_common_pb2.QuotaEffect, _Mapping]]] = ..., total_steps: _Optional[int] = ..., trained_tokens: _Optional[int] = ..., min_cost: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., max_cost: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., run_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., estimated_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., plan_token: _Optional[str] = ..., cost_basis: _Optional[str] = ..., run_time_basis: _Optional[str] = ..., max_trained_tokens: _Optional[int] = ..., queue_position: _Optional[int] = ..., memory_bytes: _Optional[int] = ...) -> None: ...

class ExplainFineTuneRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ExplainFineTuneResponse(_message.Message):
    __slots__ = ("summary", "wait_reason", "queue_position", "quota_effects", "next_step", "estimated_start_time", "reason", "advice", "attempts")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    WAIT_REASON_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    QUOTA_EFFECTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_STEP_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_START_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    summary: str
    wait_reason: _common_pb2.WaitReason
    queue_position: int
    quota_effects: _containers.RepeatedCompositeFieldContainer[_common_pb2.QuotaEffect]
    next_step: str
    estimated_start_time: _timestamp_pb2.Timestamp
    reason: str
    advice: str
    attempts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, summary: _Optional[str] = ..., wait_reason: _Optional[_Union[_common_pb2.WaitReason, str]] = ..., queue_position: _Optional[int] = ..., quota_effects: _Optional[_Iterable[_Union[_common_pb2.QuotaEffect, _Mapping]]] = ..., next_step: _Optional[str] = ..., estimated_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., advice: _Optional[str] = ..., attempts: _Optional[_Iterable[str]] = ...) -> None: ...

class WaitFineTuneRequest(_message.Message):
    __slots__ = ("name", "timeout")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    name: str
    timeout: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WaitFineTuneResponse(_message.Message):
    __slots__ = ("fine_tune",)
    FINE_TUNE_FIELD_NUMBER: _ClassVar[int]
    fine_tune: FineTune
    def __init__(self, fine_tune: _Optional[_Union[FineTune, _Mapping]] = ...) -> None: ...

class ListFineTuneEventsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "cursor")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    cursor: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListFineTuneEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token", "cursor")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    next_page_token: str
    cursor: str
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., cursor: _Optional[str] = ...) -> None: ...

class WatchFineTuneRequest(_message.Message):
    __slots__ = ("name", "cursor")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    name: str
    cursor: str
    def __init__(self, name: _Optional[str] = ..., cursor: _Optional[str] = ...) -> None: ...

class WatchFineTuneResponse(_message.Message):
    __slots__ = ("events", "cursor", "snapshot", "bookmark", "closing")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    BOOKMARK_FIELD_NUMBER: _ClassVar[int]
    CLOSING_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    cursor: str
    snapshot: FineTune
    bookmark: bool
    closing: WatchClosing
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., cursor: _Optional[str] = ..., snapshot: _Optional[_Union[FineTune, _Mapping]] = ..., bookmark: _Optional[bool] = ..., closing: _Optional[_Union[WatchClosing, _Mapping]] = ...) -> None: ...

class WatchClosing(_message.Message):
    __slots__ = ("reason", "resume_after")
    REASON_FIELD_NUMBER: _ClassVar[int]
    RESUME_AFTER_FIELD_NUMBER: _ClassVar[int]
    reason: str
    resume_after: _duration_pb2.Duration
    def __init__(self, reason: _Optional[str] = ..., resume_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchFineTunesRequest(_message.Message):
    __slots__ = ("parent", "cursor")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    parent: str
    cursor: str
    def __init__(self, parent: _Optional[str] = ..., cursor: _Optional[str] = ...) -> None: ...

class WatchFineTunesResponse(_message.Message):
    __slots__ = ("events", "cursor", "snapshots", "bookmark", "closing")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    BOOKMARK_FIELD_NUMBER: _ClassVar[int]
    CLOSING_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    cursor: str
    snapshots: _containers.RepeatedCompositeFieldContainer[FineTune]
    bookmark: bool
    closing: WatchClosing
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., cursor: _Optional[str] = ..., snapshots: _Optional[_Iterable[_Union[FineTune, _Mapping]]] = ..., bookmark: _Optional[bool] = ..., closing: _Optional[_Union[WatchClosing, _Mapping]] = ...) -> None: ...

class ListCheckpointsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCheckpointsResponse(_message.Message):
    __slots__ = ("checkpoints", "next_page_token")
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    checkpoints: _containers.RepeatedCompositeFieldContainer[Checkpoint]
    next_page_token: str
    def __init__(self, checkpoints: _Optional[_Iterable[_Union[Checkpoint, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetResultsRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetResultsResponse(_message.Message):
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[ResultRow]
    def __init__(self, rows: _Optional[_Iterable[_Union[ResultRow, _Mapping]]] = ...) -> None: ...

class ResultRow(_message.Message):
    __slots__ = ("step", "epoch", "values")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    STEP_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    step: int
    epoch: int
    values: _containers.ScalarMap[str, float]
    def __init__(self, step: _Optional[int] = ..., epoch: _Optional[int] = ..., values: _Optional[_Mapping[str, float]] = ...) -> None: ...
