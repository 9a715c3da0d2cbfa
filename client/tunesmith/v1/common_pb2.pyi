import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FineTuneState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINE_TUNE_STATE_UNSPECIFIED: _ClassVar[FineTuneState]
    FINE_TUNE_STATE_VALIDATING: _ClassVar[FineTuneState]
    FINE_TUNE_STATE_QUEUED: _ClassVar[FineTuneState]
    FINE_TUNE_STATE_PREPARING: _ClassVar[FineTuneState]
    FINE_TUNE_STATE_RUNNING: _ClassVar[FineTuneState]
    FINE_TUNE_STATE_FINALIZING: _ClassVar[FineTuneState]
    FINE_TUNE_STATE_PAUSING: _ClassVar[FineTuneState]
    FINE_TUNE_STATE_PAUSED: _ClassVar[FineTuneState]
    FINE_TUNE_STATE_CANCELLING: _ClassVar[FineTuneState]
    FINE_TUNE_STATE_SUCCEEDED: _ClassVar[FineTuneState]
    FINE_TUNE_STATE_FAILED: _ClassVar[FineTuneState]
    FINE_TUNE_STATE_CANCELLED: _ClassVar[FineTuneState]
    FINE_TUNE_STATE_EXPIRED: _ClassVar[FineTuneState]
    FINE_TUNE_STATE_STOPPED_AT_LIMIT: _ClassVar[FineTuneState]

class WaitReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WAIT_REASON_UNSPECIFIED: _ClassVar[WaitReason]
    WAIT_REASON_TENANT_SUSPENDED: _ClassVar[WaitReason]
    WAIT_REASON_WAITING_FOR_QUOTA: _ClassVar[WaitReason]
    WAIT_REASON_WAITING_FOR_FAIR_SHARE: _ClassVar[WaitReason]
    WAIT_REASON_WAITING_FOR_CAPACITY: _ClassVar[WaitReason]
    WAIT_REASON_WAITING_FOR_UPSTREAM_SLOT: _ClassVar[WaitReason]
    WAIT_REASON_HELD: _ClassVar[WaitReason]

class UpdateOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UPDATE_OUTCOME_UNSPECIFIED: _ClassVar[UpdateOutcome]
    UPDATE_OUTCOME_CREATED: _ClassVar[UpdateOutcome]
    UPDATE_OUTCOME_CONFIGURED: _ClassVar[UpdateOutcome]
    UPDATE_OUTCOME_UNCHANGED: _ClassVar[UpdateOutcome]

class FindingSeverity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINDING_SEVERITY_UNSPECIFIED: _ClassVar[FindingSeverity]
    FINDING_SEVERITY_INFO: _ClassVar[FindingSeverity]
    FINDING_SEVERITY_WARNING: _ClassVar[FindingSeverity]
    FINDING_SEVERITY_ERROR: _ClassVar[FindingSeverity]
FINE_TUNE_STATE_UNSPECIFIED: FineTuneState
FINE_TUNE_STATE_VALIDATING: FineTuneState
FINE_TUNE_STATE_QUEUED: FineTuneState
FINE_TUNE_STATE_PREPARING: FineTuneState
FINE_TUNE_STATE_RUNNING: FineTuneState
FINE_TUNE_STATE_FINALIZING: FineTuneState
FINE_TUNE_STATE_PAUSING: FineTuneState
FINE_TUNE_STATE_PAUSED: FineTuneState
FINE_TUNE_STATE_CANCELLING: FineTuneState
FINE_TUNE_STATE_SUCCEEDED: FineTuneState
FINE_TUNE_STATE_FAILED: FineTuneState
FINE_TUNE_STATE_CANCELLED: FineTuneState
FINE_TUNE_STATE_EXPIRED: FineTuneState
FINE_TUNE_STATE_STOPPED_AT_LIMIT: FineTuneState
WAIT_REASON_UNSPECIFIED: WaitReason
WAIT_REASON_TENANT_SUSPENDED: WaitReason
WAIT_REASON_WAITING_FOR_QUOTA: WaitReason
WAIT_REASON_WAITING_FOR_FAIR_SHARE: WaitReason
WAIT_REASON_WAITING_FOR_CAPACITY: WaitReason
WAIT_REASON_WAITING_FOR_UPSTREAM_SLOT: WaitReason
WAIT_REASON_HELD: WaitReason
UPDATE_OUTCOME_UNSPECIFIED: UpdateOutcome
UPDATE_OUTCOME_CREATED: UpdateOutcome
UPDATE_OUTCOME_CONFIGURED: UpdateOutcome
UPDATE_OUTCOME_UNCHANGED: UpdateOutcome
FINDING_SEVERITY_UNSPECIFIED: FindingSeverity
FINDING_SEVERITY_INFO: FindingSeverity
FINDING_SEVERITY_WARNING: FindingSeverity
FINDING_SEVERITY_ERROR: FindingSeverity

