"""The lines that server and worker exchange: one JSON object each.

To the worker: `complete` and `chat` (id, stream, adapter, request), `cancel` (id), `unload` (id,
adapter), `stats` (id). From it: `ready` once, then `done`, `delta`, `error`, `unloaded`, `stats`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from tunesmith_server.domain.completion import (
    AdapterInvalid,
    AdapterRef,
    ChatMessage,
    Choice,
    Completion,
    CompletionDelta,
    CompletionRequest,
    EngineError,
    EngineUnavailable,
    InvalidSampling,
    Logprobs,
    PromptTooLong,
    TokenUsage,
)

Message = Mapping[str, Any]

# Which of an error's attributes travel: those that its constructor takes, in that order.
_ERRORS: Mapping[str, tuple[type[EngineError], tuple[str, ...]]] = {
    InvalidSampling.reason: (InvalidSampling, ("field", "message")),
    PromptTooLong.reason: (PromptTooLong, ("tokens", "context", "max_tokens")),
    AdapterInvalid.reason: (AdapterInvalid, ("adapter", "message")),
    EngineUnavailable.reason: (EngineUnavailable, ("message", "retry_after")),
}


def encode(message: Message) -> bytes:
    """One line."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The object of one line."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("a line must hold an object")
    return message


def call(
    id: str, request: CompletionRequest, *, adapter: AdapterRef | None, stream: bool
) -> dict[str, Any]:
    """The message that asks for a completion."""
    return {
        "op": "chat" if request.messages else "complete",
        "id": id,
        "stream": stream,
        "adapter": None if adapter is None else asdict(adapter),
        "request": asdict(request),
    }


def read_call(message: Message) -> tuple[CompletionRequest, AdapterRef | None]:
    """What a `complete` or `chat` message asks."""
    raw = dict(message["request"])
    raw["prompts"] = tuple(p if isinstance(p, str) else tuple(p) for p in raw.get("prompts", ()))
    raw["messages"] = tuple(ChatMessage(**turn) for turn in raw.get("messages", ()))
    raw["stop"] = tuple(raw.get("stop", ()))
    raw["logit_bias"] = {int(token): bias for token, bias in raw.get("logit_bias", {}).items()}
    adapter = message.get("adapter")
    return CompletionRequest(**raw), None if adapter is None else AdapterRef(**adapter)


def done(id: str, completion: Completion) -> dict[str, Any]:
    """The message that answers a call which is not streamed."""
    return {"id": id, "event": "done", "completion": asdict(completion)}


def read_done(message: Message) -> Completion:
    """The completion of a `done` message."""
    raw = message["completion"]
    return Completion(
        choices=tuple(
            Choice(**{**choice, "logprobs": _logprobs(choice["logprobs"])})
            for choice in raw["choices"]
        ),
        usage=TokenUsage(**raw["usage"]),
    )


def delta(id: str, piece: CompletionDelta) -> dict[str, Any]:
    """The message with the next piece of a stream."""
    return {"id": id, "event": "delta", **asdict(piece)}


def read_delta(message: Message) -> CompletionDelta:
    """The piece in a `delta` message."""
    usage = message["usage"]
    return CompletionDelta(
        index=message["index"],
        text=message["text"],
        finish_reason=message["finish_reason"],
        logprobs=_logprobs(message["logprobs"]),
        usage=None if usage is None else TokenUsage(**usage),
    )


def error(id: str, fault: EngineError) -> dict[str, Any]:
    """The message that a call has failed."""
    _, names = _ERRORS[fault.reason]
    return {
        "id": id,
        "event": "error",
        "error": {"reason": fault.reason, **{name: getattr(fault, name) for name in names}},
    }


def read_error(message: Message) -> EngineError:
    """The exception that an `error` message stands for."""
    raw = message["error"]
    kind, names = _ERRORS[raw["reason"]]
    return kind(*(raw[name] for name in names))


def _logprobs(raw: Message | None) -> Logprobs | None:
    if raw is None:
        return None
    values = {name.name: tuple(raw[name.name]) for name in fields(Logprobs)}
    values["top_logprobs"] = tuple(
        None if top is None else tuple((name, logprob) for name, logprob in top)
        for top in values["top_logprobs"]
    )
    return Logprobs(**values)
