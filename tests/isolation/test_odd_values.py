"""Whatever is in a request, the answer is one that a caller can act on."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from tunesmith_server.domain.access import ALLOWED, Role

from tests.isolation.requests import valid
from tests.isolation.surface import Rpc, rpcs
from tests.isolation.wire import invoke_all
from tests.isolation.world import World

_BUGS = {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
_ODD: dict[int, tuple[Any, ...]] = {
    FieldDescriptor.TYPE_STRING: ("a\0b", "a\U0010ffff\u202e\n"),
    FieldDescriptor.TYPE_ENUM: (99, -1),
    FieldDescriptor.TYPE_INT32: (2**31 - 1, -(2**31)),
    FieldDescriptor.TYPE_INT64: (2**63 - 1, -(2**63)),
    FieldDescriptor.TYPE_DOUBLE: (float("nan"), float("inf"), -1e308),
    FieldDescriptor.TYPE_BYTES: (b"\0\xff",),
}
_MOMENTS = ("google.protobuf.Timestamp", "google.protobuf.Duration")


async def test_no_value_however_odd_is_an_internal_error(world: World, logged: list[str]):
    faults, calls = [], 0
    for rpc in rpcs():
        good = (await valid(world, rpc, world.own))[0]
        wanted = []
        for path, kind in _settable(rpc):
            for value in _values(kind):
                request = type(good)()
                request.CopyFrom(good)
                if _put(request, path, value):
                    wanted.append((f"{rpc.method} {'.'.join(path)}={value!r}", [request]))
        may = Role.TENANT_ADMIN in ALLOWED[rpc.method]
        caller = world.own.caller if may else world.admin
        for where, outcome in await invoke_all(caller, rpc, wanted):
            calls += 1
            if outcome.code in _BUGS:
                faults.append(f"{where}: {outcome.short()}")
    print(f"{calls} calls")
    assert not faults, "\n".join(faults)
    assert not [line for line in logged if '"level": "error"' in line or "critical" in line]


def _settable(rpc: Rpc) -> Iterator[tuple[tuple[str, ...], FieldDescriptor]]:
    yield from _leaves(rpc.descriptor.input_type, (), ())


def _leaves(
    message: Descriptor, above: tuple[str, ...], seen: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], FieldDescriptor]]:
    for field in message.fields:
        inner = field.message_type
        if inner is None or inner.full_name in _MOMENTS or inner.GetOptions().map_entry:
            yield (*above, field.name), field
        elif inner.full_name not in seen and field.name not in ("resolved", "status"):
            yield from _leaves(inner, (*above, field.name), (*seen, inner.full_name))


def _values(field: FieldDescriptor) -> tuple[Any, ...]:
    if field.message_type is None:
        return _ODD.get(field.type, ())
    if field.message_type.GetOptions().map_entry:
        return ({"\0": "\0"}, {"a" * 300: "b" * 5000})
    if field.name == "timeout":
        return (10**18, -(10**18))  # a long one that is good is waited for
    return (10**18, -(10**18), 315_576_000_000)


def _put(message: Any, path: tuple[str, ...], value: Any) -> bool:
    """Set it, whatever the kind; False where the value is of another type than the field's."""
    for step in path[:-1]:
        inner = getattr(message, step)
        message = inner if isinstance(inner, Message) else inner.add()
    field = message.DESCRIPTOR.fields_by_name[path[-1]]
    target = getattr(message, path[-1])
    try:
        if isinstance(value, dict):
            target.update(value)
        elif isinstance(target, Message):
            target.seconds = value  # type: ignore[attr-defined]
        elif field.is_repeated:
            target.append(value)
        else:
            setattr(message, path[-1], value)
    except (TypeError, ValueError):
        return False
    return True
