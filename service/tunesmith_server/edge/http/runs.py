"""What the legacy and the modern endpoints have in common about a run."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from tunesmith_server.app.fine_tunes import FineTunes
from tunesmith_server.app.models import Models
from tunesmith_server.app.pages import PageRequest
from tunesmith_server.app.steering import Steering
from tunesmith_server.app.submission import Submission, Wish
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.errors import InvalidArgument, NotFound, PreconditionFailed
from tunesmith_server.domain.events import Event, Level
from tunesmith_server.domain.fine_tune import FineTune, Spec
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import FineTuneName, ModelName, can_name
from tunesmith_server.domain.states import State
from tunesmith_server.edge.http.bodies import canonical
from tunesmith_server.edge.http.calls import OWN, Incoming
from tunesmith_server.edge.http.envelopes import refused
from tunesmith_server.edge.http.files import FileEndpoints
from tunesmith_server.edge.http.ids import new_id
from tunesmith_server.edge.http.pages import every

STATUS = {
    State.VALIDATING: "validating_files",
    State.QUEUED: "queued",
    State.PREPARING: "running",
    State.RUNNING: "running",
    State.FINALIZING: "running",
    State.PAUSING: "running",
    State.PAUSED: "paused",
    State.CANCELLING: "cancelled",
    State.SUCCEEDED: "succeeded",
    State.STOPPED_AT_LIMIT: "succeeded",
    State.FAILED: "failed",
    State.EXPIRED: "failed",
    State.CANCELLED: "cancelled",
}
LEVELS = {Level.INFO: "info", Level.WARNING: "warn", Level.ERROR: "error"}
_WINDOW = 200
"""Events that are read at once, from the newest back."""


class Asked(Protocol):
    """What the bodies of both APIs' creates have."""

    model: str
    training_file: str
    validation_file: str | None
    suffix: str


class Runs:
    """Finds and makes runs, their files and their models by the ids of this surface."""

    def __init__(
        self,
        fine_tunes: FineTunes,
        submission: Submission,
        steering: Steering,
        models: Models,
        files: FileEndpoints,
    ) -> None:
        self._fine_tunes = fine_tunes
        self._submission = submission
        self._steering = steering
        self._models = models
        self._files = files

    async def create(
        self,
        incoming: Incoming,
        body: Asked,
        kind: str,
        **more: Any,
    ) -> FineTune:
        """A new run as `body` asks, under an id of this kind; `more` are fields of its Spec."""
        validation = body.validation_file
        spec = Spec(
            base_model=body.model,
            training_dataset=await self.file(incoming, body.training_file, "training_file"),
            validation_dataset=await self.file(incoming, validation, "validation_file")
            if validation
            else None,
            suffix=body.suffix,
            **more,
        )
        call = incoming.call(canonical(body))
        return await self._submission.create(call, Wish(OWN, spec, id=new_id(kind)))

    async def cancel(self, incoming: Incoming) -> FineTune:
        """Stop the run that the path names for good. PreconditionFailed if it has ended already."""
        run = await self.get(incoming)
        call = incoming.call(run.name.id)
        if run.state.is_terminal and call.request is None:
            raise _ended(run)
        run = await self._steering.cancel(call, run.name)
        if STATUS[run.state] != "cancelled":  # it ended meanwhile
            raise _ended(run)
        return run

    def all(self, caller: Principal) -> AsyncIterator[FineTune]:
        """The tenant's runs, newest first."""
        return every(lambda page: self._fine_tunes.list(caller, OWN, page))

    async def get(self, incoming: Incoming) -> FineTune:
        """The run that the path names, or NotFound."""
        return await self._fine_tunes.get(incoming.principal, run_name(incoming.path("job")))

    async def file(self, incoming: Incoming, id: str, param: str) -> str:
        """The id of the dataset that a file id names; an error names the parameter."""
        try:
            return (await self._files.dataset(incoming.principal, id)).name.id
        except NotFound:
            raise refused(f"No such File object: {id[:200]}", param, status=404) from None

    def events(self, caller: Principal, run: FineTune) -> AsyncIterator[Event]:
        """All that happened so far, in order."""
        return every(lambda page: self._fine_tunes.events(caller, run.name, page))

    async def events_back(
        self, caller: Principal, run: FineTune, newest: int
    ) -> AsyncIterator[Event]:
        """What happened up to the event of this sequence, in reverse. Reads as far as is asked."""
        while newest > 0:
            earlier = max(0, newest - _WINDOW)
            page = PageRequest(newest - earlier)
            found = await self._fine_tunes.events(caller, run.name, page, after=earlier)
            for event in reversed(found.rows):
                yield event
            newest = earlier

    async def model(self, caller: Principal, run: FineTune) -> Model | None:
        """The model that came of a run; None as long as there is none, and once it is deleted."""
        if run.model is None:
            return None
        try:
            return await self._models.get(caller, ModelName(run.name.tenant, run.model))
        except NotFound:
            return None

    async def model_name(self, caller: Principal, run: FineTune, *, legacy: bool) -> str | None:
        """The name of the model that came of a run, as of `model`."""
        model = await self.model(caller, run)
        if model is None:
            return None
        return model.legacy_name if legacy else model.public_name

    def checkpoints(
        self, caller: Principal, run: FineTune
    ) -> AsyncIterator[tuple[Event, Model | None]]:
        """All of them, oldest first, with the model that they were kept with."""
        return every(lambda page: self._fine_tunes.checkpoints(caller, run.name, page))

    async def base_name(self, caller: Principal, run: FineTune, *, legacy: bool) -> str:
        """What the caller named to begin from."""
        resolved = run.resolved
        if resolved.parent_model is None:
            return resolved.base_model_name.removeprefix("baseModels/")
        try:
            name = ModelName(run.name.tenant, resolved.parent_model)
            model = await self._models.get(caller, name)
        except NotFound:
            return resolved.base_model_name
        if resolved.parent_checkpoint is not None:
            return model.public_name_of(resolved.parent_checkpoint)
        return model.legacy_name if legacy else model.public_name


def run_name(id: str) -> FineTuneName:
    """The name of the caller's run of this id; NotFound for what can be no id."""
    shown = f"tenants/-/fineTunes/{id[:200]}"
    try:
        if can_name(id):
            return FineTuneName.parse(shown)
    except InvalidArgument:
        pass
    raise NotFound(shown)


def begun(run: FineTune) -> bool:
    """Whether it was prepared: from then on is shown what was not given."""
    return run.state not in (State.VALIDATING, State.QUEUED)


def _ended(run: FineTune) -> PreconditionFailed:
    return PreconditionFailed(str(run.name), f"it has ended already: {STATUS[run.state]}")
