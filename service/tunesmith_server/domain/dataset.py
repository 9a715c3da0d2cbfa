"""A dataset: a name for immutable versions, each addressed by its digest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tunesmith_server.domain.analysis import Analysis, Content
from tunesmith_server.domain.names import DatasetName


class DatasetState(StrEnum):
    """Whether a version can be trained on."""

    PROCESSING = "processing"
    READY = "ready"
    INVALID = "invalid"


@dataclass(frozen=True)
class Dataset:
    """A version of a dataset; under the name alone, the current one."""

    name: DatasetName
    uid: str
    digest: str
    """sha256, hex, of the bytes as uploaded; also the key of the blob."""
    state: DatasetState
    size_bytes: int
    example_count: int
    shape: str
    """`prompt_completion` or `chat`; empty where none could be told."""
    report: Mapping[str, Any]
    """The findings and statistics, as `tunesmith.dataset_rules.encode_report` writes them."""
    create_time: datetime
    version_time: datetime
    created_by: str = ""
    display_name: str = ""
    file_name: str = ""
    """As the caller's file was called: shown, never used as a path."""
    format: str = ""
    """Of the file, as told or detected, such as `csv`; empty where none could be told, and for
    versions of before there were others than `jsonl`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    parent_digest: str = ""
    version: int = 1
    """Counts the versions uploaded under this name, from 1."""
    expire_time: datetime | None = None
    """From then on it goes as soon as no run under way uses it; None is never."""
    analysis: Analysis | None = None
    """How far the look at the whole is. Not part of what is recorded: added when it is read."""

    @property
    def content(self) -> Content:
        """What of it an analysis is about."""
        return Content(self.digest, self.shape, self.size_bytes, self.format)
