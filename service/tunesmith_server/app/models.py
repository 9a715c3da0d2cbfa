"""What a caller can do with models: list them, ask them, delete them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from tunesmith_server.app import filters
from tunesmith_server.app.admission import Admission
from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.pages import Page, Pager, PageRequest
from tunesmith_server.app.rates import Rates
from tunesmith_server.app.scope import allowed, base_named, scope_of
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.completion import (
    AdapterRef,
    Completion,
    CompletionDelta,
    CompletionRequest,
    TokenUsage,
)
from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.model import BaseModel, Model
from tunesmith_server.domain.names import ModelName, TenantName, can_name, owned
from tunesmith_server.domain.public_names import parse_model_name
from tunesmith_server.domain.quota import Dimension
from tunesmith_server.ports import Artefacts, Clock, Inference, Store, Transaction


@dataclass(frozen=True)
class _Served:
    """What answers: a base, with a tuned model's adapter or without."""

    base: BaseModel
    model: Model | None


class Models:
    """The use cases around models."""

    def __init__(
        self,
        store: Store,
        commands: Commands,
        admission: Admission,
        artefacts: Artefacts,
        inference: Inference,
        pager: Pager,
        rates: Rates,
        clock: Clock,
    ) -> None:
        self._store = store
        self._commands = commands
        self._admission = admission
        self._rates = rates
        self._clock = clock
        self._artefacts = artefacts
        self._inference = inference
        self._pager = pager

    async def get(self, principal: Principal, name: ModelName) -> Model:
        """The tuned model, or NotFound."""
        tenant = owned(name.tenant, principal.tenant, str(name))
        return await self._store.read(lambda tx: scope_of(tx, tenant, name).model(name.id))

    async def named(self, principal: Principal, text: str) -> tuple[BaseModel, Model | None]:
        """What answers under a name: a base, or a tuned model and its base. NotFound.

        `text` is a resource name, a public or legacy name, or a base model's id or alias.
        """
        served = await self._served(principal, text)
        return served.base, served.model

    async def list(
        self, principal: Principal, parent: TenantName, page: PageRequest
    ) -> Page[Model]:
        """A tenant's tuned models, newest first."""
        tenant = owned(parent.tenant, principal.tenant, str(parent))
        of = self._pager.of(page, f"{tenant}/models", filters.MODELS)
        found = await self._store.read(lambda tx: tx.of(tenant).models(of))
        return self._pager.page(page, f"{tenant}/models", found)

    async def delete(self, call: Call, name: ModelName) -> None:
        """Forget a tuned model: gone from memory and disk, it answers nobody."""
        tenant = owned(name.tenant, call.principal.tenant, str(name))

        def make(tx: Transaction) -> str:
            scope = scope_of(tx, tenant, name)
            model = scope.model(name.id)
            self._admission.model_deleted(scope, model.uid, self._clock.now())
            scope.delete_model(name.id)
            return model.uid

        uid = await self._commands.run(call, tenant, ModelName(tenant, name.id), str, make)
        if not call.validate_only:
            await self._inference.unload(uid)
            await self._artefacts.delete(uid)

    async def complete(
        self, principal: Principal, model: str, request: CompletionRequest
    ) -> Completion:
        """What the model goes on with.

        `model` is a name as `named` takes it.
        """
        served = await self._served(principal, model)
        taken = await self._meter(principal, served, request)
        answer = await self._inference.complete(served.base, self._adapter(served), request)
        self._settle(principal, taken, answer.usage)
        return answer

    async def stream_complete(
        self, principal: Principal, model: str, request: CompletionRequest
    ) -> AsyncIterator[CompletionDelta]:
        """As `complete`, piece by piece."""
        served = await self._served(principal, model)
        taken = await self._meter(principal, served, request)
        async for delta in self._inference.stream_complete(
            served.base, self._adapter(served), request
        ):
            if delta.usage:
                self._settle(principal, taken, delta.usage)
            yield delta

    async def _meter(
        self, principal: Principal, served: _Served, request: CompletionRequest
    ) -> int:
        """Take the most that the answer can use of the minute's tokens; RateLimited."""
        if principal.tenant is None:
            return 0
        most = request.most_tokens(served.base.context_length)
        await self._rates.take(principal.tenant, Dimension.INFERENCE_TOKENS_PER_MINUTE, most)
        return most

    def _settle(self, principal: Principal, taken: int, usage: TokenUsage) -> None:
        if principal.tenant is not None:
            used = usage.prompt_tokens + usage.completion_tokens
            self._rates.give_back(
                principal.tenant, Dimension.INFERENCE_TOKENS_PER_MINUTE, taken - used
            )

    async def _served(self, principal: Principal, text: str) -> _Served:
        if not can_name(text):
            raise NotFound(repr(text[:200]))

        def work(tx: Transaction) -> _Served:
            if text.startswith("tenants/"):
                name = ModelName.parse(text, "model")
                tenant = owned(name.tenant, principal.tenant, text)
                model = scope_of(tx, tenant, name).model(name.id)
                return _Served(tx.system.base_model(model.base_model), model)
            if parse_model_name(text) and principal.tenant:
                model = tx.of(principal.tenant).model_named(text)
                return _Served(tx.system.base_model(model.base_model), model)
            base = base_named(tx, text)
            if principal.tenant:
                allowed(tx.of(principal.tenant), base)
            return _Served(base, None)

        try:
            return await self._store.read(work)
        except NotFound:
            raise NotFound(text[:200]) from None

    def _adapter(self, served: _Served) -> AdapterRef | None:
        if served.model is None:
            return None
        return AdapterRef(served.model.uid, str(self._artefacts.path(served.model.uid)))
