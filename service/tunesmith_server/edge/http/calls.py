"""What happens to every HTTP call: id, credential, role, rate, errors, headers.

The same stages as on the gRPC port (`edge/grpc/stages.py`), by the same use cases; each endpoint
says which method of the contract it is, and so which roles may call it.
"""

import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tunesmith_server.app.auth import require
from tunesmith_server.app.authentication import Authenticator
from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.once import Once
from tunesmith_server.app.rates import Rates
from tunesmith_server.app.tenants import Tenants
from tunesmith_server.domain.access import Principal, Role, changes
from tunesmith_server.domain.errors import (
    DomainError,
    PayloadTooLarge,
    PermissionDenied,
    Unauthenticated,
)
from tunesmith_server.domain.names import OWN_TENANT, TenantName
from tunesmith_server.domain.quota import Dimension
from tunesmith_server.edge.http.bodies import decoded
from tunesmith_server.edge.http.envelopes import Envelope, Refused, envelope, internal

log = structlog.get_logger(__name__)
T = TypeVar("T")

OWN = TenantName(OWN_TENANT)
_NOBODY = Principal("", None, Role.INFERENCE)
_RATES = {
    "requests": Dimension.REQUESTS_PER_MINUTE,
    "tokens": Dimension.INFERENCE_TOKENS_PER_MINUTE,
}
_VERSION = "2020-10-01"
"""What OpenAI's own servers say in `openai-version`."""


@dataclass(frozen=True)
class Incoming:
    """One call that may be made."""

    request: Request
    principal: Principal
    method: str
    """`Service/Method` of the contract."""
    id: str
    organization: str
    largest_body: int
    patience: float
    """Seconds for which nothing of a body may come."""

    @property
    def tenant(self) -> str:
        """The caller's tenant; this surface is for tenants' keys alone."""
        assert self.principal.tenant is not None
        return self.principal.tenant

    def path(self, name: str) -> str:
        """A part of the path, decoded once."""
        return str(self.request.path_params[name])

    async def body(self, kind: type[T]) -> T:
        """The JSON of the body as `kind`: see `bodies.decoded`."""
        raw = b"".join([part async for part in self.parts(self.largest_body)])
        return decoded(raw, kind, self.method)

    async def parts(self, most: int) -> AsyncIterator[bytes]:
        """The body as it comes: at most so many bytes, none of them read if more are announced."""
        length = self.request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > most:
            raise too_large(most)
        size = 0
        coming = self.request.stream()
        while True:
            try:
                async with asyncio.timeout(self.patience):
                    part = await anext(coming)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise Refused(
                    Envelope(408, f"No more of the request came: {self.patience:g} s.")
                ) from None
            size += len(part)
            if size > most:
                raise too_large(most)
            yield part

    def call(self, content: str | None = None) -> Call:
        """For a use case that changes something; with `content` an Idempotency-Key counts.

        `content` is what the key is about: the same key for something else is refused.
        """
        key, once = self.request.headers.get("idempotency-key", ""), None
        if key and content is not None:
            # any text may be the key; ours are UUIDs. Keys of this surface never meet gRPC's
            name = uuid.uuid5(uuid.NAMESPACE_URL, f"openai:{self.principal.id}:{key}")
            hash = hashlib.sha256(content.encode()).hexdigest()
            once = Once(str(name), self.method, hash)
        client = self.request.client
        peer = f"{client.host}:{client.port}" if client else ""
        return Call(self.principal, self.method, self.id, peer, once)


Handler = Callable[[Incoming], Awaitable[Response]]


