import datetime

from google.api import field_behavior_pb2 as _field_behavior_pb2
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

class AnalysisState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ANALYSIS_STATE_UNSPECIFIED: _ClassVar[AnalysisState]
    ANALYSIS_STATE_PENDING: _ClassVar[AnalysisState]
    ANALYSIS_STATE_RUNNING: _ClassVar[AnalysisState]
    ANALYSIS_STATE_COMPLETE: _ClassVar[AnalysisState]
    ANALYSIS_STATE_FAILED: _ClassVar[AnalysisState]

class DatasetState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATASET_STATE_UNSPECIFIED: _ClassVar[DatasetState]
    DATASET_STATE_PROCESSING: _ClassVar[DatasetState]
    DATASET_STATE_READY: _ClassVar[DatasetState]
    DATASET_STATE_INVALID: _ClassVar[DatasetState]

class DatasetShape(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATASET_SHAPE_UNSPECIFIED: _ClassVar[DatasetShape]
    DATASET_SHAPE_PROMPT_COMPLETION: _ClassVar[DatasetShape]
    DATASET_SHAPE_CHAT: _ClassVar[DatasetShape]
    DATASET_SHAPE_PREFERENCE: _ClassVar[DatasetShape]

class DatasetFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATASET_FORMAT_UNSPECIFIED: _ClassVar[DatasetFormat]
    DATASET_FORMAT_JSONL: _ClassVar[DatasetFormat]
    DATASET_FORMAT_JSON: _ClassVar[DatasetFormat]
    DATASET_FORMAT_CSV: _ClassVar[DatasetFormat]
    DATASET_FORMAT_TSV: _ClassVar[DatasetFormat]
    DATASET_FORMAT_XLSX: _ClassVar[DatasetFormat]
    DATASET_FORMAT_TXT: _ClassVar[DatasetFormat]
ANALYSIS_STATE_UNSPECIFIED: AnalysisState
ANALYSIS_STATE_PENDING: AnalysisState
ANALYSIS_STATE_RUNNING: AnalysisState
ANALYSIS_STATE_COMPLETE: AnalysisState
ANALYSIS_STATE_FAILED: AnalysisState
DATASET_STATE_UNSPECIFIED: DatasetState
DATASET_STATE_PROCESSING: DatasetState
DATASET_STATE_READY: DatasetState
DATASET_STATE_INVALID: DatasetState
DATASET_SHAPE_UNSPECIFIED: DatasetShape
DATASET_SHAPE_PROMPT_COMPLETION: DatasetShape
DATASET_SHAPE_CHAT: DatasetShape
DATASET_SHAPE_PREFERENCE: DatasetShape
DATASET_FORMAT_UNSPECIFIED: DatasetFormat
DATASET_FORMAT_JSONL: DatasetFormat
DATASET_FORMAT_JSON: DatasetFormat
DATASET_FORMAT_CSV: DatasetFormat
DATASET_FORMAT_TSV: DatasetFormat
DATASET_FORMAT_XLSX: DatasetFormat
DATASET_FORMAT_TXT: DatasetFormat

class Dataset(_message.Message):
    __slots__ = ("name", "uid", "etag", "labels", "annotations", "display_name", "create_time", "update_time", "state", "digest", "parent_digest", "version_number", "shape", "size_bytes", "example_count", "file_name", "findings", "statistics", "version_time", "format", "analysis", "expire_time")
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
    STATE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PARENT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    VERSION_NUMBER_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    VERSION_TIME_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    uid: str
    etag: str
    labels: _containers.ScalarMap[str, str]
    annotations: _containers.ScalarMap[str, str]
    display_name: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    state: DatasetState
    digest: str
    parent_digest: str
    version_number: int
    shape: DatasetShape
    size_bytes: int
    example_count: int
    file_name: str
    findings: _containers.RepeatedCompositeFieldContainer[_common_pb2.Finding]
    statistics: DatasetStatistics
    version_time: _timestamp_pb2.Timestamp
    format: DatasetFormat
    analysis: DatasetAnalysis
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., uid: _Optional[str] = ..., etag: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., annotations: _Optional[_Mapping[str, str]] = ..., display_name: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[DatasetState, str]] = ..., digest: _Optional[str] = ..., parent_digest: _Optional[str] = ..., version_number: _Optional[int] = ..., shape: _Optional[_Union[DatasetShape, str]] = ..., size_bytes: _Optional[int] = ..., example_count: _Optional[int] = ..., file_name: _Optional[str] = ..., findings: _Optional[_Iterable[_Union[_common_pb2.Finding, _Mapping]]] = ..., statistics: _Optional[_Union[DatasetStatistics, _Mapping]] = ..., version_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., format: _Optional[_Union[DatasetFormat, str]] = ..., analysis: _Optional[_Union[DatasetAnalysis, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DatasetAnalysis(_message.Message):
    __slots__ = ("state", "bytes_done", "error", "complete_time")
    STATE_FIELD_NUMBER: _ClassVar[int]
    BYTES_DONE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_TIME_FIELD_NUMBER: _ClassVar[int]
    state: AnalysisState
    bytes_done: int
    error: str
    complete_time: _timestamp_pb2.Timestamp
    def __init__(self, state: _Optional[_Union[AnalysisState, str]] = ..., bytes_done: _Optional[int] = ..., error: _Optional[str] = ..., complete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DatasetStatistics(_message.Message):
    __slots__ = ("text_bytes", "longest_example_bytes", "class_counts")
    class ClassCountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    TEXT_BYTES_FIELD_NUMBER: _ClassVar[int]
    LONGEST_EXAMPLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CLASS_COUNTS_FIELD_NUMBER: _ClassVar[int]
    text_bytes: int
    longest_example_bytes: int
    class_counts: _containers.ScalarMap[str, int]
    def __init__(self, text_bytes: _Optional[int] = ..., longest_example_bytes: _Optional[int] = ..., class_counts: _Optional[_Mapping[str, int]] = ...) -> None: ...

class TokenStatistics(_message.Message):
    __slots__ = ("base_model", "tokenizer", "analysis", "example_count", "total_tokens", "billable_tokens", "longest_example_tokens", "percentiles", "histogram", "truncated_count", "dropped_count", "findings")
    class PercentilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_FIELD_NUMBER: _ClassVar[int]
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TOKENS_FIELD_NUMBER: _ClassVar[int]
    BILLABLE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    LONGEST_EXAMPLE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    PERCENTILES_FIELD_NUMBER: _ClassVar[int]
    HISTOGRAM_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DROPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    base_model: str
    tokenizer: str
    analysis: DatasetAnalysis
    example_count: int
    total_tokens: int
    billable_tokens: int
    longest_example_tokens: int
    percentiles: _containers.ScalarMap[int, int]
    histogram: _containers.RepeatedCompositeFieldContainer[LengthBucket]
    truncated_count: int
    dropped_count: int
    findings: _containers.RepeatedCompositeFieldContainer[_common_pb2.Finding]
    def __init__(self, base_model: _Optional[str] = ..., tokenizer: _Optional[str] = ..., analysis: _Optional[_Union[DatasetAnalysis, _Mapping]] = ..., example_count: _Optional[int] = ..., total_tokens: _Optional[int] = ..., billable_tokens: _Optional[int] = ..., longest_example_tokens: _Optional[int] = ..., percentiles: _Optional[_Mapping[int, int]] = ..., histogram: _Optional[_Iterable[_Union[LengthBucket, _Mapping]]] = ..., truncated_count: _Optional[int] = ..., dropped_count: _Optional[int] = ..., findings: _Optional[_Iterable[_Union[_common_pb2.Finding, _Mapping]]] = ...) -> None: ...

class LengthBucket(_message.Message):
    __slots__ = ("from_tokens", "below_tokens", "count")
    FROM_TOKENS_FIELD_NUMBER: _ClassVar[int]
    BELOW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    from_tokens: int
    below_tokens: int
    count: int
    def __init__(self, from_tokens: _Optional[int] = ..., below_tokens: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class UploadDatasetRequest(_message.Message):
    __slots__ = ("header", "chunk", "finish")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    header: UploadHeader
    chunk: UploadChunk
    finish: UploadFinish
    def __init__(self, header: _Optional[_Union[UploadHeader, _Mapping]] = ..., chunk: _Optional[_Union[UploadChunk, _Mapping]] = ..., finish: _Optional[_Union[UploadFinish, _Mapping]] = ...) -> None: ...

class UploadHeader(_message.Message):
    __slots__ = ("parent", "dataset_id", "display_name", "labels", "file_name", "format", "shape", "size_bytes", "request_id")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PARENT_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    parent: str
    dataset_id: str
    display_name: str
    labels: _containers.ScalarMap[str, str]
    file_name: str
    format: DatasetFormat
    shape: DatasetShape
    size_bytes: int
    request_id: str
    def __init__(self, parent: _Optional[str] = ..., dataset_id: _Optional[str] = ..., display_name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., file_name: _Optional[str] = ..., format: _Optional[_Union[DatasetFormat, str]] = ..., shape: _Optional[_Union[DatasetShape, str]] = ..., size_bytes: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class UploadChunk(_message.Message):
    __slots__ = ("offset", "data", "crc32c")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    CRC32C_FIELD_NUMBER: _ClassVar[int]
    offset: int
    data: bytes
    crc32c: int
    def __init__(self, offset: _Optional[int] = ..., data: _Optional[bytes] = ..., crc32c: _Optional[int] = ...) -> None: ...

class UploadFinish(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    def __init__(self, sha256: _Optional[str] = ...) -> None: ...

class UploadDatasetResponse(_message.Message):
    __slots__ = ("dataset",)
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class GetUploadRequest(_message.Message):
    __slots__ = ("parent", "request_id")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    parent: str
    request_id: str
    def __init__(self, parent: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetUploadResponse(_message.Message):
    __slots__ = ("offset", "expire_time")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    offset: int
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, offset: _Optional[int] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ImportDatasetRequest(_message.Message):
    __slots__ = ("parent", "dataset_id", "format", "shape", "sha256", "uri", "request_id", "validate_only")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    parent: str
    dataset_id: str
    format: DatasetFormat
    shape: DatasetShape
    sha256: str
    uri: str
    request_id: str
    validate_only: bool
    def __init__(self, parent: _Optional[str] = ..., dataset_id: _Optional[str] = ..., format: _Optional[_Union[DatasetFormat, str]] = ..., shape: _Optional[_Union[DatasetShape, str]] = ..., sha256: _Optional[str] = ..., uri: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ImportDatasetResponse(_message.Message):
    __slots__ = ("dataset",)
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class GetDatasetRequest(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class GetDatasetResponse(_message.Message):
    __slots__ = ("dataset",)
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class ListDatasetVersionsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDatasetVersionsResponse(_message.Message):
    __slots__ = ("versions", "next_page_token")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[Dataset]
    next_page_token: str
    def __init__(self, versions: _Optional[_Iterable[_Union[Dataset, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetDatasetStatisticsRequest(_message.Message):
    __slots__ = ("name", "version", "base_model")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    base_model: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., base_model: _Optional[str] = ...) -> None: ...

class GetDatasetStatisticsResponse(_message.Message):
    __slots__ = ("statistics",)
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    statistics: _containers.RepeatedCompositeFieldContainer[TokenStatistics]
    def __init__(self, statistics: _Optional[_Iterable[_Union[TokenStatistics, _Mapping]]] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "filter")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    filter: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ("datasets", "next_page_token")
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[Dataset]
    next_page_token: str
    def __init__(self, datasets: _Optional[_Iterable[_Union[Dataset, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteDatasetRequest(_message.Message):
    __slots__ = ("name", "request_id", "validate_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    validate_only: bool
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class DeleteDatasetResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DownloadDatasetRequest(_message.Message):
    __slots__ = ("name", "version", "offset")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    offset: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class DownloadDatasetResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class ValidateDatasetRequest(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class ValidateDatasetResponse(_message.Message):
    __slots__ = ("findings",)
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[_common_pb2.Finding]
    def __init__(self, findings: _Optional[_Iterable[_Union[_common_pb2.Finding, _Mapping]]] = ...) -> None: ...

class PrepareDatasetRequest(_message.Message):
    __slots__ = ("name", "fixes", "request_id", "validate_only", "version", "all_fixes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FIXES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ALL_FIXES_FIELD_NUMBER: _ClassVar[int]
    name: str
    fixes: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    validate_only: bool
    version: str
    all_fixes: bool
    def __init__(self, name: _Optional[str] = ..., fixes: _Optional[_Iterable[str]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ..., version: _Optional[str] = ..., all_fixes: _Optional[bool] = ...) -> None: ...

class PrepareDatasetResponse(_message.Message):
    __slots__ = ("findings", "dataset", "fixes", "split", "estimates", "command")
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    FIXES_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    ESTIMATES_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[_common_pb2.Finding]
    dataset: Dataset
    fixes: _containers.RepeatedCompositeFieldContainer[DatasetFix]
    split: SplitProposal
    estimates: _containers.RepeatedCompositeFieldContainer[TrainingEstimate]
    command: str
    def __init__(self, findings: _Optional[_Iterable[_Union[_common_pb2.Finding, _Mapping]]] = ..., dataset: _Optional[_Union[Dataset, _Mapping]] = ..., fixes: _Optional[_Iterable[_Union[DatasetFix, _Mapping]]] = ..., split: _Optional[_Union[SplitProposal, _Mapping]] = ..., estimates: _Optional[_Iterable[_Union[TrainingEstimate, _Mapping]]] = ..., command: _Optional[str] = ...) -> None: ...

class DatasetFix(_message.Message):
    __slots__ = ("code", "title", "necessary", "count", "samples", "applied")
    CODE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    NECESSARY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    code: str
    title: str
    necessary: bool
    count: int
    samples: _containers.RepeatedCompositeFieldContainer[FixSample]
    applied: bool
    def __init__(self, code: _Optional[str] = ..., title: _Optional[str] = ..., necessary: _Optional[bool] = ..., count: _Optional[int] = ..., samples: _Optional[_Iterable[_Union[FixSample, _Mapping]]] = ..., applied: _Optional[bool] = ...) -> None: ...

class FixSample(_message.Message):
    __slots__ = ("line", "before", "after")
    LINE_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    line: int
    before: str
    after: str
    def __init__(self, line: _Optional[int] = ..., before: _Optional[str] = ..., after: _Optional[str] = ...) -> None: ...

class SplitProposal(_message.Message):
    __slots__ = ("validation_share", "training_count", "validation_count", "stratified", "reason")
    VALIDATION_SHARE_FIELD_NUMBER: _ClassVar[int]
    TRAINING_COUNT_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    STRATIFIED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    validation_share: float
    training_count: int
    validation_count: int
    stratified: bool
    reason: str
    def __init__(self, validation_share: _Optional[float] = ..., training_count: _Optional[int] = ..., validation_count: _Optional[int] = ..., stratified: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class TrainingEstimate(_message.Message):
    __slots__ = ("base_model", "tokens_per_epoch", "epochs", "cost", "seconds")
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    base_model: str
    tokens_per_epoch: int
    epochs: int
    cost: _common_pb2.Money
    seconds: float
    def __init__(self, base_model: _Optional[str] = ..., tokens_per_epoch: _Optional[int] = ..., epochs: _Optional[int] = ..., cost: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., seconds: _Optional[float] = ...) -> None: ...

class SplitDatasetRequest(_message.Message):
    __slots__ = ("name", "validation_share", "seed", "request_id", "validate_only", "version", "group_by", "unstratified", "training_dataset_id", "validation_dataset_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_SHARE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    UNSTRATIFIED_FIELD_NUMBER: _ClassVar[int]
    TRAINING_DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    validation_share: float
    seed: int
    request_id: str
    validate_only: bool
    version: str
    group_by: str
    unstratified: bool
    training_dataset_id: str
    validation_dataset_id: str
    def __init__(self, name: _Optional[str] = ..., validation_share: _Optional[float] = ..., seed: _Optional[int] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ..., version: _Optional[str] = ..., group_by: _Optional[str] = ..., unstratified: _Optional[bool] = ..., training_dataset_id: _Optional[str] = ..., validation_dataset_id: _Optional[str] = ...) -> None: ...

class SplitDatasetResponse(_message.Message):
    __slots__ = ("training", "validation")
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    training: Dataset
    validation: Dataset
    def __init__(self, training: _Optional[_Union[Dataset, _Mapping]] = ..., validation: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class ListDescendantsRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDescendantsResponse(_message.Message):
    __slots__ = ("models", "next_page_token")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedScalarFieldContainer[str]
    next_page_token: str
    def __init__(self, models: _Optional[_Iterable[str]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
