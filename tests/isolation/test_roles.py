"""Roles × methods: through the wire, exactly as `domain/access.py` has it."""

import asyncio

from tunesmith.v1 import tenant_pb2
from tunesmith_server.domain.access import ALLOWED, Role, changes

from tests.integration.calls import Caller, another_key
from tests.isolation.surface import rpcs
from tests.isolation.wire import invoke
from tests.isolation.world import OWN, World

_ANSWERS = {f"ModelService/{name}" for name in ("Complete", "StreamComplete", "Chat", "StreamChat")}


async def test_every_role_may_call_what_the_table_says_and_nothing_else(world: World):
    callers = {Role.PLATFORM_ADMIN: world.admin}
    for role in set(Role) - {Role.PLATFORM_ADMIN}:
        number = tenant_pb2.Role.Value(f"ROLE_{role.name}")
        callers[role] = await another_key(world.admin, OWN, number)
    wrong = []
    for rpc in rpcs():
        empty = [rpc.request()]  # allowed or not is decided before a request is looked at
        for role, caller in callers.items():
            outcome = await invoke(caller, rpc, empty)
            allowed = outcome.code != "PERMISSION_DENIED"
            if allowed != (role in ALLOWED[rpc.method]):
                wrong.append(f"{role} {rpc.method}: {outcome.short()}")
            if not allowed:
                assert outcome.reason == "PERMISSION_DENIED"
    print(f"{len(rpcs())} RPCs × {len(callers)} roles")
    assert not wrong


async def test_without_a_good_key_every_rpc_answers_alike(world: World):
    """A key of another tenant, made up, is no better than none or one of nonsense."""
    keys = ["", "sk-ts-made-up", world.foreign.caller.key[:-1], "é" * 10, "x" * 5000]
    callers = [Caller(world.admin.address, key) for key in keys[:3]]
    callers += [_raw(world, f"Bearer {key}".encode()) for key in keys[4:]]
    callers += [_raw(world, value) for value in (b"", b"Basic x", b"Bearer", b"Bearer  ")]
    for rpc in rpcs():
        outcomes = await asyncio.gather(*(invoke(c, rpc, [rpc.request()]) for c in callers))
        assert {o.code for o in outcomes} == {"UNAUTHENTICATED"}, (rpc.method, outcomes)
        assert {o.reason for o in outcomes} == {"UNAUTHENTICATED"}, rpc.method


def test_what_changes_something_is_what_the_contract_does_not_call_free_of_effects():
    """Decides what goes on record when it is refused.

    Answers of models are marked as having effects in the contract, since asking again gives
    another answer and costs tokens again; but they change nothing that an audit would tell of.
    """
    wrong = {rpc.method for rpc in rpcs() if changes(rpc.method) == rpc.reads}
    assert wrong == _ANSWERS


def _raw(world: World, value: bytes) -> Caller:
    caller = Caller(world.admin.address, "")
    caller.metadata = (("authorization", value.decode()),)
    return caller
