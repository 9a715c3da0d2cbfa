"""Planning, rehearsing and explaining through the front door, on both databases."""

import datetime as dt
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import inspect, text
from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import dataset_pb2
from tunesmith.v1 import fine_tune_pb2 as pb
from tunesmith.v1 import tenant_pb2 as tenants
from tunesmith_server.adapters.sql.engine import make_engine
from tunesmith_server.bootstrap import Running
from tunesmith_server.settings import Settings

from tests.integration.admin import Admin
from tests.integration.calls import ROWS, Caller, a_tenant, jsonl, limits, refused
from tests.integration.training import training, until


def wish(**spec: Any) -> pb.FineTune:
    given = {"base_model": "tiny-random", "training_dataset": "numbers"} | spec
    return pb.FineTune(spec=pb.FineTuneSpec(**given))


HELD = pb.Placement(hold=True)
"""So that the scheduler has nothing to tell while two looks at the tables are compared."""


async def plan(caller: Caller, **spec: Any) -> pb.PlanFineTuneResponse:
    request = pb.PlanFineTuneRequest(parent="tenants/-", fine_tune=wish(**spec))
    return await caller.fine_tunes.PlanFineTune(request, metadata=caller.metadata)


async def explain(caller: Caller, name: str) -> pb.ExplainFineTuneResponse:
    request = pb.ExplainFineTuneRequest(name=name)
    return await caller.fine_tunes.ExplainFineTune(request, metadata=caller.metadata)


