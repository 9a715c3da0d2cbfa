"""What the legacy and the modern endpoints have in common about a run."""

from collections.abc import AsyncIterator

from tunesmith_server.app.fine_tunes import FineTunes
from tunesmith_server.app.models import Models
from tunesmith_server.app.pages import MAX_PAGE, PageRequest
from tunesmith_server.domain.access import Principal
from tunesmith_server.domain.errors import InvalidArgument, NotFound
from tunesmith_server.domain.events import Event
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import Model
from tunesmith_server.domain.names import FineTuneName, ModelName, can_name
from tunesmith_server.edge.http.calls import Incoming
from tunesmith_server.edge.http.envelopes import refused
from tunesmith_server.edge.http.files import FileEndpoints


class Runs:
    """Finds runs, their files and their models by the ids of this surface."""

    def __init__(self, fine_tunes: FineTunes, models: Models, files: FileEndpoints) -> None:
        self._fine_tunes = fine_tunes
        self._models = models
        self._files = files

    async def get(self, incoming: Incoming) -> FineTune:
        """The run that the path names; what can be no id is simply not there."""
        return await self.find(incoming.principal, incoming.path("job"))

    async def find(self, caller: Principal, id: str) -> FineTune:
        """The run of this id, or NotFound."""
        shown = f"tenants/-/fineTunes/{id[:200]}"
        if not can_name(id):
            raise NotFound(shown)
        try:
            return await self._fine_tunes.get(caller, FineTuneName.parse(shown))
        except (InvalidArgument, NotFound):
            raise NotFound(shown) from None

    async def file(self, incoming: Incoming, id: str, param: str) -> str:
        """The id of the dataset that a file id names; an error names the parameter."""
        try:
            return (await self._files.dataset(incoming.principal, id)).name.id
        except NotFound:
            raise refused(f"No such File object: {id[:200]}", param, status=404) from None

    async def events(self, caller: Principal, run: FineTune) -> AsyncIterator[Event]:
        """All that happened so far, in order."""
        token = ""
        while True:
            page = await self._fine_tunes.events(caller, run.name, PageRequest(MAX_PAGE, token))
            for event in page.rows:
                yield event
            token = page.next_token
            if not token:
                return

    async def model_name(self, caller: Principal, run: FineTune, *, legacy: bool) -> str | None:
        """The name of the model that came of a run; None as long as there is none."""
        if run.model is None:
            return None
        try:
            model = await self._models.get(caller, ModelName(run.name.tenant, run.model))
        except NotFound:
            return None  # deleted since
        return model.legacy_name if legacy else model.public_name

    async def checkpoints(
        self, caller: Principal, run: FineTune
    ) -> AsyncIterator[tuple[Event, Model | None]]:
        """All of them, oldest first, with the model that they were kept with."""
        token = ""
        while True:
            request = PageRequest(MAX_PAGE, token)
            page = await self._fine_tunes.checkpoints(caller, run.name, request)
            for each in page.rows:
                yield each
            token = page.next_token
            if not token:
                return

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
