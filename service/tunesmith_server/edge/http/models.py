"""`/v1/models` and the very old `/v1/engines`."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from starlette.responses import Response

from tunesmith_server.app.catalogue import Catalogue
from tunesmith_server.app.models import Models
from tunesmith_server.app.named import Named
from tunesmith_server.domain.errors import PermissionDenied
from tunesmith_server.domain.model import BaseModel, Model
from tunesmith_server.domain.public_names import parse_model_name
from tunesmith_server.edge.http.calls import OWN, Incoming
from tunesmith_server.edge.http.envelopes import json_response, naming_models
from tunesmith_server.edge.http.pages import every

_OWNER = "tunesmith"
_EPOCH = 0
"""Bases have no date of their own here."""


class ModelEndpoints:
    """Bases under all their names, models under both of theirs, and their checkpoints."""

    def __init__(self, models: Models, catalogue: Catalogue) -> None:
        self._models = models
        self._catalogue = catalogue

    async def list(self, incoming: Incoming) -> Response:
        """Every base that may be named, and every model of the tenant."""
        shown = [
            _base(base, name)
            async for base in self._bases(incoming)
            for name in (base.id, *base.aliases)
        ]
        async for model in every(lambda page: self._models.list(incoming.principal, OWN, page)):
            shown += [_tuned(model, name, incoming) for name in _names(model)]
        return json_response({"object": "list", "data": shown})

    async def get(self, incoming: Incoming) -> Response:
        """One of them, under the name that was asked for."""
        name = incoming.path("model")
        found = await self._named(incoming, name)
        model = found.model
        shown = _tuned(model, name, incoming) if model else _base(found.base, name)
        return json_response(shown)

    async def delete(self, incoming: Incoming) -> Response:
        """Delete a model of the tenant's own."""
        name = incoming.path("model")
        found = await self._named(incoming, name)
        if found.model is None:
            raise PermissionDenied(f"{name} is a base model, which a tenant cannot delete")
        if found.model.shared:
            raise PermissionDenied(f"{name} is another organization's, which alone can delete it")
        if found.checkpoint is not None:
            raise PermissionDenied(f"{name} is a checkpoint, which goes with its model")
        await self._models.delete(incoming.call(name), found.model.name)
        return json_response({"id": name, "object": "model", "deleted": True})

    async def engines(self, incoming: Incoming) -> Response:
        """As the first of OpenAI's clients asked for models."""
        bases = [_engine(base.id) async for base in self._bases(incoming)]
        return json_response({"object": "list", "data": bases})

    async def engine(self, incoming: Incoming) -> Response:
        """One engine."""
        name = incoming.path("engine")
        await self._named(incoming, name)
        return json_response(_engine(name))

    async def _named(self, incoming: Incoming, name: str) -> Named:
        with naming_models():
            return await self._models.named(incoming.principal, name)

    def _bases(self, incoming: Incoming) -> AsyncIterator[BaseModel]:
        return every(lambda page: self._catalogue.list(incoming.principal, page))


def _names(model: Model) -> tuple[str, ...]:
    """The modern name and the old guide's, and those of its checkpoints."""
    checkpoints = (model.public_name_of(each.step) for each in model.checkpoints)
    own = () if model.checkpoints_only else (model.public_name, model.legacy_name)
    return (*own, *checkpoints)


def _tuned(model: Model, name: str, incoming: Incoming) -> dict[str, Any]:
    public = parse_model_name(model.public_name) if model.shared else None
    owner = public.organization if public else incoming.organization
    return _model(name, model.create_time, owner, model.base_model)


def _base(base: BaseModel, name: str) -> dict[str, Any]:
    return _model(name, None, _OWNER, name)


def _model(name: str, made: datetime | None, owner: str, root: str) -> dict[str, Any]:
    """With what old clients read and with what new ones do."""
    created = int(made.timestamp()) if made else _EPOCH
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": owner,
        "permission": [
            {
                "id": f"modelperm-{name}",
                "object": "model_permission",
                "created": created,
                "allow_create_engine": False,
                "allow_sampling": True,
                "allow_logprobs": True,
                "allow_search_indices": False,
                "allow_view": True,
                "allow_fine_tuning": True,
                "organization": owner if made else "*",
                "group": None,
                "is_blocking": False,
            }
        ],
        "root": root,
        "parent": root if made else None,
    }


def _engine(name: str) -> dict[str, Any]:
    return {"id": name, "object": "engine", "owner": _OWNER, "ready": True}