def dump(database_url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    engine = make_engine(database_url, connections=1)
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        rows = {
            t: [tuple(r) for r in connection.execute(text(f"SELECT * FROM {t}"))] for t in tables
        }
    engine.dispose()
    return {table: sorted(found, key=repr) for table, found in rows.items()}


async def test_a_plan_tells_everything_that_is_in_the_way_at_once_and_writes_nothing(
    server: Running, acme: Caller, database_url: str
):
    await acme.create(placement=HELD)
    await Admin(server.address).update("acme", limits=limits(fine_tunes_queued=1, models=1))
    before = dump(database_url)
    found = await plan(acme, base_model="gpt-9", training_dataset="absent", suffix="!!!")
    assert [finding.code for finding in found.findings] == [
        "BASE_MODEL_UNKNOWN",
        "RESOURCE_NOT_FOUND",
        "NAMING_POLICY",
        "QUOTA_EXCEEDED",
        "QUOTA_EXCEEDED",
    ]
    assert found.findings[0].pointer == "/fine_tune/spec/base_model"
    assert "tenants/acme/datasets/absent" in found.findings[1].message
    assert {row.dimension for row in found.quota_effects if not row.fits} == {
        "fine_tunes_queued",
        "models",
    }
    assert not found.plan_token
    assert dump(database_url) == before


async def test_a_plan_says_what_the_run_would_be_and_a_create_by_it_is_just_that(
    acme: Caller, database_url: str
):
    before = dump(database_url)
    metadata = {f"key-{n}": f"value {n}" for n in range(8)}
    spec: dict[str, Any] = {"suffix": "My Bot", "metadata": metadata}
    planned = await plan(acme, **spec)
    assert dump(database_url) == before
    assert not planned.findings
    assert planned.total_steps == 20 // 4 * 4
    assert 0 < planned.trained_tokens < planned.max_trained_tokens
    assert planned.queue_position == 1
    reversed_metadata = dict(reversed(metadata.items()))
    run = await acme.create(
        plan_token=planned.plan_token, suffix="My Bot", metadata=reversed_metadata
    )
    assert (run.spec, run.resolved) == (planned.fine_tune.spec, planned.fine_tune.resolved)
    reserved = (await acme.usage())["trained_tokens_per_month"].reserved
    assert reserved == planned.max_trained_tokens

    other = acme.create(plan_token=planned.plan_token, suffix="Other")
    assert (await refused(other))[0] == "PLAN_STALE"
    forged = acme.create(plan_token=planned.plan_token[:-2] + "xx", **spec)
    assert (await refused(forged))[0] == "PLAN_STALE"
    await acme.upload(jsonl(ROWS[::-1]))
    assert (await refused(acme.create(plan_token=planned.plan_token, **spec)))[0] == "PLAN_STALE"
    await acme.create(plan_token=(await plan(acme, **spec)).plan_token, **spec)


async def test_a_rehearsal_of_any_mutation_writes_nothing(
    server: Running, acme: Caller, database_url: str
):
    admin = Admin(server.address)
    run = await acme.create(fine_tune_id="bot", placement=HELD)
    done = await acme.create(fine_tune_id="done")
    await acme.cancel(done.name)
    (key,) = (
        await admin.tenants.ListApiKeys(
            tenants.ListApiKeysRequest(parent="tenants/acme"), metadata=admin.metadata
        )
    ).api_keys
    new_key = tenants.ApiKey(role=tenants.ROLE_VIEWER)
    changed = wish()
    changed.name = run.name
    changed.spec.Clear()
    changed.spec.placement.priority = 7
    suspended = tenants.Tenant(name="tenants/acme", display_name="New")
    calls: list[tuple[Caller, str, str, Any]] = [
        (acme, "fine_tunes", "CreateFineTune", {"parent": "tenants/-", "fine_tune": wish()}),
        (acme, "fine_tunes", "UpdateFineTune", {"fine_tune": changed}),
        (acme, "fine_tunes", "PauseFineTune", {"name": run.name}),
        (acme, "fine_tunes", "CancelFineTune", {"name": run.name}),
        (acme, "fine_tunes", "DeleteFineTune", {"name": done.name}),
        (admin, "tenants", "CreateTenant", {"tenant_id": "new"}),
        (admin, "tenants", "UpdateTenant", {"tenant": suspended}),
        (admin, "tenants", "SuspendTenant", {"name": "tenants/acme"}),
        (admin, "tenants", "ResumeTenant", {"name": "tenants/acme"}),
        (admin, "tenants", "CreateApiKey", {"parent": "tenants/acme", "api_key": new_key}),
        (admin, "tenants", "RotateApiKey", {"name": key.name}),
        (admin, "tenants", "RevokeApiKey", {"name": key.name}),
    ]
    before = dump(database_url)
    for caller, service, method, fields in calls:
        request = getattr(pb if service == "fine_tunes" else tenants, f"{method}Request")
        answer = await getattr(getattr(caller, service), method)(
            request(validate_only=True, **fields), metadata=caller.metadata
        )
        assert "secret" not in str(answer)
        assert dump(database_url) == before, method
    refusal = dataset_pb2.DeleteDatasetRequest(
        name="tenants/-/datasets/numbers", validate_only=True
    )
    call = acme.datasets.DeleteDataset(refusal, metadata=acme.metadata)
    assert (await refused(call))[0] == "RESOURCE_IN_USE"


async def test_a_waiting_run_is_explained_by_the_first_reason_that_holds(
    server_settings: Settings,
):
    async with training(server_settings, slots=1) as server:
        admin = Admin(server.address)
        acme = await a_tenant(server.address, "acme")
        other = await a_tenant(server.address, "other")
        for caller in (acme, other):
            await caller.upload(jsonl(ROWS))
        first = await acme.create()
        await until(acme, first.name, "RUNNING")
        under_way = await explain(acme, first.name)
        assert under_way.wait_reason == common.WAIT_REASON_UNSPECIFIED
        assert list(under_way.attempts) == ["attempt 1: under way"]

        ahead = await other.create()
        run = await acme.create()
        for caller, one in ((other, ahead), (acme, run)):  # both have been told
            async for response in caller.watch(one.name):
                if any(event.message.startswith("Waiting") for event in response.events):
                    break
        found = await explain(other, ahead.name)
        assert found.wait_reason == common.WAIT_REASON_WAITING_FOR_CAPACITY
        assert (found.queue_position, "All 1 training slots" in found.summary) == (1, True)
        found = await explain(acme, run.name)
        assert found.wait_reason == common.WAIT_REASON_WAITING_FOR_FAIR_SHARE
        assert found.queue_position == 2

        hold = wish()
        hold.name = run.name
        hold.spec.Clear()
        hold.spec.placement.hold = True
        request = pb.UpdateFineTuneRequest(
            fine_tune=hold, update_mask=FieldMask(paths=["spec.placement.hold"])
        )
        await acme.fine_tunes.UpdateFineTune(request, metadata=acme.metadata)
        found = await explain(acme, run.name)
        assert (found.wait_reason, found.queue_position) == (common.WAIT_REASON_HELD, 0)
        assert "--no-hold" in found.next_step

        await admin.update("acme", limits=limits(fine_tunes_running=1))
        found = await explain(acme, run.name)
        assert found.wait_reason == common.WAIT_REASON_WAITING_FOR_QUOTA
        (row,) = [row for row in found.quota_effects if row.dimension == "fine_tunes_running"]
        assert (row.limit, row.reserved, row.requested, row.fits) == (1, 1, 1, False)

        await admin.suspend("acme")
        found = await explain(acme, run.name)
        assert found.wait_reason == common.WAIT_REASON_TENANT_SUSPENDED
        await admin.resume("acme")
        await admin.update("acme", "limits")
        found = await explain(acme, run.name)
        assert found.wait_reason == common.WAIT_REASON_HELD


async def test_a_failed_run_is_explained_with_its_cause_and_what_to_do(server_settings: Settings):
    async with training(server_settings, "prepared,metrics=1,fail=USER_DATA") as server:
        acme = await a_tenant(server.address, "acme")
        await acme.upload(jsonl(ROWS))
        run = await until(acme, (await acme.create()).name, "FAILED")
        found = await explain(acme, run.name)
        assert (found.reason, found.summary) == ("USER_DATA", "It failed: The run failed.")
        assert found.next_step
        assert list(found.attempts) == ["attempt 1: Error: The run failed."]
        usage = await acme.usage()
        assert usage["fine_tunes_queued"].reserved == 0
        assert "models" not in usage


async def test_a_run_that_is_lost_for_good_is_explained_attempt_by_attempt(
    server_settings: Settings,
):
    async with training(server_settings, "prepared,crash=1") as server:
        acme = await a_tenant(server.address, "acme")
        await acme.upload(jsonl(ROWS))
        run = await until(acme, (await acme.create()).name, "FAILED")
        found = await explain(acme, run.name)
        assert found.reason == "TRAINER_LOST"
        assert len(found.attempts) == 3
        assert found.attempts[0].startswith("attempt 1: Attempt 1 was lost")


async def test_a_run_that_has_not_started_by_its_deadline_expires_and_holds_nothing(
    acme: Caller,
):
    soon = Timestamp()
    soon.FromDatetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1))
    run = await acme.create(limits=pb.FineTuneLimits(start_deadline=soon))
    request = pb.WaitFineTuneRequest(name=run.name)
    ended = (await acme.fine_tunes.WaitFineTune(request, metadata=acme.metadata)).fine_tune
    assert ended.status.state == common.FINE_TUNE_STATE_EXPIRED
    assert ended.end_time.ToDatetime(dt.UTC) >= soon.ToDatetime(dt.UTC)
    held = {
        d: (r.used, r.reserved) for d, r in (await acme.usage()).items() if r.used or r.reserved
    }
    assert set(held) == {"datasets", "dataset_bytes", "fine_tunes_created_per_day"}


@pytest.mark.parametrize("seconds", [0, 1])
async def test_a_wait_answers_in_time_with_the_run_as_it_is(acme: Caller, seconds: int):
    run = await acme.create()
    request = pb.WaitFineTuneRequest(name=run.name)
    request.timeout.seconds = seconds
    began = dt.datetime.now(dt.UTC)
    answer = await acme.fine_tunes.WaitFineTune(request, metadata=acme.metadata)
    assert answer.fine_tune.status.state == common.FINE_TUNE_STATE_QUEUED
    assert (dt.datetime.now(dt.UTC) - began).total_seconds() >= seconds