class Calls:
    """Makes endpoints out of handlers."""

    def __init__(
        self,
        authenticator: Authenticator,
        rates: Rates,
        tenants: Tenants,
        commands: Commands,
        *,
        largest_body: int,
        patience: float,
    ) -> None:
        self._authenticator = authenticator
        self._rates = rates
        self._tenants = tenants
        self._commands = commands
        self._largest_body = largest_body
        self._patience = patience

    def endpoint(self, method: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """What answers requests with `handler`, to callers that may call `method`."""

        async def answer(request: Request) -> Response:
            began = time.perf_counter()
            given = request.headers.get("x-request-id", "")
            id = given if 0 < len(given) <= 64 and given.isprintable() else uuid.uuid4().hex
            structlog.contextvars.clear_contextvars()
            structlog.contextvars.bind_contextvars(request_id=id, method=f"http {method}")
            caller, organization = _NOBODY, ""
            try:
                caller = await self._caller(request)
                organization = await self._organization(request, caller, method)
                limits = (self._largest_body, self._patience)
                incoming = Incoming(request, caller, method, id, organization, *limits)
                response = await handler(incoming)
            except (DomainError, Refused, ClientDisconnect) as error:
                response = self._refusal(request, method, id, caller, error).response()
            except Exception as error:
                incident = uuid.uuid4().hex
                log.exception("call_failed", incident=incident, exc_info=error)
                response = internal(incident).response()
            seconds = time.perf_counter() - began
            log.debug("call", code=response.status_code, seconds=round(seconds, 4))
            response.headers["x-request-id"] = id
            response.headers["openai-processing-ms"] = f"{seconds * 1000:.0f}"
            response.headers["openai-version"] = _VERSION
            if organization:
                response.headers["openai-organization"] = organization
            self._tell_rates(response, caller)
            return response

        return answer

    def _tell_rates(self, response: Response, caller: Principal) -> None:
        """How the tenant stands to its limits of a minute; nothing of those that it has not."""
        if caller.tenant is None:
            return
        for name, dimension in _RATES.items():
            if standing := self._rates.standing(caller.tenant, dimension):
                response.headers[f"x-ratelimit-limit-{name}"] = str(standing.limit)
                response.headers[f"x-ratelimit-remaining-{name}"] = str(standing.remaining)
                response.headers[f"x-ratelimit-reset-{name}"] = f"{standing.reset_seconds:.0f}s"

    async def _caller(self, request: Request) -> Principal:
        """Who calls."""
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        credential = shown.strip() if scheme.lower() == "bearer" else ""
        credential = credential or request.headers.get("api-key", "")  # as Azure's clients send it
        if not credential:
            raise Refused(Envelope(401, _NO_KEY))
        try:
            return await self._authenticator.principal(credential)
        except Unauthenticated:
            raise Refused(Envelope(401, _WRONG_KEY, code="invalid_api_key")) from None

    async def _organization(self, request: Request, caller: Principal, method: str) -> str:
        """The caller's organization, if it may call `method`, and now."""
        structlog.contextvars.bind_contextvars(tenant=caller.tenant, principal=caller.id)
        require(caller, method)
        if caller.tenant is None:
            raise PermissionDenied(
                "this API is for the keys of tenants; a platform administrator's has none"
            )
        tenant = await self._tenants.get(caller, TenantName(caller.tenant))
        organization = tenant.organization or tenant.id
        names = {organization, tenant.id, f"org-{organization}", f"org-{tenant.id}"}
        for kind in ("organization", "project"):
            if (said := request.headers.get(f"openai-{kind}")) and said not in names:
                words = f"OpenAI-{kind.title()} header should match {kind} for API key"
                raise Refused(Envelope(401, words, code=f"mismatched_{kind}"))
        await self._rates.take(caller.tenant, Dimension.REQUESTS_PER_MINUTE)
        return organization

    def _refusal(
        self, request: Request, method: str, id: str, caller: Principal, error: Exception
    ) -> Envelope:
        """The envelope of a refusal, which goes on record as on the gRPC port."""
        if isinstance(error, ClientDisconnect):
            return Envelope(499, "the client is gone")
        cause = error.cause if isinstance(error, Refused) else error
        assert isinstance(cause, DomainError)
        log.info("call_refused", reason=cause.reason)
        if changes(method) or isinstance(cause, PermissionDenied | Unauthenticated):
            client = request.client
            call = Call(caller, method, id, f"{client.host}:{client.port}" if client else "")
            self._commands.refused(call, request.url.path, cause)
        return error.envelope if isinstance(error, Refused) else envelope(cause)


def too_large(limit: int) -> PayloadTooLarge:
    """A body over the limit, told before it is read to its end."""
    return PayloadTooLarge(
        "body", f"The request is larger than the {limit:,} bytes allowed here.", limit=limit
    )


_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header "
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
_WRONG_KEY = "Incorrect API key provided. Keys of this service begin with sk-ts-."
