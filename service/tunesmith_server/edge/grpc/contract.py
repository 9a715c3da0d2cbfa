"""The validation rules of the .proto files, checked against requests.

The published stubs carry no rules (docs/decisions/0004), so requests are read again as messages of
the full contract, in a descriptor pool of its own.
"""

import importlib.resources
from typing import Final

import protovalidate
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from protovalidate import FieldPathPb as FieldPath
from tunesmith.v1 import dataset_pb2

from tunesmith_server.domain.errors import FieldViolation, InvalidArgument

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

    def check(self, request: Message) -> None:
        """Raise InvalidArgument with every rule that `request` breaks."""
        name = request.DESCRIPTOR.full_name
        if not name.startswith("tunesmith."):
            return  # health checks and reflection have contracts of their own
        twin = self._twins.get(name)
        if twin is None:
            kind = self._pool.FindMessageTypeByName(name)
            twin = self._twins[name] = message_factory.GetMessageClass(kind)
        violations = [
            FieldViolation(_path(found.proto.field), _said(found.field_value, found.proto.message))
            for found in self._validator.collect_violations(
                twin.FromString(_without_piece(request).SerializeToString())
            )
        ]
        if violations:
            raise InvalidArgument(violations)


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
