"""`/v1/uploads`: files in parts."""

from typing import Any, Literal

import msgspec
from starlette.responses import Response

from tunesmith_server.app.assembled_uploads import AssembledUploads, NewAssembly
from tunesmith_server.domain.names import can_name
from tunesmith_server.domain.upload import MOST_PART_BYTES, AssembledUpload
from tunesmith_server.edge.http.bodies import canonical
from tunesmith_server.edge.http.calls import Incoming
from tunesmith_server.edge.http.envelopes import json_response, refused
from tunesmith_server.edge.http.files import (
    FINE_TUNE,
    FileEndpoints,
    base_name,
    check_purpose,
    check_readable,
    file_object,
)
from tunesmith_server.edge.http.forms import Form
from tunesmith_server.edge.http.ids import new_id


class ExpiresAfter(msgspec.Struct, forbid_unknown_fields=True):
    """How long a file is to be kept."""

    anchor: Literal["created_at"]
    seconds: int


class UploadBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a create."""

    filename: str
    purpose: str
    bytes: int
    mime_type: str
    expires_after: ExpiresAfter | None = None


class CompleteBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a completion."""

    part_ids: list[str]
    md5: str = ""


class UploadEndpoints:
    """The endpoints around uploads."""

    def __init__(self, uploads: AssembledUploads, files: FileEndpoints) -> None:
        self._uploads = uploads
        self._files = files

    async def create(self, incoming: Incoming) -> Response:
        """Begin."""
        body = await incoming.body(UploadBody)
        check_purpose(body.purpose)
        new = NewAssembly(
            id=new_id("upload", "_"),
            file_name=base_name(body.filename),
            mime_type=body.mime_type[:255],
            size_bytes=body.bytes,
            keep_seconds=body.expires_after.seconds if body.expires_after else None,
        )
        return json_response(
            _upload(await self._uploads.begin(incoming.call(canonical(body)), new))
        )

    async def part(self, incoming: Incoming) -> Response:
        """Take a part in; several may come at once."""
        async with Form(incoming, MOST_PART_BYTES) as form:
            data = await form.file("data")

            async def pieces() -> Any:
                async for piece in data.parts():
                    yield piece
                await form.rest()

            part = await self._uploads.add(
                incoming.call(_id(incoming)), _id(incoming), new_id("part", "_"), pieces()
            )
        return json_response(
            {
                "id": part.id,
                "object": "upload.part",
                "created_at": int(part.create_time.timestamp()),
                "upload_id": part.upload,
            }
        )

    async def complete(self, incoming: Incoming) -> Response:
        """Put the parts together, in the order given."""
        body = await incoming.body(CompleteBody)
        done = await self._uploads.complete(
            incoming.call(_id(incoming) + canonical(body)),
            _id(incoming),
            body.part_ids,
            new_id("file"),
            body.md5,
            lambda report: check_readable(report, "part_ids"),
        )
        if done.dataset is None:
            assert done.upload.dataset is not None
            file = await self._files.file_of(incoming.principal, done.upload.dataset)
        else:
            file = file_object(done.dataset)
        return json_response(_upload(done.upload) | {"file": file})

    async def cancel(self, incoming: Incoming) -> Response:
        """End it; nothing of it stays."""
        id = _id(incoming)
        return json_response(_upload(await self._uploads.cancel(incoming.call(id), id)))


def _id(incoming: Incoming) -> str:
    id = incoming.path("upload")
    if not can_name(id):
        raise refused("No such Upload object", "id", status=404)
    return id


def _upload(upload: AssembledUpload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "object": "upload",
        "bytes": upload.size_bytes,
        "created_at": int(upload.create_time.timestamp()),
        "expires_at": int(upload.expire_time.timestamp()),
        "filename": upload.file_name,
        "purpose": FINE_TUNE,
        "status": upload.state.value,
        "file": None,
    }
