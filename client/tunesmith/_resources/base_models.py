"""The catalogue of base models."""

from collections.abc import AsyncGenerator

from tunesmith import _names
from tunesmith._resources.pages import paged
from tunesmith._transport import Calls
from tunesmith.v1 import catalog_pb2 as pb
from tunesmith.v1 import catalog_pb2_grpc as rpc


class BaseModels:
    """Base models. A name is `ada` or `baseModels/ada`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = rpc.CatalogServiceStub(calls.transport.channel)

    async def get(self, name: str) -> pb.BaseModel:
        """Read an entry."""
        request = pb.GetBaseModelRequest(name=_names.base_model(name))
        return (await self._calls.unary(self._stub.GetBaseModel, request)).base_model

    def list(self) -> AsyncGenerator[pb.BaseModel, None]:
        """Every entry."""
        request = pb.ListBaseModelsRequest()
        return paged(self._calls, self._stub.ListBaseModels, request, lambda page: page.base_models)
