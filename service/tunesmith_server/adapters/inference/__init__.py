"""Inference by this machine's own engine.

Torch never enters the server's process: `engine.py` is the asyncio side, which starts one process a
base model (`worker/`) and speaks newline-delimited JSON with it (`wire.py`).
"""

from tunesmith_server.adapters.inference.engine import EmbeddedEngine
from tunesmith_server.domain.completion import (
    AdapterInvalid,
    AdapterRef,
    ChatMessage,
    Choice,
    Completion,
    CompletionDelta,
    CompletionRequest,
    EngineBusy,
    EngineError,
    EngineUnavailable,
    InvalidSampling,
    Logprobs,
    PromptTooLong,
    TokenUsage,
)

__all__ = [
    "AdapterInvalid",
    "AdapterRef",
    "ChatMessage",
    "Choice",
    "Completion",
    "CompletionDelta",
    "CompletionRequest",
    "EmbeddedEngine",
    "EngineBusy",
    "EngineError",
    "EngineUnavailable",
    "InvalidSampling",
    "Logprobs",
    "PromptTooLong",
    "TokenUsage",
]
