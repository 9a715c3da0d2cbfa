"""Tenants through the front door, on both databases."""

import uuid
from typing import Any

import pytest
from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import dataset_pb2, fine_tune_pb2
from tunesmith.v1 import tenant_pb2 as pb
from tunesmith_server.bootstrap import Running
from tunesmith_server.settings import Settings

from tests.integration.admin import Admin, whoami
from tests.integration.calls import (
    ROWS,
    Caller,
    a_tenant,
    another_key,
    jsonl,
    limits,
    refused,
)
from tests.integration.training import training, until


@pytest.fixture
def admin(server: Running) -> Admin:
    return Admin(server.address)


async def test_a_tenant_reads_back_as_it_was_made_and_is_listed_newest_first(admin: Admin):
    made = await admin.create_tenant(
        "acme",
        display_name="Acme",
        labels={"team": "x"},
        annotations={"note": "y"},
        limits=limits(fine_tunes_queued=5, models=None, trained_tokens_per_month__tiny_random=9),
        allowed_base_models=["ada"],
        share_weight=3,
    )
    assert made == await admin.get_tenant("acme")
    assert (made.name, made.organization, made.share_weight) == ("tenants/acme", "acme", 3)
    assert (made.state, made.allowed_base_models) == (pb.TENANT_STATE_ACTIVE, ["ada"])
    by_dimension = {(each.dimension, each.base_model): each for each in made.limits}
    assert by_dimension["models", ""].unlimited
    assert by_dimension["fine_tunes_queued", ""].value == 5
    assert by_dimension["trained_tokens_per_month", "tiny-random"].value == 9
    assert (await refused(admin.create_tenant("acme")))[0] == "RESOURCE_EXISTS"
    for number in range(4):
        await admin.create_tenant(f"t{number}")
    seen, token = [], ""
    while True:
        page = await admin.tenants.ListTenants(
            pb.ListTenantsRequest(page_size=2, page_token=token), metadata=admin.metadata
        )
        seen += [tenant.name for tenant in page.tenants]
        if not (token := page.next_page_token):
            break
    assert seen == [f"tenants/t{number}" for number in (3, 2, 1, 0)] + ["tenants/acme"]


@pytest.mark.parametrize(
    ("tenant", "field", "words"),
    [
        ({"limits": limits(gpus=1)}, "tenant.limits", "'gpus' is no dimension; known: "),
        ({"limits": limits(slots=1)}, "tenant.limits", "'slots' is no dimension"),
        ({"limits": limits(fine_tunes_queued=-1)}, "tenant.limits", "greater than or equal to 0"),
        ({"limits": limits(models__tiny_random=1)}, "tenant.limits", "cannot be limited for one"),
        ({"limits": limits(fine_tunes_queued__gpt_9=1)}, "tenant.limits", "'gpt-9' is not in the"),
        ({"limits": limits(models=1) * 2}, "tenant.limits", "models is there twice"),
        ({"allowed_base_models": ["gpt-9"]}, "tenant.allowed_base_models", "'gpt-9' is not in"),
        ({"parent_tenant": "tenants/none"}, "tenant.parent_tenant", "there is no tenant 'none'"),
        ({"parent_tenant": "none"}, "tenant.parent_tenant", "is not of the form"),
        ({"share_weight": 0}, "tenant.share_weight", "greater than or equal to 1"),
        ({"organization": "!"}, "tenant.organization", "'!'"),
    ],
)
async def test_what_is_wrong_with_a_tenant_is_told_by_field_when_made_and_when_changed(
    admin: Admin, tenant: dict[str, Any], field: str, words: str
):
    await admin.create_tenant("there")
    calls = [admin.create_tenant("new", **tenant)]
    if "parent_tenant" not in tenant:
        calls.append(admin.update("there", **tenant))
    for call in calls:
        why, told = await refused(call)
        assert why in ("FIELD_INVALID", "NAMING_POLICY")
        assert field in told
        assert words in told


