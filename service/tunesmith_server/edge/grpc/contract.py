"""The validation rules of the .proto files and of kept texts, checked against requests.

The published stubs carry no rules (docs/decisions/0004), so requests are read again as messages of
the full contract, in a descriptor pool of its own.
"""

import importlib.resources
from collections.abc import Iterator
from typing import Any, Final

import protovalidate
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from protovalidate import FieldPathPb as FieldPath
from tunesmith.v1 import dataset_pb2

from tunesmith_server.domain.errors import FieldViolation, InvalidArgument
from tunesmith_server.domain.text import check_texts

SURELY_SHORT: Final = 2 * 2**20
"""Bytes; a piece of a file up to here breaks no rule by its contents."""
_SHOWN = 80


class ContractRules:
    """Every rule of the contract."""

    def __init__(self) -> None:
        image = importlib.resources.files(__package__).joinpath("contract.binpb").read_bytes()
        self._pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(image).file:
            self._pool.AddSerializedFile(file.SerializeToString())
        self._validator = protovalidate.Validator()
        self._twins: dict[str, type[Message]] = {}

    def check(self, method: str, request: Message) -> None:
        """Raise InvalidArgument with every rule that a request of `Service/Method` breaks."""
        name = request.DESCRIPTOR.full_name
        if not name.startswith("tunesmith."):
            return  # health checks and reflection have contracts of their own
        twin = self._twins.get(name)
        if twin is None:
            kind = self._pool.FindMessageTypeByName(name)
            twin = self._twins[name] = message_factory.GetMessageClass(kind)
        wire = _without_piece(request).SerializeToString()
        violations = [
            FieldViolation(_path(found.proto.field), _said(found.field_value, found.proto.message))
            for found in self._validator.collect_violations(twin.FromString(wire))
        ]
        if violations:
            raise InvalidArgument(violations)
        if b"\0" in wire:  # seldom, and only then worth a walk
            check_texts(method, _texts(request, ""))


def _texts(message: Message, above: str) -> Iterator[tuple[str, str]]:
    """Every text of a message and the field that it is in; bytes are none."""
    for field, value in message.ListFields():
        path = f"{above}{field.name}"
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            for key in value:
                yield from _of(path, key)
                yield from _of(path, value[key])
        else:
            for each in value if field.is_repeated else (value,):
                yield from _of(path, each)


def _of(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Message):
        yield from _texts(value, f"{path}.")


def _without_piece(request: Message) -> Message:
    """The request; of an upload's piece, one without the bytes that breaks the same rules.

    The only rule about the bytes is how many they may be. To write a mebibyte and to read it again,
    twice, is a millisecond of the event loop for each, and everybody else waits for it.
    """
    if not isinstance(request, dataset_pb2.UploadDatasetRequest) or not request.HasField("chunk"):
        return request
    chunk = request.chunk
    if len(chunk.data) > SURELY_SHORT:
        return request
    bare = dataset_pb2.UploadChunk(offset=chunk.offset)
    if chunk.HasField("crc32c"):
        bare.crc32c = chunk.crc32c
    return dataset_pb2.UploadDatasetRequest(chunk=bare)


def _path(field: FieldPath | None) -> str:
    return ".".join(element.field_name for element in field.elements) if field else ""


def _said(value: object, rule: str) -> str:
    """What was found and which rule it breaks. The contract keeps secrets out of requests."""
    if isinstance(value, str | int | float) and 0 < len(str(value)) <= _SHOWN:
        return f"{value!r} {rule}"
    return rule
