"""What is in the contract but not in this version answers so, in words and as data."""

import abc
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from google.protobuf.descriptor import ServiceDescriptor

from tunesmith_server.domain.errors import NotBuiltYet

S = TypeVar("S", bound=type)


def answers_all_of(service: ServiceDescriptor) -> Any:
    """A class decorator: every method of `service` that the servicer lacks raises NotBuiltYet."""

    def complete(servicer: S) -> S:
        ours = (kind for kind in servicer.__mro__ if not kind.__module__.startswith("tunesmith.v1"))
        written = {name for kind in ours for name in vars(kind)}
        for method in service.methods:
            if method.name not in written:
                setattr(servicer, method.name, _missing(method.name, method.server_streaming))
        abc.update_abstractmethods(servicer)
        return servicer

    return complete


def _missing(name: str, streams: bool) -> Any:
    error = NotBuiltYet(f"{name} is in the contract but not in this version of the service")

    async def call(self: object, request: object, context: object) -> Any:
        raise error

    async def stream(self: object, request: object, context: object) -> AsyncIterator[Any]:
        raise error
        yield  # makes this an async generator, which is what gRPC wants of a stream

    handler = stream if streams else call
    handler.__name__ = name
    handler.__doc__ = f"Not built yet: {name}."
    return handler
