"""Reading fine-tunes, their events and their results."""

from collections.abc import Sequence

from tunesmith_server.app import filters
from tunesmith_server.app.pages import Page, Pager, PageRequest
from tunesmith_server.app.results import measured
from tunesmith_server.app.scope import scope_of
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.errors import InvalidArgument, NotFound
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import FineTuneName, TenantName, owned
from tunesmith_server.domain.states import State
from tunesmith_server.ports import Store, TenantScope, Transaction


class FineTunes:
    """The use cases that look at runs, but for watching them (`app/watch.py`)."""

    def __init__(self, store: Store, pager: Pager) -> None:
        self._store = store
        self._pager = pager

    async def get(self, principal: Principal, name: FineTuneName) -> FineTune:
        """The run of this name, or NotFound."""
        tenant = owned(name.tenant, principal.tenant, str(name))
        return await self._store.peek(lambda tx: scope_of(tx, tenant, name).fine_tune(name.id))

    async def list(
        self,
        principal: Principal,
        parent: TenantName,
        page: PageRequest,
        *,
        states: Sequence[State] = (),
    ) -> Page[FineTune]:
        """A tenant's runs, newest first."""
        tenant = owned(parent.tenant, principal.tenant, str(parent))
        bound = f"{tenant}/fineTunes?{','.join(sorted(states))}"
        of = self._pager.of(page, bound, filters.FINE_TUNES)
        found = await self._store.read(lambda tx: tx.of(tenant).fine_tunes(of, states=states))
        return self._pager.page(page, bound, found)

    async def events(
        self, principal: Principal, name: FineTuneName, page: PageRequest, after: int = 0
    ) -> Page[Event]:
        """A run's events, oldest first: those of the page, or the first after a sequence."""
        tenant = owned(name.tenant, principal.tenant, str(name))
        if page.token and after:
            raise InvalidArgument.of("cursor", "goes without a page_token, not with one")

        def work(tx: Transaction) -> tuple[str, Sequence[tuple[str, Event]]]:
            scope = scope_of(tx, tenant, name)
            uid = scope.fine_tune(name.id).uid
            of = self._pager.of(page, f"{uid}/events")
            found = scope.events(uid, after=int(of.after or after), limit=of.limit)
            return uid, [(str(event.sequence), event) for event in found]

        uid, found = await self._store.read(work)
        return self._pager.page(page, f"{uid}/events", found)

    async def checkpoints(
        self, principal: Principal, name: FineTuneName, page: PageRequest
    ) -> Page[tuple[Event, Model | None]]:
        """The checkpoints of a run, oldest first, as the events that told of them.

        With the run's model where the checkpoint was kept with it and can be asked.
        """
        tenant = owned(name.tenant, principal.tenant, str(name))

        def work(tx: Transaction) -> tuple[str, Sequence[tuple[str, tuple[Event, Model | None]]]]:
            scope = scope_of(tx, tenant, name)
            run = scope.fine_tune(name.id)
            of = self._pager.of(page, f"{run.uid}/checkpoints")
            after = int(of.after or 0)
            found = scope.events(run.uid, after=after, limit=of.limit, kinds=[Kind.CHECKPOINT])
            model = _model_of(scope, run)
            return run.uid, [
                (str(event.sequence), (event, model if _kept(model, event) else None))
                for event in found
            ]

        uid, found = await self._store.read(work)
        return self._pager.page(page, f"{uid}/checkpoints", found)

    async def results(self, principal: Principal, name: FineTuneName) -> Sequence[Event]:
        """The rows of results.csv, as the events that told of them, one a training step."""
        tenant = owned(name.tenant, principal.tenant, str(name))
        run = await self.get(principal, name)
        return await measured(self._store, tenant, run.uid)


def _model_of(scope: TenantScope, run: FineTune) -> Model | None:
    try:
        return scope.model(run.model) if run.model else None
    except NotFound:  # deleted since
        return None


def _kept(model: Model | None, event: Event) -> bool:
    """Whether a checkpoint is with the model; of a step that was trained twice, the last is."""
    step, attempt = event.data["step"], event.attempt
    return model is not None and any(
        (each.step, each.attempt) == (step, attempt) for each in model.checkpoints
    )