class Money(_message.Message):
    __slots__ = ("currency_code", "micros")
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    MICROS_FIELD_NUMBER: _ClassVar[int]
    currency_code: str
    micros: int
    def __init__(self, currency_code: _Optional[str] = ..., micros: _Optional[int] = ...) -> None: ...

class Price(_message.Message):
    __slots__ = ("training_per_million_tokens", "input_per_million_tokens", "output_per_million_tokens")
    TRAINING_PER_MILLION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    INPUT_PER_MILLION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_PER_MILLION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    training_per_million_tokens: Money
    input_per_million_tokens: Money
    output_per_million_tokens: Money
    def __init__(self, training_per_million_tokens: _Optional[_Union[Money, _Mapping]] = ..., input_per_million_tokens: _Optional[_Union[Money, _Mapping]] = ..., output_per_million_tokens: _Optional[_Union[Money, _Mapping]] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("code", "severity", "line", "pointer", "message", "suggestion", "count", "fixable")
    CODE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    POINTER_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SUGGESTION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FIXABLE_FIELD_NUMBER: _ClassVar[int]
    code: str
    severity: FindingSeverity
    line: int
    pointer: str
    message: str
    suggestion: str
    count: int
    fixable: bool
    def __init__(self, code: _Optional[str] = ..., severity: _Optional[_Union[FindingSeverity, str]] = ..., line: _Optional[int] = ..., pointer: _Optional[str] = ..., message: _Optional[str] = ..., suggestion: _Optional[str] = ..., count: _Optional[int] = ..., fixable: _Optional[bool] = ...) -> None: ...

class QuotaEffect(_message.Message):
    __slots__ = ("dimension", "base_model", "limit", "used", "reserved", "requested", "fits", "never_fits", "reset_time", "scope", "remaining")
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_FIELD_NUMBER: _ClassVar[int]
    FITS_FIELD_NUMBER: _ClassVar[int]
    NEVER_FITS_FIELD_NUMBER: _ClassVar[int]
    RESET_TIME_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    dimension: str
    base_model: str
    limit: int
    used: int
    reserved: int
    requested: int
    fits: bool
    never_fits: bool
    reset_time: _timestamp_pb2.Timestamp
    scope: str
    remaining: int
    def __init__(self, dimension: _Optional[str] = ..., base_model: _Optional[str] = ..., limit: _Optional[int] = ..., used: _Optional[int] = ..., reserved: _Optional[int] = ..., requested: _Optional[int] = ..., fits: _Optional[bool] = ..., never_fits: _Optional[bool] = ..., reset_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., scope: _Optional[str] = ..., remaining: _Optional[int] = ...) -> None: ...

class SecretReference(_message.Message):
    __slots__ = ("environment_variable", "file", "kubernetes_secret")
    ENVIRONMENT_VARIABLE_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    KUBERNETES_SECRET_FIELD_NUMBER: _ClassVar[int]
    environment_variable: str
    file: str
    kubernetes_secret: str
    def __init__(self, environment_variable: _Optional[str] = ..., file: _Optional[str] = ..., kubernetes_secret: _Optional[str] = ...) -> None: ...
