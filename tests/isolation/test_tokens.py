"""Page tokens, cursors and plan tokens: good where the server gave them, and nowhere else."""

from typing import Any

from google.protobuf.message import Message
from tunesmith.v1 import fine_tune_pb2

from tests.integration.calls import ROWS, Caller, jsonl
from tests.isolation.requests import changed, valid
from tests.isolation.surface import Rpc, rpcs
from tests.isolation.wire import Outcome, invoke
from tests.isolation.world import Side, World

_BY_NAME = {rpc.name: rpc for rpc in rpcs()}
_FORGED = "Zm9yZ2VkIGJ5IHNvbWVib2R5"


async def test_the_page_token_of_another_tenant_list_or_run_is_refused_as_a_forged_one(
    world: World,
):
    own = {rpc.method: await _page_token(world, rpc, world.own) for rpc in _lists()}
    refused = 0
    for rpc in _lists():
        if not own[rpc.method]:
            continue  # not built yet: nobody can have a token of it
        good = await valid(world, rpc, world.own)
        for parent in [f.path for f in rpc.fields if f.path == "parent" and f.kind == "FineTune"]:
            other = changed(good, parent, world.own.names["FineTune"].replace("run", "other-run"))
            own[f"{rpc.method} of another run"] = await _token(world.own.caller, rpc, other)
        foreign = await _page_token(world, rpc, world.foreign)
        assert foreign, rpc.method
        taken = await invoke(world.own.caller, rpc, _paged(good, own[rpc.method]))
        assert taken.code == "OK", (rpc.method, taken)
        forged = await invoke(world.own.caller, rpc, _paged(good, _FORGED))
        assert (forged.code, forged.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"), rpc
        others = {method: token for method, token in own.items() if method != rpc.method and token}
        for source, token in {**others, "foreign": foreign}.items():
            outcome = await invoke(world.own.caller, rpc, _paged(good, token))
            assert outcome.without(token) == forged.without(_FORGED), (rpc.method, source, outcome)
            refused += 1
    print(f"{refused} page tokens of other lists refused")
    assert refused > 50


async def test_a_page_token_is_bound_to_what_was_asked_for(world: World):
    rpc = _BY_NAME["ListFineTunes"]
    good = await valid(world, rpc, world.own)
    token = await _token(world.own.caller, rpc, good)
    other_states: Any = _paged(good, token)[0]
    other_states.states.append(3)
    other_filter: Any = _paged(good, token)[0]
    other_filter.filter = 'labels.of = "nobody"'
    for request in (other_states, other_filter):
        outcome = await invoke(world.own.caller, rpc, [request])
        assert outcome.reason == "PAGE_TOKEN_INVALID"


async def test_the_cursor_of_another_tenant_or_run_is_refused_as_a_forged_one(world: World):
    cursors = {
        "foreign": await _cursor(world.foreign.caller, world.foreign.names["FineTune"]),
        "another run": await _cursor(
            world.own.caller, world.own.names["FineTune"].replace("run", "other-run")
        ),
        "a page token": await _page_token(world, _BY_NAME["ListFineTuneEvents"], world.own),
    }
    mine = await _cursor(world.own.caller, world.own.names["FineTune"])
    for name in ("ListFineTuneEvents", "WatchFineTune"):
        good = await valid(world, _BY_NAME[name], world.own)
        taken = await invoke(world.own.caller, _BY_NAME[name], changed(good, "cursor", mine))
        assert taken.code == "OK"
        forged = await invoke(world.own.caller, _BY_NAME[name], changed(good, "cursor", _FORGED))
        assert (forged.code, forged.reason) == ("INVALID_ARGUMENT", "CURSOR_INVALID")
        for source, cursor in cursors.items():
            outcome = await invoke(
                world.own.caller, _BY_NAME[name], changed(good, "cursor", cursor)
            )
            assert outcome.without(cursor) == forged.without(_FORGED), (name, source)


async def test_the_plan_of_another_tenant_binds_nothing(world: World):
    """Of the very same: spec, names, content of the dataset and all."""
    field = "fine_tune.spec.training_dataset"
    create = changed(await valid(world, _BY_NAME["CreateFineTune"], world.own), field, "same")
    tokens = []
    for side in (world.own, world.foreign):
        await side.caller.upload(jsonl(ROWS), id="same")
        plan = changed(await valid(world, _BY_NAME["PlanFineTune"], side), field, "same")
        plan[0].fine_tune.spec.placement.hold = True  # type: ignore[attr-defined]
        outcome = await invoke(side.caller, _BY_NAME["PlanFineTune"], plan)
        tokens.append(outcome.responses[0].plan_token)  # type: ignore[attr-defined]
    own, foreign, forged = [
        await invoke(
            world.own.caller, _BY_NAME["CreateFineTune"], changed(create, "plan_token", token)
        )
        for token in (*tokens, _FORGED)
    ]
    assert own.code == "OK"
    assert foreign.reason == "PLAN_STALE"
    assert foreign.without(tokens[1]) == forged.without(_FORGED)


def _lists() -> list[Rpc]:
    """The lists of one tenant's things, and of what it may use."""
    return [
        rpc
        for rpc in rpcs()
        if any(field.path == "page_token" for field in rpc.fields) and rpc.name != "ListTenants"
    ]


async def _page_token(world: World, rpc: Rpc, side: Side) -> str:
    return await _token(side.caller, rpc, await valid(world, rpc, side))


async def _token(caller: Caller, rpc: Rpc, good: list[Message]) -> str:
    outcome = await invoke(caller, rpc, _paged(good, ""))
    if outcome.code in ("UNIMPLEMENTED", "PERMISSION_DENIED"):
        return ""
    assert outcome.code == "OK", (rpc.method, outcome)
    token = outcome.responses[0].next_page_token  # type: ignore[attr-defined]
    assert token, f"{rpc.method} has but one page for {caller}"
    return str(token)


def _paged(good: list[Message], token: str) -> list[Message]:
    requests = changed(good, "page_token", token)
    requests[0].page_size = 1  # type: ignore[attr-defined]
    return requests


async def _cursor(caller: Caller, name: str) -> str:
    request = fine_tune_pb2.ListFineTuneEventsRequest(parent=name)
    outcome: Outcome = await invoke(caller, _BY_NAME["ListFineTuneEvents"], [request])
    return str(outcome.responses[0].cursor)  # type: ignore[attr-defined]
