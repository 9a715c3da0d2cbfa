"""Any RPC of the contract, called by its descriptor, and what came of it in a form to compare."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from tests.integration.calls import Caller
from tests.isolation.surface import Rpc

_PATIENCE = 20.0
_AT_ONCE = 16
_TOLD = {"code", "message", "suggestion"}
"""Fields whose text counts when answers are compared; of the others, whether they are set."""
_DETAILS = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.ResourceInfo,
    error_details_pb2.PreconditionFailure,
    error_details_pb2.QuotaFailure,
    error_details_pb2.RetryInfo,
)


@dataclass(frozen=True)
class Outcome:
    """What a caller gets, whole."""

    code: str
    message: str = ""
    details: tuple[Message, ...] = ()
    trailing: tuple[tuple[str, bytes], ...] = ()
    responses: tuple[Message, ...] = ()

    @property
    def reason(self) -> str:
        """The constant that says why a call failed."""
        infos = [each for each in self.details if isinstance(each, error_details_pb2.ErrorInfo)]
        return infos[0].reason if infos else ""

    def short(self) -> str:
        """For people."""
        return f"{self.code} {self.message[:120]}"

    def everything(self) -> bytes:
        """All that reached the caller, to search in."""
        parts = [self.message.encode()]
        for message in (*self.details, *self.responses):
            parts.append(message.SerializeToString())
        for key, value in self.trailing:
            if key != "grpc-status-details-bin":  # those are the details
                parts += [key.encode(), value]
        return b"\0".join(parts)

    def resources(self) -> list[tuple[str, str]]:
        """Name and uid of what was answered with."""
        found = [value for r in self.responses for _, value in r.ListFields()]
        return [(r.name, getattr(r, "uid", "")) for r in found if hasattr(r, "name")]

    def resources_of_lists(self) -> list[str]:
        """What the lists in the answers hold."""
        return [
            str(each)
            for response in self.responses
            for field, values in response.ListFields()
            if field.is_repeated
            for each in values
        ]

    def without(self, *names: str) -> tuple[Any, ...]:
        """What can be told from the answer when the names that were sent are blanked out."""
        details = tuple(_blanked(str(detail), names) for detail in self.details)
        answers = [sorted(set(_shape(response, names))) for response in self.responses]
        return (self.code, _blanked(self.message, names), details, tuple(map(tuple, answers)))


async def invoke(
    caller: Caller, rpc: Rpc, requests: Sequence[Message], *more: tuple[str, str]
) -> Outcome:
    """Call it, with `more` metadata. Of a stream, what comes first: not every one ends."""
    kind = rpc.descriptor
    shape = ("stream" if kind.client_streaming else "unary") + (
        "_stream" if kind.server_streaming else "_unary"
    )
    stub = getattr(caller.channel, shape)(
        f"/{kind.containing_service.full_name}/{kind.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(kind.output_type).FromString,
    )

    async def parts() -> AsyncIterator[Message]:
        for request in requests:
            yield request

    sent = parts() if kind.client_streaming else requests[0]
    call = stub(sent, metadata=(*caller.metadata, *more), timeout=_PATIENCE)
    responses: list[Message] = []
    try:
        if kind.server_streaming:
            async for response in call:
                responses.append(response)
                call.cancel()
                break
        else:
            responses.append(await call)
    except grpc.aio.AioRpcError as error:
        trailing = tuple(
            (key, value if isinstance(value, bytes) else value.encode())
            for key, value in error.trailing_metadata() or ()
        )
        return Outcome(error.code().name, error.details() or "", _details(trailing), trailing)
    return Outcome("OK", responses=tuple(responses))


async def invoke_all(
    caller: Caller, rpc: Rpc, wanted: Sequence[tuple[str, Sequence[Message]]]
) -> list[tuple[str, Outcome]]:
    """Many calls at once, each with what it is called in a fault."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def one(requests: Sequence[Message]) -> Outcome:
        async with at_once:
            return await invoke(caller, rpc, requests)

    outcomes = await asyncio.gather(*(one(requests) for _, requests in wanted))
    return list(zip((where for where, _ in wanted), outcomes, strict=True))


def _details(trailing: Sequence[tuple[str, bytes]]) -> tuple[Message, ...]:
    found: list[Message] = []
    for key, value in trailing:
        if key == "grpc-status-details-bin":
            for packed in status_pb2.Status.FromString(value).details:
                kind = next((kind for kind in _DETAILS if packed.Is(kind.DESCRIPTOR)), None)
                assert kind, f"an unknown detail: {packed.type_url}"
                detail = kind()
                packed.Unpack(detail)
                found.append(detail)
    return tuple(found)


def _blanked(text: str, names: Sequence[str]) -> str:
    for name in sorted(filter(None, names), key=len, reverse=True):
        text = text.replace(name, "⟨name⟩")
    return text


def _shape(message: Message, names: Sequence[str], prefix: str = "") -> Iterator[str]:
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        values = value if field.is_repeated else [value]
        for each in values:
            if isinstance(each, Message) and each.DESCRIPTOR.full_name.startswith("tunesmith."):
                yield from _shape(each, names, f"{path}.")
            elif field.name in _TOLD:
                yield f"{path}={_blanked(str(each), names)}"
            else:
                yield path
