"""The seam between what the client does and how calls are made.

Everything above speaks to a `Transport` and awaits nothing else. `AsyncTransport` makes calls on
the running loop. `_blocking.BlockingTransport` makes them in place, so that the same code never
suspends there; it needs no second event loop, which gRPC does not bear well (grpc #25364).
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from tunesmith._channel import Target
from tunesmith._errors import ConflictError, UnavailableError, translated, unreachable

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
T = TypeVar("T")
Unary = grpc.aio.UnaryUnaryMultiCallable[Request, Response]
ServerStream = grpc.aio.UnaryStreamMultiCallable[Request, Response]
ClientStream = grpc.aio.StreamUnaryMultiCallable[Request, Response]

CONNECT_SECONDS = 5.0
CALL_SECONDS = 30.0
_PATIENCE = 60.0
# the service itself asks for the same call again: it has not begun, or is just being answered
_AGAIN = ("MODEL_LOADING", "REQUEST_IN_PROGRESS")


class Transport(Protocol):
    """Makes calls. Every method raises grpc.RpcError as it comes, or the error of `connect`."""

    target: Target
    channel: grpc.aio.Channel

    async def connect(self) -> None:
        """Wait for a connection, at most CONNECT_SECONDS; UnavailableError if there is none."""

    async def unary(
        self, call: Unary[Request, Response], request: Request, seconds: float | None
    ) -> Response:
        """One request, one response."""

    def stream(
        self, call: ServerStream[Request, Response], request: Request, seconds: float | None
    ) -> AsyncGenerator[Response, None]:
        """One request, many responses. The call is cancelled when the iteration ends early."""

    async def send(
        self, call: ClientStream[Request, Response], requests: AsyncIterator[Request]
    ) -> Response:
        """Many requests, one response."""

    async def blocking(self, function: Callable[..., T], *arguments: Any) -> T:
        """The result of a function that may take a while."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def close(self) -> None:
        """Give the connection back."""


class AsyncTransport:
    """Calls on the running event loop."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.channel = (
            grpc.aio.secure_channel(target.address, target.credentials, options=target.options)
            if target.credentials
            else grpc.aio.insecure_channel(target.address, options=target.options)
        )

    async def connect(self) -> None:
        """Wait until there is a connection."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self.channel.channel_ready()
        except TimeoutError:
            raise unreachable(self.target.address, tls=self.target.secure) from None

    async def unary(
        self, call: Unary[Request, Response], request: Request, seconds: float | None
    ) -> Response:
        """One request, one response."""
        return await call(request, metadata=self.target.metadata, timeout=seconds)

    async def stream(
        self, call: ServerStream[Request, Response], request: Request, seconds: float | None
    ) -> AsyncGenerator[Response, None]:
        """One request, many responses."""
        responses = call(request, metadata=self.target.metadata, timeout=seconds)
        try:
            async for response in responses:
                yield response
        finally:
            responses.cancel()  # leaving the loop alone does not (grpc #43462)

    async def send(
        self, call: ClientStream[Request, Response], requests: AsyncIterator[Request]
    ) -> Response:
        """Many requests, one response."""
        sending = call(requests, metadata=self.target.metadata)
        try:
            return await sending
        finally:
            sending.cancel()

    async def blocking(self, function: Callable[..., T], *arguments: Any) -> T:
        """The result of a function, got on another thread."""
        return await asyncio.to_thread(function, *arguments)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Give the connection back."""
        await self.channel.close()


class Calls:
    """Calls with this client's manners: a bounded wait, request ids, errors as exceptions."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._connected = False

    async def connect(self) -> None:
        """Have a connection, or raise UnavailableError soon rather than hang."""
        if not self._connected:
            await self.transport.connect()
            self._connected = True

    async def unary(
        self,
        call: Unary[Request, Response],
        request: Request,
        seconds: float | None = CALL_SECONDS,
    ) -> Response:
        """The response. Sets the request's `request_id` if it has one to set."""
        with_request_id(request)
        waited = 0.0
        while True:
            try:
                await self.connect()
                with translated(self.transport.target.address):
                    return await self.transport.unary(call, request, seconds)
            except (UnavailableError, ConflictError) as error:
                self.saw(error)
                pause = error.retry_after or 0.5
                if error.reason not in _AGAIN or waited + pause > _PATIENCE:
                    raise
                waited += pause
                await self.transport.sleep(pause)

    async def stream(
        self,
        call: ServerStream[Request, Response],
        request: Request,
        seconds: float | None = None,
    ) -> AsyncGenerator[Response, None]:
        """The responses as they come."""
        await self.connect()
        try:
            with translated(self.transport.target.address):
                async with aclosing(self.transport.stream(call, request, seconds)) as responses:
                    async for response in responses:
                        yield response
        except UnavailableError as error:
            self.saw(error)
            raise

    async def send(
        self, call: ClientStream[Request, Response], requests: AsyncIterator[Request]
    ) -> Response:
        """The response to a stream of requests."""
        await self.connect()
        with translated(self.transport.target.address):
            return await self.transport.send(call, requests)

    def saw(self, error: Exception) -> None:
        """Remember that the connection is gone: the next call then waits for a new one."""
        if isinstance(error, UnavailableError) and not error.reason:
            self._connected = False


def with_request_id(request: Message) -> None:
    """Give a mutation the id that makes its retry safe, unless its caller gave one."""
    if "request_id" in request.DESCRIPTOR.fields_by_name and not getattr(request, "request_id"):  # noqa: B009
        setattr(request, "request_id", str(uuid.uuid4()))  # noqa: B010  # not every Message has it
