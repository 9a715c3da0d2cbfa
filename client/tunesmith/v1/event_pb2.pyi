import datetime

from google.api import resource_pb2 as _resource_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tunesmith.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_LEVEL_UNSPECIFIED: _ClassVar[EventLevel]
    EVENT_LEVEL_INFO: _ClassVar[EventLevel]
    EVENT_LEVEL_WARNING: _ClassVar[EventLevel]
    EVENT_LEVEL_ERROR: _ClassVar[EventLevel]

class AdmissionDecision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ADMISSION_DECISION_UNSPECIFIED: _ClassVar[AdmissionDecision]
    ADMISSION_DECISION_ADMITTED: _ClassVar[AdmissionDecision]
    ADMISSION_DECISION_WAITING: _ClassVar[AdmissionDecision]
    ADMISSION_DECISION_REFUSED: _ClassVar[AdmissionDecision]
EVENT_LEVEL_UNSPECIFIED: EventLevel
EVENT_LEVEL_INFO: EventLevel
EVENT_LEVEL_WARNING: EventLevel
EVENT_LEVEL_ERROR: EventLevel
ADMISSION_DECISION_UNSPECIFIED: AdmissionDecision
ADMISSION_DECISION_ADMITTED: AdmissionDecision
ADMISSION_DECISION_WAITING: AdmissionDecision
ADMISSION_DECISION_REFUSED: AdmissionDecision

class Event(_message.Message):
    __slots__ = ("run", "run_uid", "sequence", "time", "level", "message", "attempt", "state_changed", "message_logged", "metrics_reported", "checkpoint_created", "admission", "usage_reported", "attempt_changed")
    RUN_FIELD_NUMBER: _ClassVar[int]
    RUN_UID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STATE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_LOGGED_FIELD_NUMBER: _ClassVar[int]
    METRICS_REPORTED_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_CREATED_FIELD_NUMBER: _ClassVar[int]
    ADMISSION_FIELD_NUMBER: _ClassVar[int]
    USAGE_REPORTED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_CHANGED_FIELD_NUMBER: _ClassVar[int]
    run: str
    run_uid: str
    sequence: int
    time: _timestamp_pb2.Timestamp
    level: EventLevel
    message: str
    attempt: int
    state_changed: StateChanged
    message_logged: MessageLogged
    metrics_reported: MetricsReported
    checkpoint_created: CheckpointCreated
    admission: Admission
    usage_reported: UsageReported
    attempt_changed: AttemptChanged
    def __init__(self, run: _Optional[str] = ..., run_uid: _Optional[str] = ..., sequence: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., level: _Optional[_Union[EventLevel, str]] = ..., message: _Optional[str] = ..., attempt: _Optional[int] = ..., state_changed: _Optional[_Union[StateChanged, _Mapping]] = ..., message_logged: _Optional[_Union[MessageLogged, _Mapping]] = ..., metrics_reported: _Optional[_Union[MetricsReported, _Mapping]] = ..., checkpoint_created: _Optional[_Union[CheckpointCreated, _Mapping]] = ..., admission: _Optional[_Union[Admission, _Mapping]] = ..., usage_reported: _Optional[_Union[UsageReported, _Mapping]] = ..., attempt_changed: _Optional[_Union[AttemptChanged, _Mapping]] = ...) -> None: ...

class StateChanged(_message.Message):
    __slots__ = ("to", "reason")
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    to: _common_pb2.FineTuneState
    reason: str
    def __init__(self, to: _Optional[_Union[_common_pb2.FineTuneState, str]] = ..., reason: _Optional[str] = ..., **kwargs) -> None: ...

class MessageLogged(_message.Message):
    __slots__ = ("code", "values")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    code: str
    values: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[str] = ..., values: _Optional[_Mapping[str, str]] = ...) -> None: ...

class MetricsReported(_message.Message):
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
    epoch: float
    values: _containers.ScalarMap[str, float]
    def __init__(self, step: _Optional[int] = ..., epoch: _Optional[float] = ..., values: _Optional[_Mapping[str, float]] = ...) -> None: ...

class CheckpointCreated(_message.Message):
    __slots__ = ("checkpoint", "step", "epoch", "metrics", "size_bytes")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    checkpoint: str
    step: int
    epoch: float
    metrics: _containers.ScalarMap[str, float]
    size_bytes: int
    def __init__(self, checkpoint: _Optional[str] = ..., step: _Optional[int] = ..., epoch: _Optional[float] = ..., metrics: _Optional[_Mapping[str, float]] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class Admission(_message.Message):
    __slots__ = ("decision", "wait_reason", "queue_position", "quota_effects", "backend")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    WAIT_REASON_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    QUOTA_EFFECTS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    decision: AdmissionDecision
    wait_reason: _common_pb2.WaitReason
    queue_position: int
    quota_effects: _containers.RepeatedCompositeFieldContainer[_common_pb2.QuotaEffect]
    backend: str
    def __init__(self, decision: _Optional[_Union[AdmissionDecision, str]] = ..., wait_reason: _Optional[_Union[_common_pb2.WaitReason, str]] = ..., queue_position: _Optional[int] = ..., quota_effects: _Optional[_Iterable[_Union[_common_pb2.QuotaEffect, _Mapping]]] = ..., backend: _Optional[str] = ...) -> None: ...

class UsageReported(_message.Message):
    __slots__ = ("trained_tokens", "cost", "final")
    TRAINED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    trained_tokens: int
    cost: _common_pb2.Money
    final: bool
    def __init__(self, trained_tokens: _Optional[int] = ..., cost: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., final: _Optional[bool] = ...) -> None: ...

class AttemptChanged(_message.Message):
    __slots__ = ("attempt", "reason", "backend", "resume_step")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    RESUME_STEP_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    reason: str
    backend: str
    resume_step: int
    def __init__(self, attempt: _Optional[int] = ..., reason: _Optional[str] = ..., backend: _Optional[str] = ..., resume_step: _Optional[int] = ...) -> None: ...
