import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RunnerCommand(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUNNER_COMMAND_UNSPECIFIED: _ClassVar[RunnerCommand]
    RUNNER_COMMAND_CHECKPOINT: _ClassVar[RunnerCommand]
    RUNNER_COMMAND_PAUSE: _ClassVar[RunnerCommand]
    RUNNER_COMMAND_STOP: _ClassVar[RunnerCommand]
RUNNER_COMMAND_UNSPECIFIED: RunnerCommand
RUNNER_COMMAND_CHECKPOINT: RunnerCommand
RUNNER_COMMAND_PAUSE: RunnerCommand
RUNNER_COMMAND_STOP: RunnerCommand

class RunnerReport(_message.Message):
    __slots__ = ("sequence", "time", "json")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    time: _timestamp_pb2.Timestamp
    json: bytes
    def __init__(self, sequence: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., json: _Optional[bytes] = ...) -> None: ...

class ReportRequest(_message.Message):
    __slots__ = ("reports",)
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    reports: _containers.RepeatedCompositeFieldContainer[RunnerReport]
    def __init__(self, reports: _Optional[_Iterable[_Union[RunnerReport, _Mapping]]] = ...) -> None: ...

class ReportResponse(_message.Message):
    __slots__ = ("acknowledged_sequence", "command")
    ACKNOWLEDGED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    acknowledged_sequence: int
    command: RunnerCommand
    def __init__(self, acknowledged_sequence: _Optional[int] = ..., command: _Optional[_Union[RunnerCommand, str]] = ...) -> None: ...

class RegisterCheckpointRequest(_message.Message):
    __slots__ = ("step", "path", "digest")
    STEP_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    step: int
    path: str
    digest: str
    def __init__(self, step: _Optional[int] = ..., path: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class RegisterCheckpointResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CompleteRunRequest(_message.Message):
    __slots__ = ("outcome_json",)
    OUTCOME_JSON_FIELD_NUMBER: _ClassVar[int]
    outcome_json: bytes
    def __init__(self, outcome_json: _Optional[bytes] = ...) -> None: ...

class CompleteRunResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
