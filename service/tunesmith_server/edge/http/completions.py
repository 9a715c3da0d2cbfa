"""`/v1/completions`, `/v1/engines/{engine}/completions` and `/v1/chat/completions`."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from tunesmith_server.app.models import Models
from tunesmith_server.domain.completion import (
    ChatMessage,
    Choice,
    CompletionDelta,
    CompletionRequest,
    Logprobs,
    TokenUsage,
)
from tunesmith_server.edge.http import sse
from tunesmith_server.edge.http.calls import Incoming
from tunesmith_server.edge.http.envelopes import json_response, naming_models, refused
from tunesmith_server.edge.http.ids import new_id

_NOTHING = "<|endoftext|>"
"""What OpenAI documents as the default prompt: the beginning of a new document."""


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    """How to stream."""

    include_usage: bool = False


class Sampling(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What completions and chat have in common; null is absent."""

    model: str = ""
    temperature: float = 1.0
    top_p: float = 1.0
    n: int = 1
    stream: bool = False
    stream_options: StreamOptions = msgspec.field(default_factory=StreamOptions)
    stop: str | list[str] = msgspec.field(default_factory=list)
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: dict[str, float] = msgspec.field(default_factory=dict)
    seed: int | None = None
    user: str = ""
    """For the caller's own records."""
    timeout: float | None = None
    """The old client sends its own time limit along; it is not ours."""

    def common(self) -> dict[str, Any]:
        """Fields of a CompletionRequest."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "n": self.n,
            "stop": (self.stop,) if isinstance(self.stop, str) else tuple(self.stop),
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
            "logit_bias": _biases(self.logit_bias),
            "seed": self.seed,
        }


class CompletionBody(Sampling, kw_only=True, forbid_unknown_fields=True):
    """Body of a completion."""

    prompt: str | list[Any] = _NOTHING
    suffix: str | None = None
    max_tokens: int = 16
    logprobs: int | None = None
    echo: bool = False
    best_of: int | None = None


class Part(msgspec.Struct):
    """One part of a message's content."""

    type: str
    text: str = ""


class Turn(msgspec.Struct):
    """One message. What else clients send along in it is theirs."""

    role: str
    content: str | list[Part] = ""
    name: str = ""


class ResponseFormat(msgspec.Struct):
    """Which form the answer shall have."""

    type: str = "text"


class ChatBody(Sampling, kw_only=True, forbid_unknown_fields=True):
    """Body of a chat completion."""

    messages: list[Turn]
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    response_format: ResponseFormat = msgspec.field(default_factory=ResponseFormat)
    tools: list[Any] = msgspec.field(default_factory=list)
    tool_choice: Any = None
    parallel_tool_calls: bool = True
    functions: list[Any] = msgspec.field(default_factory=list)
    # of OpenAI's own operation: taken, and of no effect
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    store: bool = False
    service_tier: str = ""


class Completions:
    """The endpoints that answer."""

    def __init__(self, models: Models, *, alive_every: float) -> None:
        self._models = models
        self._alive_every = alive_every

    async def complete(self, incoming: Incoming) -> Response:
        """Go on from prompts."""
        body = await incoming.body(CompletionBody)
        model = body.model or incoming.request.path_params.get("engine", "")
        if not model:
            raise refused("you must provide a model parameter", "model")
        if body.suffix:
            raise refused("The models here cannot insert text before a suffix.", "suffix")
        request = CompletionRequest(
            prompts=_prompts(body.prompt),
            max_tokens=body.max_tokens,
            best_of=body.best_of,
            logprobs=body.logprobs,
            echo=body.echo,
            **body.common(),
        )
        head = _head("cmpl", "text_completion", model)
        if body.stream:
            deltas = self._models.stream_complete(incoming.principal, model, request)
            frames = _completion_frames(head, deltas, body.stream_options.include_usage)
            with naming_models():
                return await sse.stream(frames, alive_every=self._alive_every)
        with naming_models():
            answer = await self._models.complete(incoming.principal, model, request)
        choices = [_completion_choice(choice) for choice in answer.choices]
        return json_response(head | {"choices": choices, "usage": _usage(answer.usage)})

    async def chat(self, incoming: Incoming) -> Response:
        """Answer a conversation."""
        body = await incoming.body(ChatBody)
        model = body.model or incoming.request.path_params.get("engine", "")
        if not model:
            raise refused("you must provide a model parameter", "model")
        request = _chat_request(body)
        if body.stream:
            head = _head("chatcmpl", "chat.completion.chunk", model)
            deltas = self._models.stream_complete(incoming.principal, model, request)
            frames = _chat_frames(head, deltas, body.n, body.stream_options.include_usage)
            with naming_models():
                return await sse.stream(frames, alive_every=self._alive_every)
        with naming_models():
            answer = await self._models.complete(incoming.principal, model, request)
        head = _head("chatcmpl", "chat.completion", model)
        choices = [_chat_choice(choice) for choice in answer.choices]
        usage = _usage(answer.usage)
        return json_response(head | {"choices": choices, "usage": usage} | _FINGERPRINT)


_FINGERPRINT = {"system_fingerprint": None}


def _head(kind: str, object: str, model: str) -> dict[str, Any]:
    """What every answer and chunk begins with; `model` is the name that the caller used."""
    id = new_id(kind)
    return {"id": id, "object": object, "created": int(time.time()), "model": model}


