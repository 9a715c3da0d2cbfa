"""What happens to every call, outermost first: context, errors, audit, authentication, contract."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeAlias

import grpc
import structlog
import uuid_utils
from google.protobuf.message import Message
from grpc_status import rpc_status

from tunesmith_server.app.auth import require
from tunesmith_server.app.authentication import Authenticator
from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.once import Once
from tunesmith_server.app.rates import Rates
from tunesmith_server.domain.access import Principal, Role, changes
from tunesmith_server.domain.errors import DomainError, PermissionDenied, Unauthenticated
from tunesmith_server.domain.quota import Dimension
from tunesmith_server.edge.grpc.contract import ContractRules
from tunesmith_server.edge.grpc.errors import internal, to_status
from tunesmith_server.edge.grpc.requests import once_of, resource_of

log = structlog.get_logger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
RpcMethod: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Handler = Callable[[Any, Context], Any]

_PACKAGE = "/tunesmith.v1."
_NOBODY = Principal("", None, Role.INFERENCE)
"""Who calls before authentication has told."""
_principal: ContextVar[Principal] = ContextVar("principal", default=_NOBODY)
_incoming: ContextVar[tuple[str, str, str]] = ContextVar("incoming")
"""Method, id and peer of the call."""


def principal() -> Principal:
    """Who calls, within a handler."""
    return _principal.get()


def call(request: Message, once: Once | None = None) -> Call:
    """The call of a handler, for a use case that changes something."""
    method, id, peer = _incoming.get()
    return Call(
        principal=principal(),
        method=method,
        id=id,
        peer=peer,
        request=once or once_of(request, method),
        validate_only=bool(getattr(request, "validate_only", False)),
    )


def encode(message: Message | bytes) -> bytes:
    """What goes on the wire. A handler may answer with bytes that it has encoded before."""
    return message if isinstance(message, bytes) else message.SerializeToString()


class Stage:
    """One thing that happens to every call: two methods, for one answer and for a stream of them.

    Requests that are streams themselves pass as the iterators that they are.
    """

    async def call(self, method: str, inner: Handler, request: Any, context: Context) -> Any:
        """Run a call that answers once."""
        return await inner(request, context)

    async def stream(
        self, method: str, inner: Handler, request: Any, context: Context
    ) -> AsyncIterator[Any]:
        """Run a call that answers with a stream."""
        async for response in inner(request, context):
            yield response


class StagedServer:
    """Registers servicers with a gRPC server, each method within the stages.

    Not gRPC's own interceptors: those wrap the handler anew on every call, which costs more than
    all that these stages do (docs/explanation/performance.md).
    """

    def __init__(self, server: grpc.aio.Server, stages: Sequence[Stage]) -> None:
        self._server = server
        self._stages = stages

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """The same handlers come again, by their methods' names."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, RpcMethod]
    ) -> None:
        """Take the methods of one service."""
        staged = {name: self._staged(f"/{service}/{name}", each) for name, each in handlers.items()}
        generic = grpc.method_handlers_generic_handler(service, staged)
        self._server.add_generic_rpc_handlers((generic,))

    def _staged(self, method: str, handler: Any) -> RpcMethod:
        make, inner = next(
            (make, inner)
            for make, inner in (
                (grpc.unary_unary_rpc_method_handler, handler.unary_unary),
                (grpc.unary_stream_rpc_method_handler, handler.unary_stream),
                (grpc.stream_unary_rpc_method_handler, handler.stream_unary),
                (grpc.stream_stream_rpc_method_handler, handler.stream_stream),
            )
            if inner is not None
        )
        for stage in reversed(self._stages):
            run = stage.stream if handler.response_streaming else stage.call
            # partial, not lambda: gRPC must see a coroutine function, or it runs it in a thread
            inner = partial(run, method, inner)
        return make(inner, handler.request_deserializer, encode)


class RequestContext(Stage):
    """Gives every call an id, binds it for the logs, and writes the access log."""

    async def call(self, method: str, inner: Handler, request: Any, context: Context) -> Any:
        """Run a call that answers once."""
        began = self._begin(method, context)
        try:
            return await inner(request, context)
        finally:
            self._end(began, context)

    async def stream(
        self, method: str, inner: Handler, request: Any, context: Context
    ) -> AsyncIterator[Any]:
        """Run a call that answers with a stream."""
        began = self._begin(method, context)
        try:
            async for response in inner(request, context):
                yield response
        finally:
            self._end(began, context)

    @staticmethod
    def _begin(method: str, context: Context) -> float:
        given = dict(context.invocation_metadata() or ()).get("x-request-id", "")
        request_id = (
            given if isinstance(given, str) and 0 < len(given) <= 64 else uuid_utils.uuid4().hex
        )
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            request_id=request_id, method=method.removeprefix(_PACKAGE)
        )
        context.set_trailing_metadata((("x-request-id", request_id),))
        _principal.set(_NOBODY)
        _incoming.set((method.removeprefix(_PACKAGE), request_id, context.peer()))
        return time.perf_counter()

    @staticmethod
    def _end(began: float, context: Context) -> None:
        code = context.code()
        name = getattr(code, "name", None) or ("OK" if not code else str(code))
        log.debug("call", code=name, seconds=round(time.perf_counter() - began, 4))


