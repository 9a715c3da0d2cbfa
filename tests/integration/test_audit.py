"""The audit log, on both databases: every mutation and every denial, once."""

import asyncio
import uuid

from tunesmith.v1 import dataset_pb2, fine_tune_pb2
from tunesmith.v1 import tenant_pb2 as pb
from tunesmith_server.bootstrap import Running

from tests.integration.calls import (
    ADMIN_KEY,
    ROWS,
    Caller,
    a_tenant,
    another_key,
    jsonl,
    refused,
)


async def audit(caller: Caller, tenant: str = "-", size: int = 0) -> list[pb.AuditEvent]:
    """The whole audit log that the caller sees, oldest first."""
    found: list[pb.AuditEvent] = []
    token = ""
    while True:
        request = pb.ListAuditEventsRequest(
            parent=f"tenants/{tenant}", page_size=size, page_token=token
        )
        page = await caller.tenants.ListAuditEvents(request, metadata=caller.metadata)
        found += page.audit_events
        if not (token := page.next_page_token):
            return found[::-1]


async def audited(caller: Caller, tenant: str, count: int) -> list[pb.AuditEvent]:
    """The log once it has so many events: what is refused is written a little later."""
    async with asyncio.timeout(5):
        while len(found := await audit(caller, tenant)) < count:
            pass
    return found


def told(event: pb.AuditEvent) -> tuple[str, str, str]:
    return event.method.partition("/")[2], event.resource, event.result


async def test_every_mutation_and_every_denial_is_on_record_once_and_no_read_is(server: Running):
    admin = Caller(server.address, ADMIN_KEY)
    editor = await a_tenant(server.address, "acme", {"fine_tunes_queued": 1})
    viewer = await another_key(admin, "acme", pb.ROLE_VIEWER)
    await editor.upload(jsonl(ROWS))
    request_id = str(uuid.uuid4())
    run = await editor.create(fine_tune_id="bot", request_id=request_id)
    await editor.create(fine_tune_id="bot", request_id=request_id)  # a repeat
    await refused(editor.create(fine_tune_id="two"))
    await refused(viewer.create(fine_tune_id="three"))
    await refused(editor.create(seed=-1))
    await refused(editor.cancel("tenants/acme/fineTunes/absent"))
    await refused(editor.cancel("tenants/other/fineTunes/bot"))
    await editor.get(run.name)
    await editor.usage()
    await refused(editor.get("tenants/acme/fineTunes/absent"))
    await refused(  # a read that the role may not do is a denial
        viewer.tenants.ListApiKeys(
            pb.ListApiKeysRequest(parent="tenants/acme"), metadata=viewer.metadata
        )
    )
    await refused(Caller(server.address, "sk-ts-wrong").cancel(run.name))
    update = fine_tune_pb2.UpdateFineTuneRequest(
        fine_tune=fine_tune_pb2.FineTune(
            name=run.name,
            spec=fine_tune_pb2.FineTuneSpec(placement=fine_tune_pb2.Placement(priority=5)),
        )
    )
    await editor.fine_tunes.UpdateFineTune(update, metadata=editor.metadata)
    await editor.cancel(run.name)
    delete = dataset_pb2.DeleteDatasetRequest(name="tenants/acme/datasets/numbers")
    await editor.datasets.DeleteDataset(delete, metadata=editor.metadata)

    events = await audited(admin, "acme", 14)
    assert sorted(map(told, events)) == sorted(
        [
            ("CreateTenant", "tenants/acme", "OK"),
            ("CreateApiKey", events[1].resource, "OK"),
            ("CreateApiKey", events[2].resource, "OK"),
            ("UploadDataset", "tenants/acme/datasets/numbers", "OK"),
            ("CreateFineTune", run.name, "OK"),
            ("CreateFineTune", "tenants/-", "QUOTA_EXCEEDED"),
            ("CreateFineTune", "tenants/-", "PERMISSION_DENIED"),
            ("CreateFineTune", "tenants/-", "FIELD_INVALID"),
            ("CancelFineTune", "tenants/acme/fineTunes/absent", "RESOURCE_NOT_FOUND"),
            ("CancelFineTune", "tenants/other/fineTunes/bot", "RESOURCE_NOT_FOUND"),
            ("ListApiKeys", "tenants/acme", "PERMISSION_DENIED"),
            ("UpdateFineTune", run.name, "OK"),
            ("CancelFineTune", run.name, "OK"),
            ("DeleteDataset", "tenants/acme/datasets/numbers", "OK"),
        ]
    )
    of = {told(event): event for event in events}
    updated = of["UpdateFineTune", run.name, "OK"]
    assert "priority=5" in updated.detail
    assert {event.tenant for event in events} == {"tenants/acme"}
    assert all(event.peer and event.call_id and event.time.seconds for event in events)
    assert of["CreateFineTune", "tenants/-", "PERMISSION_DENIED"].principal != updated.principal
    assert len({event.principal for event in events}) == 3  # administrator, editor, viewer
    # who is not known cannot write into the log of the tenant that it names
    everything = await audited(admin, "-", 15)
    (unknown,) = [event for event in everything if event.result == "UNAUTHENTICATED"]
    assert (unknown.principal, unknown.tenant, unknown.resource) == ("", "", run.name)


async def test_a_record_bears_the_id_of_the_call_that_its_answer_bore(acme: Caller):
    admin = Caller(acme.address, ADMIN_KEY)
    run = await acme.create()
    request = fine_tune_pb2.CancelFineTuneRequest(name=run.name)
    call = acme.fine_tunes.CancelFineTune(
        request, metadata=(*acme.metadata, ("x-request-id", "my-call"))
    )
    await call
    assert dict(await call.trailing_metadata())["x-request-id"] == "my-call"
    assert (await audit(admin, "acme"))[-1].call_id == "my-call"


async def test_a_tenant_sees_its_own_records_and_a_platform_administrator_all(server: Running):
    admin = Caller(server.address, ADMIN_KEY)
    callers = [
        await a_tenant(server.address, name, role=pb.ROLE_TENANT_ADMIN) for name in ("a", "b")
    ]
    await callers[0].upload(jsonl(ROWS))
    assert [told(event)[0] for event in await audit(callers[0])] == [
        "CreateTenant",
        "CreateApiKey",
        "UploadDataset",
    ]
    own = [told(event)[0] for event in await audit(callers[1])]
    assert own == ["CreateTenant", "CreateApiKey"]
    assert (await refused(audit(callers[1], "a")))[0] == "RESOURCE_NOT_FOUND"
    everything = await audited(admin, "-", 5)
    # what is foreign is not there for a caller, and a read of what is not there is no denial
    assert [told(event) for event in everything if told(event)[0] != "CreateApiKey"] == [
        ("CreateTenant", "tenants/a", "OK"),
        ("CreateTenant", "tenants/b", "OK"),
        ("UploadDataset", "tenants/a/datasets/numbers", "OK"),
    ]
    assert everything == await audit(admin, "-", size=2)


async def test_a_rehearsal_is_no_mutation_and_not_on_record(acme: Caller):
    admin = Caller(acme.address, ADMIN_KEY)
    before = await audit(admin, "acme")
    await acme.create(validate_only=True)
    assert await audit(admin, "acme") == before
