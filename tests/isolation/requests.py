"""A valid request of every RPC, from the descriptors and one small table."""

import hashlib
import itertools
from typing import Any

from google.protobuf.message import Message
from tunesmith.v1 import dataset_pb2, model_pb2, tenant_pb2

from tests.isolation.surface import Names, Rpc
from tests.isolation.world import Side, World

_numbers = itertools.count()
_CONTENT = b'{"prompt": "a ->", "completion": " b"}\n{"prompt": "c ->", "completion": " d"}\n'

# What a valid request has beside the names that are required of it: path → value. `<Kind>` is the
# name of one that there is, `{n}` a number that was not there before.
_MORE: dict[str, dict[str, Any]] = {
    "FineTuneService/CreateFineTune": {
        "fine_tune.spec.placement.hold": True,  # see World.run
        "fine_tune.spec.base_model": "tiny-random",
        "fine_tune.spec.training_dataset": "<Dataset>",
    },
    "FineTuneService/PlanFineTune": {
        "fine_tune.spec.base_model": "tiny-random",
        "fine_tune.spec.training_dataset": "<Dataset>",
    },
    "FineTuneService/UpdateFineTune": {"fine_tune.display_name": "other {n}"},
    "DatasetService/UploadDataset": {"header.dataset_id": "new-{n}"},
    "DatasetService/ImportDataset": {"uri": "<Source>", "dataset_id": "new-{n}"},
    "DatasetService/GetUpload": {"request_id": "<Upload>"},
    "ModelService/ShareModel": {"tenant": "<Partner>"},
    "ModelService/AcceptShare": {"model": "<Offer>"},
    "ModelService/UnshareModel": {"tenant": "<Partner>"},
    "ModelService/UpdateModel": {"model.display_name": "other {n}"},
    "ModelService/Complete": {"prompts": [model_pb2.Prompt(text="x")]},
    "ModelService/StreamComplete": {"request.prompts": [model_pb2.Prompt(text="x")]},
    "ModelService/Chat": {"messages": [model_pb2.ChatMessage(role="user", content="x")]},
    "ModelService/StreamChat": {
        "request.messages": [model_pb2.ChatMessage(role="user", content="x")]
    },
    "TenantService/CreateTenant": {"tenant_id": "new-{n}", "tenant.display_name": "new"},
    "TenantService/UpdateTenant": {"tenant.display_name": "other {n}"},
    "TenantService/CreateApiKey": {"api_key.role": tenant_pb2.ROLE_VIEWER},
    "CatalogService/CreateBaseModel": {
        "base_model_id": "new-{n}",
        "base_model.source": "tiny-random",
    },
    "CatalogService/UpdateBaseModel": {"base_model.source": "tiny-random"},
    "CatalogService/UpdateConnection": {
        "connection.provider": "openai",
        "connection.base_url": "https://example.com",
    },
    "CatalogService/CreateConnection": {
        "connection_id": "new-{n}",
        "connection.provider": "openai",
        "connection.base_url": "https://example.com",
    },
}

_USES_UP = {
    "FineTuneService/CancelFineTune": "waiting FineTune",
    "FineTuneService/DeleteFineTune": "FineTune",
    "DatasetService/DeleteDataset": "Dataset",
    "ModelService/DeleteModel": "Model",
    "ModelService/UnshareModel": "shared Model",
    "TenantService/RotateApiKey": "ApiKey",
    "TenantService/RevokeApiKey": "ApiKey",
    "TenantService/DeleteTenant": "Tenant",
    "CatalogService/DeleteBaseModel": "BaseModel",
}
"""RPCs after which the thing they name is not there, or not as it was: they get a fresh one."""


async def valid(world: World, rpc: Rpc, side: Side, *, for_real: bool = False) -> list[Message]:
    """A request that `side` may send. Unless it is `for_real`, it is only to be checked if it can.

    A client's stream is more than one request; names are in the first.
    """
    request = rpc.request()
    for field in rpc.fields:
        inner = field.path.count(".") > 1  # of what is optional as a whole
        if field.names is Names.RESOURCE and field.required and not inner:
            put(request, field.path, side.names[field.kind])
    number = next(_numbers)
    for path, value in _MORE.get(rpc.method, {}).items():
        if isinstance(value, str):
            value = value.replace("{n}", f"{number}")
            value = side.names[value.strip("<>")] if value.startswith("<") else value
        put(request, path, value)
    if kind := _USES_UP.get(rpc.method):
        put(request, "name", await world.fresh(side, kind))
    if "timeout" in request.DESCRIPTOR.fields_by_name:
        request.timeout.FromMilliseconds(1)  # type: ignore[attr-defined]
    if "validate_only" in request.DESCRIPTOR.fields_by_name and not for_real:
        request.validate_only = True  # type: ignore[attr-defined]
    return [request, *_upload()] if rpc.descriptor.client_streaming else [request]


def _upload() -> list[Message]:
    upload = dataset_pb2.UploadDatasetRequest
    chunk = dataset_pb2.UploadChunk(offset=0, data=_CONTENT)
    finish = dataset_pb2.UploadFinish(sha256=hashlib.sha256(_CONTENT).hexdigest())
    return [upload(chunk=chunk), upload(finish=finish)]


def changed(requests: list[Message], path: str, value: str) -> list[Message]:
    """The same requests with another value in one field of the first."""
    first = type(requests[0])()
    first.CopyFrom(requests[0])
    put(first, path, value)
    return [first, *requests[1:]]


def put(message: Any, path: str, value: Any) -> None:
    """Set a field, however deep; one that is repeated gets this alone."""
    *above, name = path.split(".")
    for step in above:
        field = message.DESCRIPTOR.fields_by_name[step]
        message = getattr(message, step)
        if field.is_repeated:
            message = message[0] if len(message) else message.add()
    if message.DESCRIPTOR.fields_by_name[name].is_repeated:
        del getattr(message, name)[:]
        getattr(message, name).extend(value if isinstance(value, list) else [value])
    else:
        setattr(message, name, value)
