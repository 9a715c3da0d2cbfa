"""The client for programs without an event loop: the same code, made to run in place.

Everything in `_resources` awaits the transport and nothing else. `BlockingTransport` never
suspends, so that each coroutine runs through at its first step: no event loop, no thread of ours,
and it works inside a running loop too, as in a notebook. What is written here is only which method
is which; signatures and docstrings are those of the asynchronous ones.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast

import grpc

from tunesmith import _config
from tunesmith._channel import Target, target
from tunesmith._errors import unreachable
from tunesmith._resources.base_models import BaseModels as AsyncBaseModels
from tunesmith._resources.datasets import Datasets as AsyncDatasets
from tunesmith._resources.fine_tunes import FineTunes as AsyncFineTunes
from tunesmith._resources.models import Models as AsyncModels
from tunesmith._resources.tenants import Keys as AsyncKeys
from tunesmith._resources.tenants import Tenants as AsyncTenants
from tunesmith._transport import (
    CONNECT_SECONDS,
    Calls,
    ClientStream,
    Request,
    Response,
    ServerStream,
    Unary,
)
from tunesmith._watch import Watch
from tunesmith.v1 import event_pb2, fine_tune_pb2, tenant_pb2

Inner = TypeVar("Inner")
P = ParamSpec("P")
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
                raise unreachable(self.target.address) from None

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


class WatchIterator(Blocking[event_pb2.Event]):
    """The events of one run, once and in order, until the run ends. See `Watch`."""

    def __init__(self, inner: Watch) -> None:
        super().__init__(inner)
        self._watch = inner

    @property
    def cursor(self) -> str:
        """Where another watch can go on from."""
        return self._watch.cursor

    @property
    def snapshot(self) -> fine_tune_pb2.FineTune | None:
        """The run when the watch began or was last resumed."""
        return self._watch.snapshot


class Facade(Generic[Inner]):
    """The blocking face of one class of `_resources`."""

    def __init__(self, inner: Inner) -> None:
        self._inner = inner


def _call(
    method: Callable[Concatenate[Inner, P], Awaitable[T]],
) -> Callable[Concatenate[Facade[Inner], P], T]:
    @wraps(method)
    def call(facade: Facade[Inner], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(method(facade._inner, *args, **kwargs))

    return call


def _iterate(
    method: Callable[Concatenate[Inner, P], AsyncIterator[T]],
) -> Callable[Concatenate[Facade[Inner], P], Iterator[T]]:
    @wraps(method)
    def iterate(facade: Facade[Inner], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return Blocking(method(facade._inner, *args, **kwargs))

    return iterate


def _watching(
    method: Callable[Concatenate[Inner, P], Watch],
) -> Callable[Concatenate[Facade[Inner], P], WatchIterator]:
    @wraps(method)
    def watch(facade: Facade[Inner], /, *args: P.args, **kwargs: P.kwargs) -> WatchIterator:
        return WatchIterator(method(facade._inner, *args, **kwargs))

    return watch


class Datasets(Facade[AsyncDatasets]):
    """The datasets of a tenant. A name is `tickets` or `tenants/acme/datasets/tickets`."""

    upload = _call(AsyncDatasets.upload)
    get = _call(AsyncDatasets.get)
    list = _iterate(AsyncDatasets.list)
    delete = _call(AsyncDatasets.delete)
    validate = _iterate(AsyncDatasets.validate)


class FineTunes(Facade[AsyncFineTunes]):
    """The runs of a tenant. A name is `support-bot` or `tenants/acme/fineTunes/support-bot`."""

    create = _call(AsyncFineTunes.create)
    get = _call(AsyncFineTunes.get)
    list = _iterate(AsyncFineTunes.list)
    cancel = _call(AsyncFineTunes.cancel)
    delete = _call(AsyncFineTunes.delete)
    watch = _watching(AsyncFineTunes.watch)
    wait = _call(AsyncFineTunes.wait)
    events = _iterate(AsyncFineTunes.events)
    checkpoints = _iterate(AsyncFineTunes.checkpoints)
    results = _iterate(AsyncFineTunes.results)


class Models(Facade[AsyncModels]):
    """The tuned models of a tenant."""

    get = _call(AsyncModels.get)
    list = _iterate(AsyncModels.list)
    delete = _call(AsyncModels.delete)
    complete = _call(AsyncModels.complete)
    stream_complete = _iterate(AsyncModels.stream_complete)


class BaseModels(Facade[AsyncBaseModels]):
    """Base models. A name is `ada` or `baseModels/ada`."""

    get = _call(AsyncBaseModels.get)
    list = _iterate(AsyncBaseModels.list)


class Tenants(Facade[AsyncTenants]):
    """Tenants. A name is `acme` or `tenants/acme`."""

    create = _call(AsyncTenants.create)
    get = _call(AsyncTenants.get)
    list = _iterate(AsyncTenants.list)


class Keys(Facade[AsyncKeys]):
    """The API keys of a tenant. A name is `tenants/acme/apiKeys/k1`."""

    create = _call(AsyncKeys.create)
    list = _iterate(AsyncKeys.list)
    revoke = _call(AsyncKeys.revoke)
    whoami = _call(AsyncKeys.whoami)


class Client:
    """A connection to a Tunesmith service. `AsyncClient` tells what the arguments mean.

    Example:
        with Client("localhost:50051", api_key="sk-ts-…") as client:
            run = client.fine_tunes.create("tickets", "ada")
            for event in client.fine_tunes.watch(run.name):
                print(event.message)
    """

    def __init__(
        self,
        address: str | None = None,
        api_key: str | None = None,
        *,
        context: str | None = None,
        tls: bool | str | Path | None = None,
    ) -> None:
        found = _config.endpoint(address, api_key, context)
        calls = Calls(BlockingTransport(target(found.address, found.api_key, tls)))
        self._calls = calls
        self.datasets = Datasets(AsyncDatasets(calls))
        self.fine_tunes = FineTunes(AsyncFineTunes(calls))
        self.models = Models(AsyncModels(calls))
        self.base_models = BaseModels(AsyncBaseModels(calls))
        self.tenants = Tenants(AsyncTenants(calls))
        self.keys = Keys(AsyncKeys(calls))

    @property
    def address(self) -> str:
        """Where the service is."""
        return self._calls.transport.target.address

    def whoami(self) -> tenant_pb2.WhoAmIResponse:
        """Whose key this is: principal, tenant and role."""
        return self.keys.whoami()

    def close(self) -> None:
        """Give the connection back."""
        run(self._calls.transport.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
