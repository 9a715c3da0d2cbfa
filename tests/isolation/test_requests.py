"""Request ids: a retry's safety is of one tenant."""

import uuid

from tunesmith_server.domain.access import ALLOWED, Role

from tests.isolation.requests import changed, valid
from tests.isolation.surface import Field, Names, Rpc, rpcs
from tests.isolation.wire import invoke
from tests.isolation.world import World


async def test_the_same_request_id_in_two_tenants_never_meets(world: World):
    met, unbuilt = [], []
    for rpc, field in _mutations():
        good = await valid(world, rpc, world.own, for_real=True)
        if (await invoke(world.own.caller, rpc, good)).code == "UNIMPLEMENTED":
            unbuilt.append(rpc.name)
            continue
        id = str(uuid.uuid4())
        ours, theirs = [
            changed(await valid(world, rpc, side, for_real=True), field.path, id)
            for side in (world.own, world.foreign)
        ]
        first = await invoke(world.foreign.caller, rpc, theirs)
        assert first.code == "OK", (rpc.method, first)
        before = world.foreign_rows()
        outcome = await invoke(world.own.caller, rpc, ours)
        assert outcome.code == "OK", (rpc.method, outcome)
        everything = outcome.everything()
        assert not [mark for mark in world.foreign_marks() if mark.encode() in everything]
        again = await invoke(world.own.caller, rpc, ours)  # its own first answer, not theirs
        assert again.code == "OK", (rpc.method, again)
        assert again.resources() == outcome.resources(), rpc.method
        assert world.foreign_rows() == before, rpc.method
        repeated = await invoke(world.foreign.caller, rpc, theirs)
        assert repeated.code == "OK", (rpc.method, repeated)
        assert repeated.resources() == first.resources(), rpc.method
        met.append(rpc.name)
    print(f"{len(met)} mutations with a request_id; not built yet: {' '.join(unbuilt)}")
    assert len(met) >= 12


def _mutations() -> list[tuple[Rpc, Field]]:
    """Those of tenants; the ids of the platform's own are all of one administration."""
    return [
        (rpc, field)
        for rpc in rpcs()
        for field in rpc.fields
        if field.names is Names.REQUEST
        and not rpc.reads
        and Role.TENANT_ADMIN in ALLOWED[rpc.method]
    ]
