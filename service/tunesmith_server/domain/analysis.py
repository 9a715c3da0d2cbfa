"""The look at a whole version: the rules' last word, and its tokens for each tokenizer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from tunesmith.dataset_rules import Finding

RULES: Final = "rules"
"""The subject of the analysis that completes the report; every other is a tokenizer's ref."""

LEAKAGE: Final = "leakage:"
"""What the subject begins with that compares validation data with what a model is trained on."""

_BYTES_A_SECOND: Final = 5_000_000
"""Roughly what two cores count. Only the order of those that wait depends on it."""


class AnalysisState(StrEnum):
    """How far an analysis is."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"

    @property
    def is_open(self) -> bool:
        """Whether something is still to come."""
        return self in (AnalysisState.PENDING, AnalysisState.RUNNING)


@dataclass(frozen=True)
class Content:
    """The bytes of a version and how they are read: what an analysis is about.

    Equal content of one tenant is looked at once, whatever it is called. Never across tenants: that
    something was counted already would tell one what another has.
    """

    digest: str
    shape: str
    size_bytes: int
    format: str = ""
    """Of the file, as of `Dataset`; empty for `jsonl`."""

    @property
    def reading(self) -> str:
        """How the bytes are read, as part of the analysis' key."""
        return f"{self.format or 'jsonl'}/{self.shape}"

    def rank(self, asked: datetime) -> datetime:
        """Its place among those that wait, the earliest first: small ones overtake large ones.

        By the time at which it would be done if it had been begun when it was asked for, so that
        no large one waits for ever.
        """
        return asked + timedelta(seconds=self.size_bytes / _BYTES_A_SECOND)


def leakage_subject(training: Content) -> str:
    """The subject that looks for this training data in a validation content of the same shape."""
    return f"{LEAKAGE}{training.size_bytes}:{training.reading}:{training.digest}"


def leakage_training(subject: str) -> Content:
    """The training data that a `leakage_subject` names."""
    size, reading, digest = subject.removeprefix(LEAKAGE).split(":")
    format, _, shape = reading.partition("/")
    return Content(digest, shape, int(size), format)


@dataclass(frozen=True)
class Analysis:
    """One look at one content."""

    content: Content
    subject: str
    """`RULES`, a `leakage_subject`, or the ref of a tokenizer: see `BaseModel.tokenizer_ref`."""
    state: AnalysisState = AnalysisState.PENDING
    bytes_done: int = 0
    error: str = ""
    complete_time: datetime | None = None
    tokenizer: str = ""
    """Which tokenizer counted: the name of an encoding, or the digest of a base's own."""
    count: Mapping[str, Any] | None = None
    """As `tunesmith.token_counts.encode_count` writes it."""
    findings: Sequence[Finding] | None = None
    """Of a comparison."""


@dataclass(frozen=True)
class Outcome:
    """What came of one subject: exactly one of the four is there."""

    tokenizer: str = ""
    count: Mapping[str, Any] | None = None
    report: Mapping[str, Any] | None = None
    findings: Sequence[Finding] | None = None
    error: str = ""
    """Why it cannot be done, now or later."""
