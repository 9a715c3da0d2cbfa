"""Running what was written for an event loop in place, without one.

Everything in `_resources` awaits the transport and nothing else. `BlockingTransport` never
suspends, so that each coroutine runs through at its first step: no event loop, no thread of ours,
and it works inside a running loop too, as in a notebook.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar, cast

import grpc

from tunesmith._channel import Target
from tunesmith._errors import unreachable
from tunesmith._transport import (
    CONNECT_SECONDS,
    ClientStream,
    Request,
    Response,
    ServerStream,
    Unary,
)

T = TypeVar("T")


def run(awaitable: Awaitable[T]) -> T:
    """The result of something that never suspends."""

    async def awaited() -> T:
        return await awaitable

    coroutine = awaited()
    try:
        coroutine.send(None)
    except StopIteration as done:
        return cast(T, done.value)
    coroutine.close()
    raise RuntimeError("the client awaited something other than its transport")


class BlockingTransport:
    """Calls in place. The stubs of a blocking channel have the same shape, minus the `await`."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._channel = (
            grpc.secure_channel(target.address, target.credentials, options=target.options)
            if target.credentials
            else grpc.insecure_channel(target.address, options=target.options)
        )
        # for the stubs, which take either; what they then hold is only called below
        self.channel = cast(grpc.aio.Channel, self._channel)

    async def connect(self) -> None:
        """Wait until there is a connection.

        By a call that any server answers in some way. grpc.channel_ready_future would do without
        one, but its thread outlives it and fails aloud when the channel is closed soon after.
        """
        probe: Any = self._channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            probe(b"", timeout=CONNECT_SECONDS, wait_for_ready=True)
        except grpc.RpcError as error:
            answer: Any = error  # what a call raises is a Call too
            if answer.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise unreachable(self.target.address, tls=self.target.secure) from None

    async def unary(
        self, call: Unary[Request, Response], request: Request, seconds: float | None
    ) -> Response:
        """One request, one response."""
        answer: Any = call(request, metadata=self.target.metadata, timeout=seconds)
        return cast(Response, answer)

    async def stream(
        self, call: ServerStream[Request, Response], request: Request, seconds: float | None
    ) -> AsyncGenerator[Response, None]:
        """One request, many responses."""
        responses: Any = call(request, metadata=self.target.metadata, timeout=seconds)
        try:
            for response in responses:
                yield response
        finally:
            responses.cancel()

    async def send(
        self, call: ClientStream[Request, Response], requests: AsyncIterator[Request]
    ) -> Response:
        """Many requests, one response."""
        blocking: Any = call
        sending = blocking.future(Blocking(requests), metadata=self.target.metadata)
        try:
            return cast(Response, sending.result())
        finally:
            sending.cancel()

    async def blocking(self, function: Callable[..., T], *arguments: Any) -> T:
        """The result of a function."""
        return function(*arguments)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)  # noqa: ASYNC251  # there is no loop here to block

    async def close(self) -> None:
        """Give the connection back."""
        self._channel.close()


class Blocking(Iterator[T]):
    """An asynchronous iterator as a plain one."""

    def __init__(self, inner: AsyncIterator[T]) -> None:
        self._inner = inner

    def __next__(self) -> T:
        try:
            return run(anext(self._inner))
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """End it early."""
        if close := getattr(self._inner, "aclose", None):
            run(close())
