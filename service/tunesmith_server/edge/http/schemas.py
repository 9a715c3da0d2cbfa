"""What the answers look like, as types: for the OpenAPI document alone.

The answers themselves are put together where they are made; a test with made-up requests compares
what comes with what is declared here.
"""

from typing import Literal

import msgspec

from tunesmith_server.edge.http.integrations import JobIntegration


class Answer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What an answer may have and no more."""


class ErrorDetail(Answer):
    """Why a request was refused."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(Answer):
    """The body of every refusal."""

    error: ErrorDetail


class Deleted(Answer):
    """Something is gone."""

    id: str
    object: Literal["file", "model", "fine-tune", "checkpoint.permission"]
    deleted: bool


class File(Answer):
    """A file: a dataset, or the results of a job."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: Literal["fine-tune", "fine-tune-results"]
    status: Literal["uploaded", "processed", "error", "deleted"]
    status_details: str | None


class FileList(Answer):
    """Files."""

    object: Literal["list"]
    data: list[File]
    has_more: bool
    first_id: str | None
    last_id: str | None


class Upload(Answer):
    """A file in parts; `file` is there once it is completed."""

    id: str
    object: Literal["upload"]
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: Literal["fine-tune"]
    status: Literal["pending", "completed", "cancelled"]
    file: File | None


class UploadPart(Answer):
    """A part that has arrived."""

    id: str
    object: Literal["upload.part"]
    created_at: int
    upload_id: str


class FineTuneEvent(Answer):
    """A line of a log; as a stream, one event each."""

    object: Literal["fine-tune-event"]
    level: Literal["info", "warn", "error"]
    message: str
    created_at: int


class FineTuneEventList(Answer):
    """A log, oldest first."""

    object: Literal["list"]
    data: list[FineTuneEvent]


class Hyperparams(Answer):
    """What a fine-tune is trained with; null until it is known."""

    n_epochs: int
    batch_size: int | None
    learning_rate_multiplier: float | None
    prompt_loss_weight: float
    compute_classification_metrics: bool = False
    classification_n_classes: int | None = None
    classification_positive_class: str | None = None
    classification_betas: list[float] = msgspec.field(default_factory=list)


class FineTune(Answer):
    """A run as the old API shows it; in lists without events."""

    id: str
    object: Literal["fine-tune"]
    hyperparams: Hyperparams
    organization_id: str
    model: str
    training_files: list[File]
    validation_files: list[File]
    result_files: list[File]
    created_at: int
    updated_at: int
    status: Literal["pending", "running", "succeeded", "failed", "cancelled"]
    fine_tuned_model: str | None
    events: list[FineTuneEvent] = msgspec.field(default_factory=list)


class FineTuneList(Answer):
    """Every run, oldest first."""

    object: Literal["list"]
    data: list[FineTune]


class JobHyperparameters(Answer):
    """What a job is trained with; `auto` until it is known."""

    n_epochs: int | Literal["auto"]
    batch_size: int | Literal["auto"]
    learning_rate_multiplier: float | Literal["auto"]


class JobSupervised(Answer):
    """Options of supervised fine-tuning."""

    hyperparameters: JobHyperparameters


class JobDpoHyperparameters(JobHyperparameters):
    """Those of direct preference optimisation."""

    beta: float | Literal["auto"]


class JobDpo(Answer):
    """Options of direct preference optimisation."""

    hyperparameters: JobDpoHyperparameters


class JobMethod(Answer):
    """How a job is trained, and the options of that method alone."""

    type: Literal["supervised", "dpo"]
    supervised: JobSupervised | None = None
    dpo: JobDpo | None = None


class JobError(Answer):
    """Why a job failed."""

    code: str
    message: str
    param: str | None


class Job(Answer):
    """A run as the present API shows it."""

    id: str
    object: Literal["fine_tuning.job"]
    model: str
    created_at: int
    finished_at: int | None
    fine_tuned_model: str | None
    organization_id: str
    result_files: list[str]
    status: Literal[
        "validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled"
    ]
    training_file: str
    validation_file: str | None
    hyperparameters: JobHyperparameters
    trained_tokens: int | None
    error: JobError | None
    user_provided_suffix: str | None
    seed: int
    estimated_finish: int | None
    integrations: list[JobIntegration]
    metadata: dict[str, str] | None
    method: JobMethod
    usage_metrics: None
    shared_with_openai: bool


class JobList(Answer):
    """A page of runs, newest first."""

    object: Literal["list"]
    data: list[Job]
    has_more: bool


class JobEvent(Answer):
    """A line of a job's log, or measurements."""

    id: str
    object: Literal["fine_tuning.job.event"]
    created_at: int
    level: Literal["info", "warn", "error"]
    message: str
    type: Literal["message", "metrics"]
    data: dict[str, float | None] | None


class JobEventList(Answer):
    """A page of a job's log, newest first."""

    object: Literal["list"]
    data: list[JobEvent]
    has_more: bool


class CheckpointMetrics(Answer):
    """What was measured at a checkpoint."""

    step: int
    train_loss: float | None = None
    train_mean_token_accuracy: float | None = None
    valid_loss: float | None = None
    valid_mean_token_accuracy: float | None = None
    full_valid_loss: float | None = None
    full_valid_mean_token_accuracy: float | None = None


class Checkpoint(Answer):
    """A checkpoint of a job."""

    id: str
    object: Literal["fine_tuning.job.checkpoint"]
    created_at: int
    fine_tuned_model_checkpoint: str | None
    fine_tuning_job_id: str
    metrics: CheckpointMetrics
    step_number: int


class CheckpointList(Answer):
    """A page of checkpoints, newest first."""

    object: Literal["list"]
    data: list[Checkpoint]
    has_more: bool
    first_id: str | None
    last_id: str | None


class Permission(Answer):
    """A tenant that a model or a checkpoint is shared with, or offered to until it accepts."""

    id: str
    object: Literal["checkpoint.permission"]
    created_at: int
    project_id: str
    accepted_at: int | None


class PermissionList(Answer):
    """With whom a model or a checkpoint is shared."""

    object: Literal["list"]
    data: list[Permission]
    has_more: bool
    first_id: str | None
    last_id: str | None


class ModelLimit(Answer):
    """How much of a base the tenant may use; null is no limit."""

    object: Literal["fine_tuning.model_limit"]
    model: str
    max_concurrent_jobs: int | None
    active_jobs: int
    max_queued_jobs: int | None
    queued_jobs: int
    max_jobs_per_day: int | None
    jobs_today: int
    max_requests_per_minute: int | None
    max_tokens_per_minute: int | None


class ModelLimitList(Answer):
    """The limits on every base."""

    object: Literal["list"]
    data: list[ModelLimit]


class ModelPermission(Answer):
    """What old clients read."""

    id: str
    object: Literal["model_permission"]
    created: int
    allow_create_engine: bool
    allow_sampling: bool
    allow_logprobs: bool
    allow_search_indices: bool
    allow_view: bool
    allow_fine_tuning: bool
    organization: str
    group: str | None
    is_blocking: bool


class Model(Answer):
    """A base, or a tuned model, under one of its names."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    permission: list[ModelPermission]
    root: str
    parent: str | None


class ModelList(Answer):
    """Everything that answers."""

    object: Literal["list"]
    data: list[Model]


class Engine(Answer):
    """A base as the first API showed it."""

    id: str
    object: Literal["engine"]
    owner: str
    ready: bool


class EngineList(Answer):
    """Every base."""

    object: Literal["list"]
    data: list[Engine]
