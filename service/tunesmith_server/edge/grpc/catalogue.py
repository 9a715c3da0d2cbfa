"""CatalogService: decode, call one use case, encode."""

from tunesmith.token_counts import ENCODINGS
from tunesmith.v1 import catalog_pb2 as pb
from tunesmith.v1 import catalog_pb2_grpc as rpc

from tunesmith_server.app.catalogue import Catalogue
from tunesmith_server.domain.errors import InvalidArgument
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.domain.names import base_model_id, checked_id
from tunesmith_server.edge.grpc.requests import masked, page, price
from tunesmith_server.edge.grpc.stages import Context, call, principal
from tunesmith_server.edge.grpc.unbuilt import answers_all_of

_SETTABLE = (
    *("aliases", "display_name", "description", "licence", "licence_note"),
    *("context_length", "adapted_layers", "price", "tokenizer"),
)
_DOMAIN = {"price": "price_micros_per_million"}


@answers_all_of(pb.DESCRIPTOR.services_by_name["CatalogService"])
class CatalogServicer(rpc.CatalogServiceServicer):
    """The gRPC face of Catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def CreateBaseModel(
        self, request: pb.CreateBaseModelRequest, context: Context
    ) -> pb.CreateBaseModelResponse:
        """Add a base model."""
        asked = request.base_model
        base = await self._catalogue.create(
            call(request),
            BaseModel(
                id=checked_id(request.base_model_id, "base_model_id"),
                source=asked.source,
                tokenizer=_tokenizer(asked.tokenizer),
                aliases=tuple(asked.aliases),
                display_name=asked.display_name,
                description=asked.description,
                licence=asked.licence,
                licence_note=asked.licence_note,
                context_length=asked.context_length or 2048,
                parameter_count=asked.parameter_count,
                adapted_layers=asked.adapted_layers if asked.HasField("adapted_layers") else None,
                price_micros_per_million=asked.price.training_per_million_tokens.micros,
            ),
        )
        return pb.CreateBaseModelResponse(base_model=_resource(base))

    async def UpdateBaseModel(
        self, request: pb.UpdateBaseModelRequest, context: Context
    ) -> pb.UpdateBaseModelResponse:
        """Change a base model, such as its price."""
        asked = request.base_model
        fields = masked(asked, request.update_mask.paths or None, _SETTABLE, "base_model")
        values = {
            "aliases": tuple(asked.aliases),
            "display_name": asked.display_name,
            "description": asked.description,
            "licence": asked.licence,
            "licence_note": asked.licence_note,
            "context_length": asked.context_length,
            "adapted_layers": asked.adapted_layers if asked.HasField("adapted_layers") else None,
            "price": asked.price.training_per_million_tokens.micros,
            "tokenizer": _tokenizer(asked.tokenizer),
        }
        changes = {_DOMAIN.get(field, field): values[field] for field in fields}
        base, _ = await self._catalogue.update(
            call(request), base_model_id(asked.name, "base_model.name"), changes
        )
        return pb.UpdateBaseModelResponse(base_model=_resource(base))

    async def DeleteBaseModel(
        self, request: pb.DeleteBaseModelRequest, context: Context
    ) -> pb.DeleteBaseModelResponse:
        """Forget a base model that nothing needs."""
        await self._catalogue.delete(call(request), base_model_id(request.name))
        return pb.DeleteBaseModelResponse()

    async def GetBaseModel(
        self, request: pb.GetBaseModelRequest, context: Context
    ) -> pb.GetBaseModelResponse:
        """Read a base model."""
        base = await self._catalogue.get(principal(), base_model_id(request.name))
        return pb.GetBaseModelResponse(base_model=_resource(base))

    async def ListBaseModels(
        self, request: pb.ListBaseModelsRequest, context: Context
    ) -> pb.ListBaseModelsResponse:
        """List base models by id."""
        found = await self._catalogue.list(principal(), page(request))
        return pb.ListBaseModelsResponse(
            base_models=map(_resource, found.rows), next_page_token=found.next_token
        )


def _tokenizer(text: str) -> str:
    name = text.removeprefix("tiktoken:")
    if text and (name == text or name not in ENCODINGS):
        known = ", ".join(f"tiktoken:{each}" for each in ENCODINGS)
        raise InvalidArgument.of("base_model.tokenizer", f"{text!r} is none of {known}")
    return text


def _resource(base: BaseModel) -> pb.BaseModel:
    return pb.BaseModel(
        name=f"baseModels/{base.id}",
        uid=base.id,
        aliases=base.aliases,
        display_name=base.display_name,
        source=base.source,
        description=base.description,
        licence=base.licence,
        licence_note=base.licence_note,
        context_length=base.context_length,
        parameter_count=base.parameter_count,
        adapted_layers=base.adapted_layers,
        price=price(base.price_micros_per_million),
        tokenizer=base.tokenizer,
    )
