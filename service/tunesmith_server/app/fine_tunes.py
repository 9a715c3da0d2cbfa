"""What a caller can do with fine-tunes."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tunesmith_server.app.admission import Admission
from tunesmith_server.app.once import Once, once
from tunesmith_server.app.pages import Page, Pager, PageRequest
from tunesmith_server.app.scope import scope_of
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.errors import (
    BaseModelUnknown,
    DatasetNotReady,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PreconditionFailed,
)
from tunesmith_server.domain.events import Event, Kind
from tunesmith_server.domain.fine_tune import (
    Classification,
    DatasetVersion,
    FineTune,
    Resolved,
    Spec,
)
from tunesmith_server.domain.hyperparameters import resolve
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.domain.names import FineTuneName, ModelName, TenantName, checked_id, owned
from tunesmith_server.domain.naming import normalised_suffix
from tunesmith_server.domain.quota import Dimension
from tunesmith_server.domain.states import State
from tunesmith_server.ports import Clock, Hints, Store, TenantScope, Transaction

DEFAULT_SEED = 42
BACKEND = "local"
_RESULTS_PAGE = 500


class FineTunes:
    """The use cases around fine-tuning runs, but for watching them (`app/watch.py`)."""

    def __init__(
        self,
        store: Store,
        admission: Admission,
        pager: Pager,
        hints: Hints,
        clock: Clock,
        new_uid: Callable[[], str],
    ) -> None:
        self._store = store
        self._admission = admission
        self._pager = pager
        self._hints = hints
        self._clock = clock
        self._new_uid = new_uid

    async def create(
        self,
        principal: Principal,
        parent: TenantName,
        id: str,
        spec: Spec,
        *,
        display_name: str = "",
        labels: Mapping[str, str] | None = None,
        request: Once | None = None,
        validate_only: bool = False,
    ) -> FineTune:
        """Record a run for a backend to pick up, within the tenant's quota.

        With `validate_only` every check is made and nothing is written.
        """
        tenant = owned(parent.tenant, principal.tenant, str(parent))
        uid, now = self._new_uid(), self._clock.now()
        name = FineTuneName(tenant, checked_id(id, "fine_tune_id") if id else f"ft-{uid[-12:]}")
        spec = replace(spec, suffix=normalised_suffix(spec.suffix))

        def work(tx: Transaction) -> FineTune:
            scope = tx.of(tenant)

            def make() -> FineTune:
                run = FineTune(
                    name=name,
                    uid=uid,
                    spec=spec,
                    resolved=_resolved(tx, scope, principal, spec),
                    state=State.QUEUED,
                    create_time=now,
                    update_time=now,
                    created_by=principal.id,
                    display_name=display_name,
                    labels=dict(labels or {}),
                )
                self._admission.admit(scope, run, now)  # last but one: its row is the hot one
                return scope.add_fine_tune(run, _first_events(run, now))

            if validate_only:
                raise _Validated(make())
            return once(scope, request, now, FineTune, make)

        try:
            run = await self._store.write(work)
        except _Validated as checked:
            return checked.run
        self._hints.notify("work")
        return run

    async def get(self, principal: Principal, name: FineTuneName) -> FineTune:
        """The run of this name, or NotFound."""
        tenant = owned(name.tenant, principal.tenant, str(name))
        return await self._store.read(lambda tx: scope_of(tx, tenant, name).fine_tune(name.id))

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
        of = self._pager.of(page, bound)
        found = await self._store.read(lambda tx: tx.of(tenant).fine_tunes(of, states=states))
        return self._pager.page(page, bound, found)

    async def cancel(self, principal: Principal, name: FineTuneName) -> FineTune:
        """Ask a run to stop. One that waits is cancelled at once; one that has ended, or is
        stopping, stays as it is.
        """
        tenant = owned(name.tenant, principal.tenant, str(name))
        now = self._clock.now()

        def work(tx: Transaction) -> FineTune:
            scope = scope_of(tx, tenant, name)
            run = scope.fine_tune(name.id)
            if run.state.is_terminal or run.state is State.CANCELLING:
                return run
            if run.state.holds_slot:
                moved, event = run.told(
                    State.CANCELLING, now=now, message="Fine-tune cancellation requested"
                )
            else:
                moved, event = run.told(
                    State.CANCELLED, now=now, message="Fine-tune cancelled", reason="CANCELLED"
                )
                self._admission.end(scope, run, now)
            return scope.put_fine_tune(moved, [event])

        run = await self._store.write(work)
        self._hints.notify("runs")
        self._hints.notify("work")
        return run

    async def delete(self, principal: Principal, name: FineTuneName) -> None:
        """Forget a run that has ended, with its events. Its model stays."""
        tenant = owned(name.tenant, principal.tenant, str(name))

        def work(tx: Transaction) -> None:
            scope = scope_of(tx, tenant, name)
            run = scope.fine_tune(name.id)
            if not run.state.is_terminal:
                raise PreconditionFailed(str(name), f"it is {run.state}; cancel it first")
            scope.delete_fine_tune(run)

        await self._store.write(work)

    async def events(
        self, principal: Principal, name: FineTuneName, page: PageRequest
    ) -> Page[Event]:
        """A run's events, oldest first."""
        tenant = owned(name.tenant, principal.tenant, str(name))

        def work(tx: Transaction) -> tuple[str, Sequence[tuple[str, Event]]]:
            scope = scope_of(tx, tenant, name)
            uid = scope.fine_tune(name.id).uid
            of = self._pager.of(page, f"{uid}/events")
            found = scope.events(uid, after=int(of.after or 0), limit=of.limit)
            return uid, [(str(event.sequence), event) for event in found]

        uid, found = await self._store.read(work)
        return self._pager.page(page, f"{uid}/events", found)

    async def checkpoints(self, principal: Principal, name: FineTuneName) -> Sequence[Event]:
        """The checkpoints of a run, oldest first, as the events that told of them."""
        return [event async for event in self._of_kind(principal, name, Kind.CHECKPOINT)]

    async def results(self, principal: Principal, name: FineTuneName) -> AsyncIterator[Event]:
        """The rows of results.csv, as the events that told of them, one a training step.

        Where an attempt was lost and steps were trained again, the later row holds.
        """
        by_step: dict[int, Event] = {}
        async for event in self._of_kind(principal, name, Kind.METRICS):
            by_step[int(event.data["step"])] = event
        for step in sorted(by_step):
            yield by_step[step]

    async def _of_kind(
        self, principal: Principal, name: FineTuneName, kind: Kind
    ) -> AsyncIterator[Event]:
        tenant = owned(name.tenant, principal.tenant, str(name))
        run = await self.get(principal, name)
        after = 0
        while True:
            found = await self._store.read(
                lambda tx, after=after: tx.of(tenant).events(  # type: ignore[misc]
                    run.uid, after=after, limit=_RESULTS_PAGE, kinds=[kind]
                )
            )
            for event in found:
                yield event
            if len(found) < _RESULTS_PAGE:
                return
            after = found[-1].sequence


