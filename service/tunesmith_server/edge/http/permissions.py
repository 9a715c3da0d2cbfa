"""`/v1/fine_tuning/checkpoints/{model}/permissions`: with whom a model or a checkpoint is shared.

A project, of all that OpenAI has, is nearest to a tenant here: its id is that of a tenant. A
permission is a share (`app/sharing.py`), which can be used once the other tenant has accepted it.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from tunesmith_server.app.models import Models
from tunesmith_server.app.named import Named
from tunesmith_server.app.sharing import Sharing
from tunesmith_server.domain.errors import PermissionDenied
from tunesmith_server.domain.names import TenantName, checked_id
from tunesmith_server.domain.sharing import MOST_SHARES, ModelShare, ShareState
from tunesmith_server.edge.http.bodies import canonical
from tunesmith_server.edge.http.calls import OWN, Incoming
from tunesmith_server.edge.http.envelopes import Envelope, Refused, json_response, naming_models
from tunesmith_server.edge.http.envelopes import refused as bad_request
from tunesmith_server.edge.http.pages import every, page_after, with_ends

_ORDERS = ("ascending", "descending")


class PermissionBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a create."""

    project_ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_SHARES)]


class PermissionEndpoints:
    """The endpoints; a base model has no permissions, since nobody needs any."""

    def __init__(self, models: Models, sharing: Sharing) -> None:
        self._models = models
        self._sharing = sharing

    async def list(self, incoming: Incoming) -> Response:
        """A page of them, newest first unless asked otherwise."""
        found = await self._named(incoming)
        query = incoming.request.query_params
        order = query.get("order", "descending")
        if order not in _ORDERS:
            raise bad_request(f"{order[:40]!r} is not one of {list(_ORDERS)} - 'order'", "order")
        project = query.get("project_id")
        shown = [
            share
            for share in await self._shares(incoming, found)
            if project is None or share.tenant == project
        ]
        if order == "ascending":
            shown.reverse()
        page, more = await page_after(shown, query, permission_id, default=10)
        return json_response(with_ends(list(map(_permission, page)), more))

    async def create(self, incoming: Incoming) -> Response:
        """Offer it to these tenants, all of them or none."""
        body = await incoming.body(PermissionBody)
        found = await self._named(incoming)
        if found.model is None:
            raise bad_request("A base model is not shared: it is there for everybody.", "model")
        tenants = [
            TenantName(checked_id(project, f"project_ids[{place}]"))
            for place, project in enumerate(dict.fromkeys(body.project_ids))
        ]
        call = incoming.call(f"{incoming.path('model')} {canonical(body)}")
        made = await self._sharing.share(
            call, found.model.name, tenants, checkpoint=found.checkpoint, field="project_ids"
        )
        return json_response(with_ends(list(map(_permission, made)), more=False))

    async def delete(self, incoming: Incoming) -> Response:
        """Take one back."""
        found = await self._named(incoming)
        id = incoming.path("permission")
        for share in await self._shares(incoming, found):
            if permission_id(share) == id:
                await self._sharing.unshare(
                    incoming.call(id),
                    share.model,
                    TenantName(share.tenant),
                    checkpoint=share.checkpoint,
                )
                return json_response({"id": id, "object": "checkpoint.permission", "deleted": True})
        words = f"No such checkpoint permission: {id[:200]}"
        raise Refused(Envelope(404, words, param="permission_id"))

    async def _named(self, incoming: Incoming) -> Named:
        """What the path names; only its owner shares it."""
        with naming_models():
            found = await self._models.named(incoming.principal, incoming.path("model"))
        if found.model and found.model.shared:
            raise PermissionDenied(
                f"{incoming.path('model')} is another organization's, which alone can share it"
            )
        return found

    async def _shares(self, incoming: Incoming, found: Named) -> Sequence[ModelShare]:
        """Offers and shares of just this that have not expired, newest first."""
        if found.model is None:
            return ()
        model, now = found.model.name, self._sharing.now()
        return [
            share
            async for share in every(
                lambda page: self._sharing.list(incoming.principal, OWN, page, model=model)
            )
            if share.checkpoint == found.checkpoint and share.state(now) is not ShareState.EXPIRED
        ]


def permission_id(share: ModelShare) -> str:
    """In OpenAI's form."""
    return f"cp_{share.uid.replace('-', '')}"


def _permission(share: ModelShare) -> dict[str, Any]:
    """With the time of consent, which OpenAI has not: until then the permission is an offer."""
    accepted = share.accept_time
    return {
        "object": "checkpoint.permission",
        "id": permission_id(share),
        "created_at": int(share.create_time.timestamp()),
        "project_id": share.tenant,
        "accepted_at": int(accepted.timestamp()) if accepted else None,
    }
