"""A fine-tune: what was asked, what it was resolved to, what was observed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from tunesmith_server.domain.events import Event, Kind, Level
from tunesmith_server.domain.integrations import Integration
from tunesmith_server.domain.names import FineTuneName
from tunesmith_server.domain.states import State, WaitReason

TENANT_SUSPENDED = "TENANT_SUSPENDED"
BUDGET_REACHED = "BUDGET_REACHED"
CALLER = "CALLER"
"""Why a run is asked to pause or to end early: see `FineTune.stopping`."""


@dataclass(frozen=True)
class Lora:
    """Options of low-rank adaptation. None is "auto"."""

    rank: int | None = None
    alpha: float | None = None
    dropout: float | None = None
    layers: int | None = None
    """Adapt the last so many transformer layers."""
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hyperparameters:
    """What the caller may choose. None is "auto": see `domain/hyperparameters.py`."""

    n_epochs: int | None = None
    batch_size: int | None = None
    learning_rate_multiplier: float | None = None
    learning_rate: float | None = None
    prompt_loss_weight: float | None = None
    warmup_ratio: float | None = None
    weight_decay: float | None = None
    max_sequence_length: int | None = None
    lora: Lora = Lora()


@dataclass(frozen=True)
class Classification:
    """Compute the classification metrics on the validation dataset after every epoch."""

    n_classes: int | None = None
    positive_class: str | None = None
    betas: tuple[float, ...] = (1.0,)


class OnLimit(StrEnum):
    """What becomes of a run that reaches one of its limits."""

    CHECKPOINT_AND_STOP = "checkpoint_and_stop"
    """What was learnt so far becomes the model: STOPPED_AT_LIMIT."""
    FAIL = "fail"


@dataclass(frozen=True)
class RunLimits:
    """What a run may use up at most. None is no limit of its own."""

    max_trained_tokens: int | None = None
    max_cost_micros: int | None = None
    max_run_seconds: float | None = None
    """Time of training, over all attempts."""
    start_deadline: datetime | None = None
    """A run that has not started by then is EXPIRED."""
    on_limit: OnLimit = OnLimit.CHECKPOINT_AND_STOP


@dataclass(frozen=True)
class Dpo:
    """Direct preference optimisation, the method that learns from pairs of answers."""

    beta: float | None = None
    """How strongly the model is held to where it started; None for the default."""


@dataclass(frozen=True)
class Spec:
    """What the caller asked for. Immutable once submitted, but for priority, hold and limits."""

    base_model: str
    """A base model's id, or `tenants/{tenant}/models/{id}` to continue from a tuned model."""
    training_dataset: str
    """A dataset's id in the run's own tenant; so is `validation_dataset`."""
    validation_dataset: str | None = None
    suffix: str = ""
    hyperparameters: Hyperparameters = Hyperparameters()
    dpo: Dpo | None = None
    """The method, if it is not supervised; the hyperparameters are those of either."""
    classification: Classification | None = None
    seed: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    """-100 to 100; higher goes first within the tenant."""
    hold: bool = False
    """Wait until it is taken back."""
    backends: tuple[str, ...] = ()
    """Backends that may take it, in order of preference; empty for any."""
    checkpoint_every_steps: int | None = None
    """None: at the end of each epoch."""
    checkpoint_keep: int = 2
    limits: RunLimits = RunLimits()
    integrations: tuple[Integration, ...] = ()


@dataclass(frozen=True)
class Setting:
    """One value that was "auto" or given, and where it came from."""

    path: str
    value: str
    source: str
    """`spec`, `guide` (OpenAI's fine-tuning guide), `catalogue` or `server`."""
    reason: str


@dataclass(frozen=True)
class DatasetVersion:
    """One immutable version of a dataset."""

    dataset: str
    digest: str
    """sha256, hex, of the bytes as uploaded."""
    shape: str
    example_count: int
    text_bytes: int
    format: str = ""
    """Of the file, such as `csv`; empty for `jsonl` of before there were others."""
    tokens: int | None = None
    """What one epoch with the run's base and `max_sequence_length` trains on; None if that was not
    counted when the run was submitted."""
    template_tokens: int = 0
    """What a chat template adds at most: see `most_template_tokens`."""

    @property
    def most_tokens(self) -> int:
        """What one epoch trains on at most: a token is at least a byte.

        Of preferences the conversation is run through twice, once with each answer.
        """
        if self.tokens is not None:
            return self.tokens
        return (self.text_bytes + self.template_tokens) * (2 if self.shape == "preference" else 1)


_TOKENS_A_MESSAGE = 16
_TOKENS_A_CONVERSATION = 64
_BYTES_A_MESSAGE = len('{"role":"user","content":""}')


def most_template_tokens(
    *, size_bytes: int, text_bytes: int, conversations: int, messages: int
) -> int:
    """What a chat template adds to conversations at most, in tokens.

    16 for each message (role, header and end of turn: the templates of Llama, Qwen and SmolLM2 take
    4 to 7) and 64 for each conversation (a system message of the template's own takes 20 to 30).
    `messages` 0 is not counted yet: then there are at most as many as the file has room for beside
    its texts, or, if it is packed, which shows by there being no room for two a conversation, one
    for each byte of text.
    """
    if not messages:
        messages = (size_bytes - text_bytes) // _BYTES_A_MESSAGE
        if messages < 2 * conversations:
            messages = text_bytes
    return _TOKENS_A_MESSAGE * messages + _TOKENS_A_CONVERSATION * conversations


