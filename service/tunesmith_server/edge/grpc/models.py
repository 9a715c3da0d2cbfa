"""ModelService: decode, call one use case, encode."""

from collections.abc import AsyncIterator, Sequence
from math import nan
from typing import Any

from tunesmith.v1 import model_pb2 as pb
from tunesmith.v1 import model_pb2_grpc as rpc

from tunesmith_server.app.models import Models
from tunesmith_server.app.sharing import Sharing
from tunesmith_server.domain.completion import (
    ChatMessage,
    Choice,
    CompletionDelta,
    CompletionRequest,
    Logprobs,
    TokenUsage,
)
from tunesmith_server.domain.model import KeptCheckpoint, Model
from tunesmith_server.domain.names import ModelName, TenantName
from tunesmith_server.edge.grpc.requests import optional, page, timestamp
from tunesmith_server.edge.grpc.sharing import SharingMethods
from tunesmith_server.edge.grpc.stages import Context, call, principal
from tunesmith_server.edge.grpc.unbuilt import answers_all_of

_SCALARS = (
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "best_of",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "logprobs",
)


@answers_all_of(pb.DESCRIPTOR.services_by_name["ModelService"])
class ModelServicer(SharingMethods, rpc.ModelServiceServicer):
    """The gRPC face of Models, and of Sharing."""

    def __init__(self, models: Models, sharing: Sharing) -> None:
        super().__init__(sharing)
        self._models = models

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        """Read a tuned model."""
        model = await self._models.get(principal(), ModelName.parse(request.name))
        return pb.GetModelResponse(model=_resource(model))

    async def ListModels(
        self, request: pb.ListModelsRequest, context: Context
    ) -> pb.ListModelsResponse:
        """List tuned models, newest first."""
        found = await self._models.list(
            principal(), TenantName.parse(request.parent, "parent"), page(request)
        )
        return pb.ListModelsResponse(
            models=map(_resource, found.rows), next_page_token=found.next_token
        )

    async def DeleteModel(
        self, request: pb.DeleteModelRequest, context: Context
    ) -> pb.DeleteModelResponse:
        """Delete a tuned model."""
        await self._models.delete(call(request), ModelName.parse(request.name))
        return pb.DeleteModelResponse()

    async def Complete(self, request: pb.CompleteRequest, context: Context) -> pb.CompleteResponse:
        """Go on from prompts."""
        answer = await self._models.complete(principal(), request.model, _completion(request))
        return pb.CompleteResponse(
            choices=map(_choice, answer.choices), usage=_usage(answer.usage), model=request.model
        )

    async def StreamComplete(
        self, request: pb.StreamCompleteRequest, context: Context
    ) -> AsyncIterator[pb.StreamCompleteResponse]:
        """Go on from prompts, piece by piece."""
        inner = request.request
        async for delta in self._models.stream_complete(
            principal(), inner.model, _completion(inner)
        ):
            yield pb.StreamCompleteResponse(
                choices=[_piece(delta)], usage=_usage(delta.usage) if delta.usage else None
            )

    async def Chat(self, request: pb.ChatRequest, context: Context) -> pb.ChatResponse:
        """Answer a conversation."""
        answer = await self._models.complete(principal(), request.model, _chat(request))
        return pb.ChatResponse(choices=map(_choice, answer.choices), usage=_usage(answer.usage))

    async def StreamChat(
        self, request: pb.StreamChatRequest, context: Context
    ) -> AsyncIterator[pb.StreamChatResponse]:
        """Answer a conversation, piece by piece."""
        inner = request.request
        async for delta in self._models.stream_complete(principal(), inner.model, _chat(inner)):
            yield pb.StreamChatResponse(
                choices=[_piece(delta)], usage=_usage(delta.usage) if delta.usage else None
            )


def _completion(request: pb.CompleteRequest) -> CompletionRequest:
    prompts = tuple(
        prompt.text if prompt.WhichOneof("content") == "text" else tuple(prompt.tokens.ids)
        for prompt in request.prompts
    )
    return CompletionRequest(prompts=prompts, echo=request.echo, **_sampling(request.sampling))


def _chat(request: pb.ChatRequest) -> CompletionRequest:
    messages = tuple(ChatMessage(turn.role, turn.content) for turn in request.messages)
    return CompletionRequest(messages=messages, **_sampling(request.sampling))


def _sampling(sampling: pb.Sampling) -> dict[str, Any]:
    given = {k: v for k, v in optional(sampling, *_SCALARS).items() if v is not None}
    return given | {"stop": tuple(sampling.stop), "logit_bias": dict(sampling.logit_bias)}


def _choice(choice: Choice) -> pb.Choice:
    return pb.Choice(
        index=choice.index,
        text=choice.text,
        finish_reason=choice.finish_reason,
        logprobs=_logprobs(choice.logprobs),
    )


def _piece(delta: CompletionDelta) -> pb.Choice:
    return pb.Choice(
        index=delta.index,
        text=delta.text,
        finish_reason=delta.finish_reason or "",
        logprobs=_logprobs(delta.logprobs),
    )


def _logprobs(logprobs: Logprobs | None) -> pb.Logprobs | None:
    if logprobs is None:
        return None
    return pb.Logprobs(
        tokens=logprobs.tokens,
        token_logprobs=[nan if value is None else value for value in logprobs.token_logprobs],
        top_logprobs=[_top(top or ()) for top in logprobs.top_logprobs],
        text_offsets=logprobs.text_offset,
    )


def _top(tokens: Sequence[tuple[str, float]]) -> pb.TopLogprobs:
    return pb.TopLogprobs(
        tokens=[pb.TokenLogprob(token=token, logprob=logprob) for token, logprob in tokens]
    )


def _usage(usage: TokenUsage) -> pb.TokenUsage:
    return pb.TokenUsage(
        prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens
    )


def _resource(model: Model) -> pb.Model:
    tenant = model.name.tenant
    return pb.Model(
        name=str(model.name),
        uid=model.uid,
        labels=dict(model.labels),
        display_name=model.display_name,
        create_time=timestamp(model.create_time),
        base_model=f"baseModels/{model.base_model}",
        public_name=model.public_name,
        legacy_name=model.legacy_name,
        fine_tune=f"tenants/{tenant}/fineTunes/{model.fine_tune}" if model.fine_tune else "",
        parent_model=_parent(model),
        suffix=model.suffix,
        digest=model.digest,
        size_bytes=model.size_bytes,
        training_digest=model.training_digest,
        validation_digest=model.validation_digest,
        metrics=dict(model.metrics),
        checkpoints=[_checkpoint(model, each) for each in model.checkpoints],
        shared=model.shared,
        checkpoints_only=model.checkpoints_only,
    )


def _parent(model: Model) -> str:
    if model.parent_model is None:
        return ""
    step = model.parent_checkpoint
    parent = ModelName(model.name.tenant, model.parent_model)
    return str(parent) if step is None else f"{parent}#{step}"


def _checkpoint(model: Model, kept: KeptCheckpoint) -> pb.ModelCheckpoint:
    return pb.ModelCheckpoint(
        model=f"{model.name}#{kept.step}",
        public_name=model.public_name_of(kept.step),
        step=kept.step,
        size_bytes=kept.size_bytes,
        digest=kept.digest,
    )
