"""Lists, logs and streams: of one's own tenant alone, however they are asked for."""

from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.message import Message
from tunesmith.v1 import dataset_pb2, fine_tune_pb2, model_pb2, tenant_pb2
from tunesmith_server.domain.access import ALLOWED, Role

from tests.integration.calls import Caller
from tests.isolation.requests import changed, put, valid
from tests.isolation.surface import Rpc, resources, rpcs
from tests.isolation.wire import Outcome, invoke
from tests.isolation.world import FOREIGN, OWN, World

_FILTERS = ("", f'labels.of = "{FOREIGN}"', 'state = "QUEUED"', 'base_model = "tiny-random"')


async def test_no_list_holds_anything_foreign_on_any_page_under_any_filter(world: World):
    pages = 0
    for rpc in _lists():
        good = await valid(world, rpc, world.own)
        for caller in (world.own.caller, world.admin):
            for filter in _FILTERS if _has(rpc, "filter") else ("",):
                asked = changed(good, "filter", filter) if filter else good
                async for outcome in _pages(caller, rpc, asked):
                    if outcome.code == "UNIMPLEMENTED":
                        break
                    assert outcome.code in ("OK", "INVALID_ARGUMENT"), (rpc.method, outcome)
                    found = outcome.everything()
                    for mark in world.foreign_marks():
                        assert mark.encode() not in found, (rpc.method, filter, mark)
                    pages += 1
    print(f"{pages} pages")
    assert pages > 50


async def test_a_dash_is_ones_own_tenant_in_every_list_and_no_tenant_for_a_platform_admin(
    world: World,
):
    for rpc in _lists():
        good = await valid(world, rpc, world.own)
        if not _has(rpc, "parent"):
            continue
        dashed = changed(good, "parent", good[0].parent.replace(OWN, "-"))  # type: ignore[attr-defined]
        named = await invoke(world.own.caller, rpc, good)
        if named.code == "UNIMPLEMENTED":
            continue
        assert (await invoke(world.own.caller, rpc, dashed)).resources_of_lists() == (
            named.resources_of_lists()
        ), rpc.method
        outcome = await invoke(world.admin, rpc, dashed)
        if rpc.name == "ListAuditEvents":
            assert outcome.code == "OK"  # everything, of every tenant
        else:
            assert outcome.code == "INVALID_ARGUMENT", (rpc.method, outcome)


async def test_a_platform_admin_may_name_any_tenant(world: World):
    for side in (world.own, world.foreign):
        for rpc in rpcs():
            # an upload is of who sends it: nobody else goes on with it, nor needs to
            if not rpc.reads or rpc.service == "RunnerService" or rpc.name == "GetUpload":
                continue
            outcome = await invoke(world.admin, rpc, await valid(world, rpc, side))
            assert outcome.code in ("OK", "UNIMPLEMENTED"), (rpc.method, outcome)


async def test_a_parent_reads_the_bill_of_its_children_and_nothing_else_of_them(family: World):
    caller, child = family.own.caller, family.foreign
    entries = await _all(
        caller, "ListLedger", tenant_pb2.ListLedgerRequest(parent=f"tenants/{OWN}", page_size=1000)
    )
    assert {entry.tenant for entry in entries} == {f"tenants/{OWN}", f"tenants/{FOREIGN}"}
    for kind, rpc in _reads_one().items():
        for reader, code in ((caller, "NOT_FOUND"), (child.caller, "OK")):
            outcome = await invoke(reader, rpc, [_naming(rpc, child.names[kind])])
            assert outcome.code == code, (rpc.method, outcome)
        # nor does a child see its parent's
        outcome = await invoke(child.caller, rpc, [_naming(rpc, family.own.names[kind])])
        assert outcome.code == "NOT_FOUND", (rpc.method, outcome)
    for rpc in _lists():
        if any(field.path == "parent" and field.kind == "Tenant" for field in rpc.fields):
            outcome = await invoke(caller, rpc, await valid(family, rpc, child))
            assert outcome.code in ("NOT_FOUND", "UNIMPLEMENTED"), (rpc.method, outcome)


async def test_watches_downloads_and_results_of_a_foreign_thing_do_not_even_begin(world: World):
    names = world.foreign.names
    caller = world.own.caller
    calls: list[Any] = [
        caller.watch(names["FineTune"]),
        caller.fine_tunes.GetResults(
            fine_tune_pb2.GetResultsRequest(name=names["FineTune"]), metadata=caller.metadata
        ),
        caller.datasets.DownloadDataset(
            dataset_pb2.DownloadDatasetRequest(name=names["Dataset"]), metadata=caller.metadata
        ),
        caller.datasets.ValidateDataset(
            dataset_pb2.ValidateDatasetRequest(name=names["Dataset"]), metadata=caller.metadata
        ),
        caller.models.StreamComplete(
            model_pb2.StreamCompleteRequest(
                request=model_pb2.CompleteRequest(
                    model=names["Model"], prompts=[model_pb2.Prompt(text="x")]
                )
            ),
            metadata=caller.metadata,
        ),
    ]
    for call in calls:
        assert (await call.code()).name == "NOT_FOUND"
    own: list[bytes] = [
        response.data
        async for response in caller.datasets.DownloadDataset(
            dataset_pb2.DownloadDatasetRequest(name=world.own.names["Dataset"]),
            metadata=caller.metadata,
        )
    ]
    assert b"".join(own).startswith(b'{"prompt"')


def _lists() -> list[Rpc]:
    """The lists that a tenant may read; the others are the platform's own."""
    return [
        rpc
        for rpc in rpcs()
        if _has(rpc, "page_token") and Role.TENANT_ADMIN in ALLOWED[rpc.method]
    ]


def _has(rpc: Rpc, path: str) -> bool:
    return any(field.path == path for field in rpc.fields)


def _reads_one() -> dict[str, Rpc]:
    """Kind → the RPC that reads one of that kind; keys are only listed."""
    return {
        kind: rpc
        for kind in resources()
        for rpc in rpcs()
        if rpc.name == f"Get{kind}" and "{tenant}" in resources()[kind]
    }


def _naming(rpc: Rpc, name: str) -> Message:
    request = rpc.request()
    put(request, "name", name)
    return request


async def _pages(
    caller: Caller, rpc: Rpc, requests: list[Message], size: int = 2
) -> AsyncIterator[Outcome]:
    token = ""
    while True:
        request: Any = changed(requests, "page_token", token)[0]
        request.page_size = size
        outcome = await invoke(caller, rpc, [request])
        yield outcome
        token = getattr(outcome.responses[0], "next_page_token", "") if outcome.responses else ""
        if not token:
            return


async def _all(caller: Caller, name: str, request: Message) -> list[Any]:
    rpc = next(rpc for rpc in rpcs() if rpc.name == name)
    found: list[Any] = []
    async for outcome in _pages(caller, rpc, [request], size=1000):
        assert outcome.code == "OK", outcome
        for field, values in outcome.responses[0].ListFields():
            found += values if field.is_repeated else []
    return found
