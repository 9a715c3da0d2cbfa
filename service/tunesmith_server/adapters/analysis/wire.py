"""What the server and a worker say to each other: a line of JSON and then the file, one way; lines
of JSON, the other.
"""

from typing import Any

import msgspec
from tunesmith.dataset_rules import Finding


class TokenizerSource(msgspec.Struct, frozen=True):
    """A tokenizer and where it is."""

    ref: str
    """`tiktoken:NAME`, or the source of a base."""
    folder: str = ""
    """The folder of the base; empty for tiktoken."""


class Training(msgspec.Struct, frozen=True):
    """What the bytes are compared with; it follows them."""

    size_bytes: int
    format: str


class Request(msgspec.Struct, frozen=True):
    """What a worker shall do with the bytes that follow."""

    size_bytes: int
    shape: str
    format: str = "jsonl"
    rules: bool = False
    """Whether the rules shall look at the whole."""
    sensitive: str = "off"
    """What they make of secrets and personal data: a `dataset_rules.sensitive.Policy`."""
    tokenizers: tuple[TokenizerSource, ...] = ()
    processes: int = 1
    training: Training | None = None
    """For a comparison, and nothing else then."""


class Counted(msgspec.Struct, frozen=True):
    """What one tokenizer counted, or why it could not."""

    tokenizer: str = ""
    count: dict[str, Any] | None = None
    error: str = ""


class Answer(msgspec.Struct, frozen=True):
    """One line of a worker: progress, or the result, which is the last."""

    bytes_done: int = 0
    report: dict[str, Any] | None = None
    counts: dict[str, Counted] | None = None
    findings: list[Finding] | None = None
    is_result: bool = False


_ENCODE = msgspec.json.Encoder().encode
_REQUEST = msgspec.json.Decoder(Request).decode
_ANSWER = msgspec.json.Decoder(Answer).decode


def encode(message: Request | Answer) -> bytes:
    """A message as a line."""
    return _ENCODE(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """The request in a line; ValueError."""
    return _REQUEST(line)


def decode_answer(line: bytes) -> Answer:
    """The answer in a line; ValueError."""
    return _ANSWER(line)