async def test_an_update_changes_what_its_mask_names_once_and_only_what_it_has_seen(admin: Admin):
    made = await admin.create_tenant("acme", display_name="Old", limits=limits(models=1))
    changed = await admin.update("acme", "display_name", display_name="New", labels={"a": "b"})
    assert changed.outcome == common.UPDATE_OUTCOME_CONFIGURED
    assert (changed.tenant.display_name, dict(changed.tenant.labels)) == ("New", {})
    assert changed.tenant.limits == made.limits
    assert changed.tenant.etag != made.etag
    again = await admin.update("acme", "display_name", display_name="New")
    assert (again.outcome, again.tenant) == (common.UPDATE_OUTCOME_UNCHANGED, changed.tenant)
    stale = admin.update("acme", "display_name", display_name="Newer", etag=made.etag)
    assert (await refused(stale))[0] == "ETAG_MISMATCH"
    cleared = await admin.update("acme", "limits", etag=changed.tenant.etag)
    assert not cleared.tenant.limits
    why, words = await refused(admin.update("acme", "colour", "uid"))
    assert (why, "colour, uid cannot be set" in words) == ("FIELD_INVALID", True)
    await admin.create_tenant("above")
    for mask in (["parent_tenant"], []):
        why, _ = await refused(admin.update("acme", *mask, parent_tenant="tenants/above"))
        assert why == "FIELD_IMMUTABLE"
    assert (await refused(admin.update("absent", display_name="x")))[0] == "RESOURCE_NOT_FOUND"


async def test_a_family_has_eight_levels_at_most(admin: Admin):
    await admin.create_tenant("l1")
    for level in range(2, 9):
        await admin.create_tenant(f"l{level}", parent_tenant=f"tenants/l{level - 1}")
    why, words = await refused(admin.create_tenant("l9", parent_tenant="tenants/l8"))
    assert (why, "'l8' is at the lowest of 8 levels" in words) == ("FIELD_INVALID", True)


async def test_a_suspended_family_reads_but_changes_nothing_until_it_is_resumed(
    server: Running, admin: Admin, acme: Caller
):
    await admin.create_tenant("below", parent_tenant="tenants/acme")
    below = await another_key(admin, "below", pb.ROLE_TENANT_ADMIN)
    await below.upload(jsonl(ROWS))
    run = await below.create(fine_tune_id="bot")
    tenant = await admin.suspend("acme", reason="unpaid")
    assert (tenant.state, tenant.suspend_reason) == (pb.TENANT_STATE_SUSPENDED, "unpaid")

    for caller in (acme, below):
        for call in (
            caller.create(),
            caller.upload(jsonl(ROWS), "more"),
            caller.cancel(run.name.replace("below", "-")),
            caller.datasets.DeleteDataset(
                dataset_pb2.DeleteDatasetRequest(name="tenants/-/datasets/numbers"),
                metadata=caller.metadata,
            ),
        ):
            why, words = await refused(call)
            assert (why, words) == ("TENANT_SUSPENDED", "tenants/acme: is suspended: unpaid")
    key = pb.CreateApiKeyRequest(parent="tenants/below", api_key=pb.ApiKey(role=pb.ROLE_EDITOR))
    call = below.tenants.CreateApiKey(key, metadata=below.metadata)
    assert (await refused(call))[0] == "TENANT_SUSPENDED"
    assert (await below.get(run.name)).status.state == common.FINE_TUNE_STATE_QUEUED
    assert (await below.usage())["fine_tunes_queued"].reserved == 1
    plan = fine_tune_pb2.PlanFineTuneRequest(
        parent="tenants/-",
        fine_tune=fine_tune_pb2.FineTune(
            spec=fine_tune_pb2.FineTuneSpec(base_model="tiny-random", training_dataset="numbers")
        ),
    )
    planned = await below.fine_tunes.PlanFineTune(plan, metadata=below.metadata)
    assert [finding.code for finding in planned.findings] == ["TENANT_SUSPENDED"]
    await admin.cancel(run.name)  # who runs the platform may

    again = await admin.suspend("acme", "PAUSE", "still unpaid")
    assert again.suspended_runs == pb.SUSPENDED_RUNS_PAUSE
    resumed = await admin.resume("acme")
    assert (resumed.state, resumed.suspend_reason) == (pb.TENANT_STATE_ACTIVE, "")
    assert await admin.resume("acme") == resumed
    assert (await below.create()).status.state == common.FINE_TUNE_STATE_QUEUED