@dataclass(frozen=True)
class ResolvedHyperparameters:
    """Every hyperparameter as the trainer gets it. Units as in `run.json`."""

    n_epochs: int
    batch_size: int
    learning_rate: float
    learning_rate_multiplier: float
    prompt_loss_weight: float
    warmup_ratio: float
    weight_decay: float
    max_sequence_length: int
    lora_rank: int
    lora_alpha: float
    lora_dropout: float
    lora_layers: int | None
    lora_targets: tuple[str, ...] | None
    beta: float | None = None
    """Of DPO; None for a supervised run."""


@dataclass(frozen=True)
class Resolved:
    """What every "auto" became, and which versions of everything the run uses."""

    base_model: str
    base_model_name: str
    """The name the caller used for the base, such as `ada`."""
    parent_model: str | None
    training: DatasetVersion
    validation: DatasetVersion | None
    hyperparameters: ResolvedHyperparameters
    seed: int
    backend: str
    worst_case_tokens: int
    """What is reserved: an upper bound of the tokens trained on, over all epochs."""
    max_trained_tokens: int | None = None
    """No step is begun that would take training past this; None where nothing limits it."""
    price_micros_per_million: int = 0
    """Of trained tokens, in millionths of the installation's currency."""
    settings: tuple[Setting, ...] = ()
    parent_checkpoint: int | None = None
    """The step of the parent model's checkpoint to begin from; None is the parent itself."""


@dataclass(frozen=True)
class Progress:
    """How far training is."""

    step: int = 0
    total_steps: int = 0
    epoch: int = 0
    trained_tokens: int = 0
    tokens_per_second: float = 0.0
    train_loss: float | None = None
    estimated_finish: datetime | None = None


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint that is still there."""

    attempt: int
    size_bytes: int


@dataclass(frozen=True)
class Failure:
    """Why a run failed: a constant for programs, words and advice for people."""

    reason: str
    message: str
    advice: str = ""


def first_wait(spec: Spec) -> WaitReason:
    """What a run waits for as far as is known before the scheduler has looked."""
    return WaitReason.HELD if spec.hold else WaitReason.WAITING_FOR_CAPACITY


@dataclass(frozen=True)
class FineTune:
    """A fine-tuning run. A value: a change makes a new one."""

    name: FineTuneName
    uid: str
    spec: Spec
    resolved: Resolved
    state: State
    create_time: datetime
    update_time: datetime
    created_by: str = ""
    display_name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    wait_reason: WaitReason | None = None
    progress: Progress = Progress()
    attempt: int = 0
    """Counts starts on the backend, from 1; 0 before the first."""
    node: str | None = None
    """The machine whose local backend holds the attempt."""
    reports_read: int = 0
    """Sequence of the last trainer report of this attempt that is in the event log."""
    checkpoints: tuple[StoredCheckpoint, ...] = ()
    """Those on the backend, oldest first. An attempt keeps its newest, and all stay to the end."""
    failure: Failure | None = None
    model: str | None = None
    """Id of the tuned model, set in SUCCEEDED and STOPPED_AT_LIMIT alone."""
    model_digest: str | None = None
    results_bytes: int | None = None
    """Size of results.csv, set with `model`; None of runs that ended before it was counted."""
    stopping: str = ""
    """CALLER, TENANT_SUSPENDED or BUDGET_REACHED while it is asked to pause or to end early."""
    stopped_at: str = ""
    """The limit that ended training before its last step; empty if none did."""
    start_time: datetime | None = None
    end_time: datetime | None = None
    last_event: int = 0
    version: int = 1

    @property
    def checkpoint_bytes(self) -> int:
        """What its checkpoints take."""
        return sum(checkpoint.size_bytes for checkpoint in self.checkpoints)

    def with_checkpoint(self, size_bytes: int) -> "FineTune":
        """This run with one more of the present attempt, which then drops its oldest."""
        earlier = [each for each in self.checkpoints if each.attempt != self.attempt]
        present = [each for each in self.checkpoints if each.attempt == self.attempt]
        present.append(StoredCheckpoint(self.attempt, size_bytes))
        kept = (*earlier, *present[-self.spec.checkpoint_keep :])
        return replace(self, checkpoints=kept)

    def at(self, state: State, *, now: datetime, message: str = "") -> "FineTune":
        """This run in `state`, or PreconditionFailed if its life cycle forbids that."""
        self.state.require(state, str(self.name))
        return replace(
            self,
            state=state,
            message=message,
            update_time=now,
            wait_reason=first_wait(self.spec) if state is State.QUEUED else None,
            stopping=self.stopping if state.holds_slot or state is State.PAUSED else "",
            start_time=now if state is State.RUNNING and not self.start_time else self.start_time,
            end_time=now if state.is_terminal else None,
        )

    def told(
        self,
        state: State,
        *,
        now: datetime,
        message: str,
        reason: str = "",
        level: Level = Level.INFO,
    ) -> tuple["FineTune", Event]:
        """This run in `state`, and the event that tells of it."""
        moved = self.at(state, now=now, message=message)
        event = Event(
            kind=Kind.STATE_CHANGED,
            time=now,
            level=level,
            message=message,
            attempt=self.attempt,
            data={"from": self.state.value, "to": state.value, "reason": reason},
        )
        return moved, event