class _Validated(Exception):  # not an error: it rolls the rehearsal back
    def __init__(self, run: FineTune) -> None:
        self.run = run


def _resolved(tx: Transaction, scope: TenantScope, principal: Principal, spec: Spec) -> Resolved:
    """Every "auto" and every reference of the spec, or the error that names the field."""
    base, parent = _base(tx, scope, principal, spec.base_model)
    training = _ready(scope, spec.training_dataset, "fine_tune.spec.training_dataset")
    validation = (
        _ready(scope, spec.validation_dataset, "fine_tune.spec.validation_dataset")
        if spec.validation_dataset
        else None
    )
    if validation and validation.shape != training.shape:
        raise InvalidArgument.of(
            "fine_tune.spec.validation_dataset",
            f"is {validation.shape}, but the training dataset is {training.shape}",
        )
    _check_classification(spec.classification, validation)
    hyperparameters, settings = resolve(spec.hyperparameters, base, examples=training.example_count)
    return Resolved(
        base_model=base.id,
        base_model_name=spec.base_model,
        parent_model=parent,
        training=training,
        validation=validation,
        hyperparameters=hyperparameters,
        seed=DEFAULT_SEED if spec.seed is None else spec.seed,
        backend=BACKEND,
        worst_case_tokens=training.text_bytes * hyperparameters.n_epochs,
        settings=settings,
    )


def _base(
    tx: Transaction, scope: TenantScope, principal: Principal, text: str
) -> tuple[BaseModel, str | None]:
    """The catalogue entry, and the id of the tuned model to continue from."""
    field = "fine_tune.spec.base_model"
    if text.startswith("tenants/"):
        name = ModelName.parse(text, field)
        owned(name.tenant, principal.tenant, text)
        model = scope.model(name.id)
        return tx.system.base_model(model.base_model), model.name.id
    try:
        return tx.system.base_model(text.removeprefix("baseModels/")), None
    except NotFound:
        known = ", ".join(base.id for base in tx.system.base_models() if not base.hidden)
        raise BaseModelUnknown(
            [FieldViolation(field, f"{text!r} is not in the catalogue, which has: {known}")]
        ) from None


def _ready(scope: TenantScope, id: str, field: str) -> DatasetVersion:
    """The current version of a dataset, if it can be trained on."""
    dataset: Dataset = scope.dataset(id)
    if dataset.state is not DatasetState.READY:
        raise DatasetNotReady(
            str(dataset.name),
            f"({field}) it is {dataset.state}; `tunesmith datasets get {id}` shows what is wrong",
        )
    return DatasetVersion(
        dataset=id,
        digest=dataset.digest,
        shape=dataset.shape,
        example_count=dataset.example_count,
        text_bytes=int(dataset.report.get("text_bytes", dataset.size_bytes)),
    )


def _check_classification(asked: Classification | None, validation: DatasetVersion | None) -> None:
    field = "fine_tune.spec.classification"
    if asked and not validation:
        raise InvalidArgument.of(field, "the metrics need a validation_dataset to compute them on")
    if asked and asked.n_classes is None and asked.positive_class is None:
        raise InvalidArgument.of(field, "set n_classes, or positive_class for a binary task")


def _first_events(run: FineTune, now: datetime) -> list[Event]:
    """What the log of a run begins with: the old guide's texts among them."""
    return [
        Event(Kind.MESSAGE, now, f"Created fine-tune: {run.name.id}"),
        Event(
            Kind.ADMISSION,
            now,
            "Fine-tune costs $0.00",
            data={Dimension.TRAINED_TOKENS_PER_MONTH.value: run.resolved.worst_case_tokens},
        ),
        Event(
            Kind.STATE_CHANGED,
            now,
            "Fine-tune enqueued",
            data={"from": State.VALIDATING.value, "to": State.QUEUED.value, "reason": ""},
        ),
    ]
