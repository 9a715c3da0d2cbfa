"""What OpenAI has and this service has not: said so, each with its reason."""

import msgspec
from starlette.responses import Response

from tunesmith_server.app.models import Models
from tunesmith_server.edge.http.calls import Incoming
from tunesmith_server.edge.http.envelopes import Envelope, Refused, json_response, naming_models

CODE = "not_offered"
_OFFERS = (
    "This service offers files, uploads, fine-tunes, fine-tuning jobs, models, completions and "
    "chat completions: see /openapi.json."
)
_GRADERS = "Graders belong to reinforcement fine-tuning, which is not offered here. "
_REASONS = {
    "fine_tuning/alpha": _GRADERS,
    "assistants": "Assistants are not offered here. ",
    "threads": "Assistants are not offered here. ",
    "responses": "Responses are not offered here: ask with chat completions. ",
    "conversations": "Conversations are not offered here: ask with chat completions. ",
    "realtime": "Realtime sessions are not offered here. ",
    "batches": "Batches are not offered here: send completions as they are, several at once. ",
    "embeddings": "Embeddings are not offered here: the models here go on from texts. ",
    "moderations": "Moderations are not offered here. ",
    "vector_stores": "Vector stores are not offered here. ",
    "evals": "Evals are not offered here: ask the tuned model about rows that were held out. ",
    "images": "Images are not offered here. ",
    "audio": "Audio is not offered here. ",
    "videos": "Videos are not offered here. ",
    "edits": "Edits are not offered here; OpenAI ended them, too. ",
    "answers": "Answers are not offered here; OpenAI ended them, too. ",
    "classifications": "Classifications are not offered here: fine-tune a model for them. ",
    "search": "Search is not offered here; OpenAI ended it, too. ",
    "organization": "Organizations are managed over gRPC and with the command line. ",
    "projects": "There are no projects here. ",
}


def reason(path: str) -> str | None:
    """Why nothing is at a path of OpenAI's; None if OpenAI has nothing there either."""
    rest = path.removeprefix("/v1/")
    if rest == path:
        return None
    for name, words in _REASONS.items():
        if rest == name or rest.startswith(f"{name}/"):
            return words + _OFFERS
    return None


class PermissionBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a create."""

    project_ids: list[str]


class PermissionEndpoints:
    """`/v1/fine_tuning/checkpoints/{model}/permissions`.

    OpenAI shares a checkpoint with other projects of the organization. There are none here: a
    tenant is the organization, and a checkpoint answers to every key of it. So nothing has been
    granted, nothing can be, and there is nothing to take back.
    """

    def __init__(self, models: Models) -> None:
        self._models = models

    async def list(self, incoming: Incoming) -> Response:
        """None, for a model that is there."""
        await self._known(incoming)
        return json_response(
            {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}
        )

    async def create(self, incoming: Incoming) -> Response:
        """Refused, with the reason."""
        await incoming.body(PermissionBody)
        await self._known(incoming)
        raise Refused(
            Envelope(
                403,
                "There are no projects here to share a checkpoint with: every key of your "
                "organization can use it, and no other.",
                param="project_ids",
                code=CODE,
            )
        )

    async def delete(self, incoming: Incoming) -> Response:
        """There is none."""
        await self._known(incoming)
        id = incoming.path("permission")[:200]
        raise Refused(Envelope(404, f"No such checkpoint permission: {id}", param="permission_id"))

    async def _known(self, incoming: Incoming) -> None:
        with naming_models():
            await self._models.named(incoming.principal, incoming.path("model"))
