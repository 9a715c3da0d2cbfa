"""What a caller can do with models: list them, ask them, delete them."""

from collections.abc import AsyncIterator

from tunesmith_server.app import filters
from tunesmith_server.app.admission import Admission
from tunesmith_server.app.commands import Call, Commands
from tunesmith_server.app.named import Named, adapter_ids, named, readable
from tunesmith_server.app.pages import Page, Pager, PageRequest
from tunesmith_server.app.rates import Rates
from tunesmith_server.app.scope import scope_of
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.completion import (
    Completion,
    CompletionDelta,
    CompletionRequest,
    TokenUsage,
)
from tunesmith_server.domain.errors import ResourceInUse
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import ModelName, TenantName, owned
from tunesmith_server.domain.quota import Dimension
from tunesmith_server.ports import Artefacts, Clock, Inference, Store, Transaction


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
        """The tuned model, one's own or one that is shared with the caller; NotFound."""
        now = self._clock.now()
        return await self._store.read(lambda tx: readable(tx, principal, name, now))

    async def named(self, principal: Principal, text: str) -> Named:
        """What answers under a name, see `app/named.py`; NotFound."""
        now = self._clock.now()
        return await self._store.read(lambda tx: named(tx, principal, text, now))

    async def list(
        self, principal: Principal, parent: TenantName, page: PageRequest
    ) -> Page[Model]:
        """A tenant's tuned models and those that it may ask of others', newest first."""
        tenant = owned(parent.tenant, principal.tenant, str(parent))
        of = self._pager.of(page, f"{tenant}/models", filters.MODELS)
        now = self._clock.now()
        found = await self._store.read(lambda tx: tx.of(tenant).shares.models(of, now))
        return self._pager.page(page, f"{tenant}/models", found)

    async def delete(self, call: Call, name: ModelName) -> None:
        """Forget a tuned model: gone from memory and disk, it answers nobody."""
        tenant = owned(name.tenant, call.principal.tenant, str(name))

        def make(tx: Transaction) -> list[str]:
            scope = scope_of(tx, tenant, name)
            model = scope.model(name.id)
            if standing := scope.shares.standing(name.id, self._clock.now()):
                whose = ", ".join(f"tenants/{each.tenant} ({each})" for each in standing)
                raise ResourceInUse(
                    str(model.name), f"it is shared or offered: take that back first: {whose}"
                )
            self._admission.model_deleted(scope, model.uid, self._clock.now())
            scope.delete_model(name.id)
            return adapter_ids(model)

        shown = ModelName(tenant, name.id)
        adapters = await self._commands.run(call, tenant, shown, list[str], make)
        if not call.validate_only:
            for adapter in adapters:
                await self._inference.unload(adapter)
            await self._artefacts.delete(adapters[0])

    async def complete(
        self, principal: Principal, model: str, request: CompletionRequest
    ) -> Completion:
        """What the model goes on with.

        `model` is a name as `named` takes it.
        """
        served = await self.named(principal, model)
        taken = await self._meter(principal, served, request)
        adapter = served.adapter(self._artefacts)
        answer = await self._inference.complete(served.base, adapter, request)
        self._settle(principal, taken, answer.usage)
        return answer

    async def stream_complete(
        self, principal: Principal, model: str, request: CompletionRequest
    ) -> AsyncIterator[CompletionDelta]:
        """As `complete`, piece by piece."""
        served = await self.named(principal, model)
        taken = await self._meter(principal, served, request)
        adapter = served.adapter(self._artefacts)
        async for delta in self._inference.stream_complete(served.base, adapter, request):
            if delta.usage:
                self._settle(principal, taken, delta.usage)
            yield delta

    async def _meter(self, principal: Principal, served: Named, request: CompletionRequest) -> int:
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
