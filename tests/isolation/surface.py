"""Every RPC of the contract, and every field of a request that can name something.

Nothing here is a list to keep up to date: all of it is read from the descriptors of the contract,
those with the options that the published stubs lack (docs/decisions/0004).
"""

import importlib.resources
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from google.api import field_behavior_pb2, resource_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tunesmith.v1 import (
    catalog_pb2,
    dataset_pb2,
    fine_tune_pb2,
    model_pb2,
    runner_pb2,
    tenant_pb2,
)

MODULES = (fine_tune_pb2, dataset_pb2, model_pb2, tenant_pb2, catalog_pb2, runner_pb2)
_NO_SIDE_EFFECTS = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
_ALSO_MODELS = {"FineTuneSpec.base_model"}
"""Fields called after one kind of resource that take the name of a tuned model as well."""


_ADDRESSED = {"ShareModelRequest.tenant"}


class Names(StrEnum):
    """What the text of a field names."""

    RESOURCE = "a resource, by its name or another text that stands for it"
    NEW = "what is to be made, in the caller's own names"
    ADDRESSEE = "who is offered something: taken, whether there is such a tenant or not"
    NOTHING = "nothing: the server assigns it and ignores what it is sent"
    REQUEST = "an earlier request of the caller"
    TOKEN = "a place in a list or log, or a plan, as the server sealed it"
    SEARCH = "what to look for"


@dataclass(frozen=True)
class Field:
    """A field of a request that can name something."""

    path: str
    names: Names
    kind: str = ""
    """The kind of resource, such as `FineTune`."""
    required: bool = False


@dataclass(frozen=True)
class Rpc:
    """One method of the contract."""

    service: str
    name: str
    descriptor: MethodDescriptor
    fields: tuple[Field, ...]

    @property
    def method(self) -> str:
        """`Service/Method`, as the table of roles has it."""
        return f"{self.service}/{self.name}"

    @property
    def reads(self) -> bool:
        """Whether the contract says that it changes nothing."""
        return bool(self.options.idempotency_level == _NO_SIDE_EFFECTS)

    @property
    def options(self) -> descriptor_pb2.MethodOptions:
        """Its options in the contract."""
        found = _contract().FindMethodByName(self.descriptor.full_name)  # type: ignore[attr-defined]
        return descriptor_pb2.MethodOptions.FromString(found.GetOptions().SerializeToString())

    def request(self) -> Message:
        """An empty request."""
        return GetMessageClass(self.descriptor.input_type)()


@cache
def rpcs() -> tuple[Rpc, ...]:
    """Every method of every service."""
    return tuple(
        Rpc(
            service.name,
            method.name,
            method,
            tuple(_fields(method, _contract().FindMessageTypeByName(method.input_type.full_name))),
        )
        for module in MODULES
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    )


def pairs() -> set[tuple[str, str]]:
    """Every RPC with every field of its request that can name something."""
    return {(rpc.method, field.path) for rpc in rpcs() for field in rpc.fields}


@cache
def resources() -> dict[str, str]:
    """The kinds of resources and their patterns: `FineTune` → `tenants/{tenant}/fineTunes/{…}`."""
    found = {}
    for module in MODULES:
        for name in module.DESCRIPTOR.message_types_by_name:
            message = _contract().FindMessageTypeByName(f"tunesmith.v1.{name}")
            options = descriptor_pb2.MessageOptions.FromString(
                message.GetOptions().SerializeToString()
            )
            resource = options.Extensions[resource_pb2.resource]
            if resource.type:
                found[resource.type.rpartition("/")[2]] = resource.pattern[0]
    return found


@cache
def _contract() -> descriptor_pool.DescriptorPool:
    image = importlib.resources.files("tunesmith_server.edge.grpc").joinpath("contract.binpb")
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def _fields(method: MethodDescriptor, request: Descriptor) -> Iterator[Field]:
    for path, field, message in _texts(request, "", ()):
        found = _named(method, path, field, message)
        if found:
            yield found


def _texts(
    message: Descriptor, prefix: str, above: tuple[str, ...]
) -> Iterator[tuple[str, FieldDescriptor, Descriptor]]:
    """Every field of text, however deep, that a caller may set."""
    for field in message.fields:
        if field_behavior_pb2.OUTPUT_ONLY in _behaviour(field):
            continue
        inner = field.message_type
        if inner is None:
            if field.type == FieldDescriptor.TYPE_STRING:
                yield prefix + field.name, field, message
            continue
        ours = inner.full_name.startswith("tunesmith.") and not inner.GetOptions().map_entry
        if ours and inner.full_name not in above:
            yield from _texts(inner, f"{prefix}{field.name}.", (*above, inner.full_name))


def _named(
    method: MethodDescriptor, path: str, field: FieldDescriptor, message: Descriptor
) -> Field | None:
    behaviour, name = _behaviour(field), field.name
    required = field_behavior_pb2.REQUIRED in behaviour
    if name in ("page_token", "cursor", "plan_token"):
        return Field(path, Names.TOKEN)
    if name == "filter":
        return Field(path, Names.SEARCH)
    if name == "request_id":
        return Field(path, Names.REQUEST, required=required)
    if field_behavior_pb2.IDENTIFIER in behaviour:
        if method.name.startswith("Update"):
            return Field(path, Names.RESOURCE, message.name, required=True)
        return Field(path, Names.NOTHING, message.name)
    if f"{message.name}.{name}" in _ADDRESSED:
        return Field(path, Names.ADDRESSEE, "Tenant", required)
    reference = _options(field).Extensions[resource_pb2.resource_reference]
    if reference.type or reference.child_type:
        kind = reference.type.rpartition("/")[2]
        return Field(path, Names.RESOURCE, kind or _above(reference.child_type), required)
    if f"{message.name}.{name}" in _ALSO_MODELS:
        return Field(path, Names.RESOURCE, "Model", required)
    for kind, word in _words().items():
        if re.search(rf"(^|_){word}s?$", name):
            return Field(path, Names.RESOURCE, kind, required)
        if re.search(rf"(^|_){word}_id$", name):
            return Field(path, Names.NEW, kind, required)
    if name in ("name", "parent") or name.endswith("_id"):
        raise AssertionError(f"{method.full_name}: say in the contract what {path} names")
    return None


def _words() -> dict[str, str]:
    """The kinds as they stand in names of fields, the longest first: `BaseModel` → `base_model`."""
    words = {kind: re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower() for kind in resources()}
    return dict(sorted(words.items(), key=lambda item: -len(item[1])))


def _above(child: str) -> str:
    """The kind of resource that has resources of the kind `child` in it."""
    above = resources()[child.rpartition("/")[2]].rsplit("/", 2)[0]
    return next(
        (kind for kind, pattern in resources().items() if pattern == above),
        child.rpartition("/")[2],  # a root has nothing above it
    )


def _behaviour(field: FieldDescriptor) -> list[int]:
    return list(_options(field).Extensions[field_behavior_pb2.field_behavior])


def _options(field: FieldDescriptor) -> descriptor_pb2.FieldOptions:
    return descriptor_pb2.FieldOptions.FromString(field.GetOptions().SerializeToString())