async def test_a_suspension_that_pauses_stops_runs_under_way_and_a_resume_takes_up_those_alone(
    server_settings: Settings,
):
    async with training(server_settings, slots=3) as server:
        admin = Admin(server.address)
        acme = await a_tenant(server.address, "acme")
        await acme.upload(jsonl(ROWS))
        own, theirs = [await acme.create(fine_tune_id=id) for id in ("own", "theirs")]
        for run in (own, theirs):
            await until(acme, run.name, "RUNNING")
        pause = fine_tune_pb2.PauseFineTuneRequest(name=own.name)
        await acme.fine_tunes.PauseFineTune(pause, metadata=acme.metadata)
        await until(acme, own.name, "PAUSED")
        await admin.suspend("acme", "PAUSE")
        stopped = await until(acme, theirs.name, "PAUSED")
        assert stopped.status.reason == "TENANT_SUSPENDED"
        usage = await acme.usage()
        assert "fine_tunes_running" not in usage  # neither limited nor in use
        assert usage["trained_tokens_per_month"].reserved > 0
        await admin.resume("acme")
        await until(acme, theirs.name, "RUNNING")
        assert (await acme.get(own.name)).status.state == common.FINE_TUNE_STATE_PAUSED


async def test_a_suspension_that_lets_finish_starts_nothing_new(server_settings: Settings):
    async with training(server_settings) as server:
        admin = Admin(server.address)
        acme = await a_tenant(server.address, "acme")
        other = await a_tenant(server.address, "other")
        for caller in (acme, other):
            await caller.upload(jsonl(ROWS))
        first = await acme.create()
        await until(acme, first.name, "RUNNING")
        second = await acme.create()
        await admin.suspend("acme")
        third = await other.create()
        server.let(first)
        assert (await until(acme, first.name, "SUCCEEDED")).status.model
        await until(other, third.name, "RUNNING")  # although `second` was there before
        assert (await acme.get(second.name)).status.state == common.FINE_TUNE_STATE_QUEUED
        server.let(third)
        await until(other, third.name, "SUCCEEDED")
        await admin.resume("acme")
        await until(acme, second.name, "RUNNING")


async def test_a_tenant_with_anything_is_deleted_only_on_confirmed_demand_and_leaves_nothing(
    server: Running, admin: Admin, acme: Caller
):
    request_id = str(uuid.uuid4())
    run = await acme.create(fine_tune_id="bot", request_id=request_id)
    await admin.create_tenant("below", parent_tenant="tenants/acme")
    why, words = await refused(admin.delete("acme"))
    assert why == "RESOURCE_IN_USE"
    for part in ("tenants below it: below", "1 runs that have not ended (bot)", "1 datasets"):
        assert part in words
    cascade = {"cascade": True, "confirm": "acme"}
    why, words = await refused(admin.delete("acme", **cascade))
    assert why == "RESOURCE_IN_USE"
    assert "datasets" not in words
    await admin.delete("below")
    await acme.cancel(run.name)
    assert (await refused(admin.delete("acme")))[0] == "RESOURCE_IN_USE"
    for confirm in ("", "acm"):
        why, words = await refused(admin.delete("acme", cascade=True, confirm=confirm))
        assert (why, "'acme'" in words) == ("FIELD_INVALID", True)
    await admin.delete("acme", validate_only=True, **cascade)
    await admin.delete("acme", **cascade)
    assert await whoami(acme) == "UNAUTHENTICATED"
    assert (await refused(admin.get_tenant("acme")))[0] == "RESOURCE_NOT_FOUND"

    new = await a_tenant(server.address, "acme", role=pb.ROLE_TENANT_ADMIN)
    assert await whoami(acme) == "UNAUTHENTICATED"
    assert (await refused(new.get(run.name)))[0] == "RESOURCE_NOT_FOUND"
    listed = await new.datasets.ListDatasets(
        dataset_pb2.ListDatasetsRequest(parent="tenants/-"), metadata=new.metadata
    )
    assert not listed.datasets
    assert all(row.used == row.reserved == 0 for row in (await new.usage()).values())
    ledger = await new.tenants.ListLedger(
        pb.ListLedgerRequest(parent="tenants/-"), metadata=new.metadata
    )
    assert not ledger.entries
    audit = await new.tenants.ListAuditEvents(
        pb.ListAuditEventsRequest(parent="tenants/-"), metadata=new.metadata
    )
    methods = [each.method.partition("/")[2] for each in audit.audit_events][::-1]
    assert [each for each in methods if each != "GetFineTune"] == ["CreateTenant", "CreateApiKey"]
    await new.upload(jsonl(ROWS[:10]))  # other rows under the same name
    again = await new.create(fine_tune_id="bot", request_id=request_id)
    assert again.uid != run.uid