class Errors(Stage):
    """Turns what handlers raise into statuses, so that no handler ever aborts a call itself."""

    async def call(self, method: str, inner: Handler, request: Any, context: Context) -> Any:
        """Run a call that answers once."""
        try:
            return await inner(request, context)
        except Exception as error:
            await _abort(context, error)
            raise

    async def stream(
        self, method: str, inner: Handler, request: Any, context: Context
    ) -> AsyncIterator[Any]:
        """Run a call that answers with a stream."""
        try:
            async for response in inner(request, context):
                yield response
        except Exception as error:
            await _abort(context, error)
            raise


async def _abort(context: Context, error: Exception) -> None:
    match error:
        case grpc.aio.AbortError():
            return  # on its way already
        case DomainError():
            log.info("call_refused", reason=error.reason)
            status = rpc_status.to_status(to_status(error))
            # not abort_with_status, which would forget the request id
            trailing = (*(context.trailing_metadata() or ()), *(status.trailing_metadata or ()))
            await context.abort(status.code, status.details, trailing)
        case _:
            incident = uuid_utils.uuid4().hex
            log.exception("call_failed", incident=incident, exc_info=error)
            await context.abort_with_status(rpc_status.to_status(internal(incident)))


class Auditing(Stage):
    """Puts on record what was refused: every mutation, and every call that was not allowed.

    What succeeds goes on record with its effect, see `app/commands.py`.
    """

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def call(self, method: str, inner: Handler, request: Any, context: Context) -> Any:
        """Run a call that answers once."""
        try:
            return await inner(request, context)
        except DomainError as error:
            self._note(request, error)
            raise

    async def stream(
        self, method: str, inner: Handler, request: Any, context: Context
    ) -> AsyncIterator[Any]:
        """Run a call that answers with a stream."""
        try:
            async for response in inner(request, context):
                yield response
        except DomainError as error:
            self._note(request, error)
            raise

    def _note(self, request: Any, error: DomainError) -> None:
        method, id, peer = _incoming.get()
        if changes(method) or isinstance(error, PermissionDenied | Unauthenticated):
            refused = Call(principal(), method, id, peer)
            self._commands.refused(refused, resource_of(request), error)


class Authentication(Stage):
    """Finds out who calls, and whether the role may. Health and reflection are open to all."""

    def __init__(self, authenticator: Authenticator, rates: Rates) -> None:
        self._authenticator = authenticator
        self._rates = rates

    async def call(self, method: str, inner: Handler, request: Any, context: Context) -> Any:
        """Run a call that answers once."""
        await self._check(method, context)
        return await inner(request, context)

    async def stream(
        self, method: str, inner: Handler, request: Any, context: Context
    ) -> AsyncIterator[Any]:
        """Run a call that answers with a stream."""
        await self._check(method, context)
        async for response in inner(request, context):
            yield response

    async def _check(self, method: str, context: Context) -> None:
        if not method.startswith(_PACKAGE):
            return
        header = dict(context.invocation_metadata() or ()).get("authorization", "")
        scheme, _, shown = str(header).partition(" ")
        credential = shown.strip() if scheme.lower() == "bearer" else ""
        caller = await self._authenticator.principal(credential)
        structlog.contextvars.bind_contextvars(tenant=caller.tenant, principal=caller.id)
        _principal.set(caller)
        require(caller, method.removeprefix(_PACKAGE))
        if caller.tenant is not None:
            await self._rates.take(caller.tenant, Dimension.REQUESTS_PER_MINUTE)


class Contract(Stage):
    """Refuses requests that break the rules of the contract."""

    def __init__(self, rules: ContractRules) -> None:
        self._rules = rules

    async def call(self, method: str, inner: Handler, request: Any, context: Context) -> Any:
        """Run a call that answers once."""
        return await inner(self._checked(method, request), context)

    async def stream(
        self, method: str, inner: Handler, request: Any, context: Context
    ) -> AsyncIterator[Any]:
        """Run a call that answers with a stream."""
        async for response in inner(self._checked(method, request), context):
            yield response

    def _checked(self, method: str, request: Any) -> Any:
        name = method.removeprefix(_PACKAGE)
        if isinstance(request, Message):
            self._rules.check(name, request)
            return request
        return self._each(name, request)

    async def _each(self, name: str, requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
        async for request in requests:
            self._rules.check(name, request)
            yield request