def _prompts(prompt: str | list[Any]) -> tuple[str | tuple[int, ...], ...]:
    """A text, a list of texts, the tokens of one prompt, or a list of those."""
    if isinstance(prompt, str):
        return (prompt,)
    if not prompt:
        raise refused("the prompt is an empty list", "prompt")
    if all(isinstance(token, int) and not isinstance(token, bool) for token in prompt):
        return (tuple(prompt),)
    found: list[str | tuple[int, ...]] = []
    for place, each in enumerate(prompt):
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, list) and all(type(token) is int for token in each):
            found.append(tuple(each))
        else:
            raise refused(f"prompt[{place}] is neither a string nor a list of tokens", "prompt")
    return tuple(found)


def _biases(given: dict[str, float]) -> dict[int, float]:
    try:
        return {int(token): bias for token, bias in given.items()}
    except ValueError:
        raise refused("the keys of logit_bias are token ids", "logit_bias") from None


def _chat_request(body: ChatBody) -> CompletionRequest:
    if body.tools or body.functions:
        raise refused(
            "The chat templates of the models here know no tools, so nothing would call them.",
            "tools" if body.tools else "functions",
        )
    if body.response_format.type != "text":
        raise refused("The models here answer in text alone.", "response_format")
    if not body.messages:
        raise refused("[] is too short - 'messages'", "messages")
    most = body.max_completion_tokens if body.max_tokens is None else body.max_tokens
    if body.top_logprobs is not None and not body.logprobs:
        raise refused("top_logprobs goes with logprobs: true", "top_logprobs")
    return CompletionRequest(
        messages=tuple(_turn(place, turn) for place, turn in enumerate(body.messages)),
        max_tokens=most,
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        **body.common(),
    )


def _turn(place: int, turn: Turn) -> ChatMessage:
    role = "system" if turn.role == "developer" else turn.role
    if role not in ("system", "user", "assistant"):
        raise refused(
            f"'{turn.role}' is not one of ['system', 'developer', 'user', 'assistant'] - "
            f"'messages.{place}.role'",
            f"messages.{place}.role",
        )
    if isinstance(turn.content, str):
        return ChatMessage(role, turn.content)
    if other := next((part.type for part in turn.content if part.type != "text"), None):
        raise refused(f"The models here read text alone, not {other}.", f"messages.{place}.content")
    return ChatMessage(role, "".join(part.text for part in turn.content))


def _usage(usage: TokenUsage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _completion_choice(choice: Choice | CompletionDelta) -> dict[str, Any]:
    return {
        "text": choice.text,
        "index": choice.index,
        "logprobs": _completion_logprobs(choice.logprobs),
        "finish_reason": choice.finish_reason,
    }


def _completion_logprobs(logprobs: Logprobs | None) -> dict[str, Any] | None:
    if logprobs is None:
        return None
    return {
        "tokens": list(logprobs.tokens),
        "token_logprobs": list(logprobs.token_logprobs),
        "top_logprobs": [None if top is None else dict(top) for top in logprobs.top_logprobs],
        "text_offset": list(logprobs.text_offset),
    }


async def _completion_frames(
    head: dict[str, Any], deltas: AsyncIterator[CompletionDelta], include_usage: bool
) -> AsyncIterator[bytes]:
    usage: TokenUsage | None = None
    async for delta in deltas:
        usage = delta.usage or usage
        yield sse.data(head | {"choices": [_completion_choice(delta)]} | _null(include_usage))
    if include_usage and usage:
        yield sse.data(head | {"choices": [], "usage": _usage(usage)})
    yield sse.DONE


def _null(include_usage: bool) -> dict[str, None]:
    """Where usage comes with the last chunk, the others say that it is not with them."""
    return {"usage": None} if include_usage else {}


def _chat_choice(choice: Choice) -> dict[str, Any]:
    return {
        "index": choice.index,
        "message": {"role": "assistant", "content": choice.text, "refusal": None},
        "logprobs": _chat_logprobs(choice.logprobs),
        "finish_reason": choice.finish_reason,
    }


def _chat_logprobs(logprobs: Logprobs | None) -> dict[str, Any] | None:
    if logprobs is None:
        return None
    tokens = zip(logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, strict=True)
    return {"content": [_token(*each) for each in tokens], "refusal": None}


def _token(
    token: str, logprob: float | None, top: Sequence[tuple[str, float]] | None
) -> dict[str, Any]:
    return {
        "token": token,
        "logprob": logprob,
        "bytes": list(token.encode()),
        "top_logprobs": [
            {"token": name, "logprob": value, "bytes": list(name.encode())}
            for name, value in top or ()
        ],
    }


async def _chat_frames(
    head: dict[str, Any], deltas: AsyncIterator[CompletionDelta], n: int, include_usage: bool
) -> AsyncIterator[bytes]:
    usage: TokenUsage | None = None
    begun: set[int] = set()
    async for delta in deltas:
        usage = delta.usage or usage
        for piece in _chat_pieces(delta, begun):
            yield sse.data(head | {"choices": [piece]} | _null(include_usage) | _FINGERPRINT)
    if include_usage and usage:
        yield sse.data(head | {"choices": [], "usage": _usage(usage)} | _FINGERPRINT)
    yield sse.DONE


def _chat_pieces(delta: CompletionDelta, begun: set[int]) -> Iterator[dict[str, Any]]:
    def piece(content: dict[str, Any], logprobs: object, reason: str | None) -> dict[str, Any]:
        return {
            "index": delta.index,
            "delta": content,
            "logprobs": logprobs,
            "finish_reason": reason,
        }

    if delta.index not in begun:
        begun.add(delta.index)
        yield piece({"role": "assistant", "content": "", "refusal": None}, None, None)
    if delta.text or delta.logprobs:
        yield piece({"content": delta.text}, _chat_logprobs(delta.logprobs), None)
    if delta.finish_reason:
        yield piece({}, None, delta.finish_reason)
