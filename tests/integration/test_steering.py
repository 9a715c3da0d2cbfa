"""Changing runs that were submitted, through the front door, on both databases."""

import itertools
import uuid
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from tunesmith.v1 import common_pb2 as common
from tunesmith.v1 import fine_tune_pb2 as pb
from tunesmith_server.settings import Settings

from tests.integration.admin import Admin
from tests.integration.calls import ROWS, Caller, a_tenant, jsonl, limits, refused
from tests.integration.test_quota import bill_is_usage
from tests.integration.training import training, until


async def update(
    caller: Caller, name: str, *mask: str, request_id: str = "", **changes: Any
) -> pb.UpdateFineTuneResponse:
    """Update what is given: spec fields in `spec`, everything else of the run itself."""
    spec = pb.FineTuneSpec(**changes.pop("spec", {}))
    run = pb.FineTune(name=name, **changes)
    if spec.ListFields():
        run.spec.CopyFrom(spec)
    request = pb.UpdateFineTuneRequest(
        fine_tune=run, update_mask=FieldMask(paths=mask), request_id=request_id
    )
    return await caller.fine_tunes.UpdateFineTune(request, metadata=caller.metadata)


async def pause(caller: Caller, name: str) -> pb.FineTune:
    request = pb.PauseFineTuneRequest(name=name)
    return (await caller.fine_tunes.PauseFineTune(request, metadata=caller.metadata)).fine_tune


async def resume(caller: Caller, name: str) -> pb.FineTune:
    request = pb.ResumeFineTuneRequest(name=name)
    return (await caller.fine_tunes.ResumeFineTune(request, metadata=caller.metadata)).fine_tune


def capped(tokens: int) -> dict[str, Any]:
    return {"limits": pb.FineTuneLimits(max_trained_tokens=tokens)}


async def test_an_update_changes_what_may_change_and_names_what_may_not(acme: Caller):
    run = await acme.create(fine_tune_id="bot", suffix="bot")
    changed = await update(acme, run.name, labels={"team": "x"}, display_name="The bot")
    assert changed.outcome == common.UPDATE_OUTCOME_CONFIGURED
    after = changed.fine_tune
    assert (dict(after.labels), after.display_name) == ({"team": "x"}, "The bot")
    same = await update(acme, run.name, "display_name", display_name="The bot")
    assert (same.outcome, same.fine_tune.etag) == (common.UPDATE_OUTCOME_UNCHANGED, after.etag)
    stale = update(acme, run.name, display_name="x", etag=run.etag)
    assert (await refused(stale))[0] == "ETAG_MISMATCH"
    for mask, spec in (
        (["spec.base_model"], {"base_model": "ada"}),
        ([], {"suffix": "other"}),
        (["spec"], {}),
        (["spec.placement.backends"], {}),
    ):
        why, words = await refused(update(acme, run.name, *mask, spec=spec))
        assert (why, "is fixed once submitted" in words) == ("FIELD_IMMUTABLE", True)
    why, words = await refused(update(acme, run.name, "colour", "status.message"))
    assert (why, "colour, status.message cannot be set" in words) == ("FIELD_INVALID", True)
    await acme.cancel(run.name)
    late = update(acme, run.name, spec={"placement": pb.Placement(priority=1)})
    assert (await refused(late))[0] == "FIELD_IMMUTABLE"
    await update(acme, run.name, labels={"team": "y"})  # of what has ended, too
    texts = [e.message async for r in acme.watch(run.name) for e in r.events]
    assert texts.count("Fine-tune updated") == 2


async def test_a_repeated_update_answers_as_the_first_did(acme: Caller):
    run = await acme.create()
    for display_name in ("new", "new"):
        request_id = str(uuid.uuid4())
        first, second = [
            await update(acme, run.name, request_id=request_id, display_name=display_name)
            for _ in range(2)
        ]
        assert first == second


async def test_priority_reorders_a_tenants_queue_and_a_hold_takes_out_of_it(
    server_settings: Settings,
):
    async with training(server_settings) as server:
        acme = await a_tenant(server.address, "acme")
        await acme.upload(jsonl(ROWS))
        first = await acme.create()
        await until(acme, first.name, "RUNNING")
        runs = [await acme.create(fine_tune_id=id) for id in ("one", "two", "three")]
        await update(acme, runs[2].name, spec={"placement": pb.Placement(priority=50)})
        held = await update(
            acme, runs[0].name, "spec.placement.hold", spec={"placement": pb.Placement(hold=True)}
        )
        assert held.fine_tune.status.wait_reason == common.WAIT_REASON_HELD
        order = [first, runs[2], runs[1]]
        for before, after in itertools.pairwise(order):
            server.let(before)
            await until(acme, before.name, "SUCCEEDED")
            await until(acme, after.name, "RUNNING")
        server.let(order[-1])
        await until(acme, order[-1].name, "SUCCEEDED")
        assert (await acme.get(runs[0].name)).status.wait_reason == common.WAIT_REASON_HELD
        await update(acme, runs[0].name, "spec.placement.hold")
        await until(acme, runs[0].name, "RUNNING")


async def test_limits_of_a_waiting_run_change_what_it_reserves_within_the_quota(acme: Caller):
    admin = Admin(acme.address)
    run = await acme.create()
    whole = run.resolved.max_trained_tokens
    lowered = (await update(acme, run.name, spec=capped(100))).fine_tune
    assert (lowered.resolved.max_trained_tokens, lowered.status.reserved_tokens) == (100, 100)
    assert (await acme.usage())["trained_tokens_per_month"].reserved == 100
    for limit in ("trained_tokens_per_month", "trained_tokens_per_job"):
        await admin.update("acme", limits=limits(**{limit: 200}))
        assert (await update(acme, run.name, spec=capped(200))).fine_tune.resolved
        for call in (
            update(acme, run.name, spec=capped(201)),
            update(acme, run.name, "spec.limits"),  # no cap at all
        ):
            why, words = await refused(call)
            assert (why, f"{limit} (tenants/acme)" in words) == ("QUOTA_EXCEEDED", True)
        assert (await acme.usage())["trained_tokens_per_month"].reserved == 200
    await admin.update("acme", "limits")
    freed = (await update(acme, run.name, "spec.limits")).fine_tune
    assert freed.resolved.max_trained_tokens == whole
    assert not freed.spec.HasField("limits")
    await bill_is_usage(acme)


async def test_a_waiting_run_is_paused_at_once_and_resumed_within_the_quota(acme: Caller):
    admin = Admin(acme.address)
    await admin.update("acme", limits=limits(fine_tunes_queued=1))
    run = await acme.create()
    stopped = await pause(acme, run.name)
    assert stopped.status.state == common.FINE_TUNE_STATE_PAUSED
    assert (await pause(acme, run.name)).etag == stopped.etag
    usage = await acme.usage()
    assert usage["fine_tunes_queued"].reserved == 0
    assert usage["trained_tokens_per_month"].reserved == stopped.status.reserved_tokens
    other = await acme.create()
    assert (await refused(resume(acme, run.name)))[0] == "QUOTA_EXCEEDED"
    await acme.cancel(other.name)
    queued = await resume(acme, run.name)
    assert queued.status.state == common.FINE_TUNE_STATE_QUEUED
    assert (await resume(acme, run.name)).status.state == common.FINE_TUNE_STATE_QUEUED
    await acme.cancel(run.name)
    for call in (pause(acme, run.name), resume(acme, run.name)):
        assert (await refused(call))[0] == "STATE_FORBIDS"
    await bill_is_usage(acme)


async def test_a_run_under_way_pauses_gives_its_slot_to_others_and_goes_on_as_a_next_attempt(
    server_settings: Settings,
):
    async with training(server_settings, "prepared,trained=100,wait=go,succeed") as server:
        acme = await a_tenant(server.address, "acme")
        await acme.upload(jsonl(ROWS))
        first = await acme.create(fine_tune_id="first")
        await until(acme, first.name, "RUNNING")
        second = await acme.create(fine_tune_id="second")
        stopping = await pause(acme, first.name)
        assert stopping.status.state == common.FINE_TUNE_STATE_PAUSING
        stopped = await until(acme, first.name, "PAUSED")
        assert (stopped.status.reason, stopped.status.attempt) == ("CALLER", 1)
        await until(acme, second.name, "RUNNING")

        cheaper = update(acme, first.name, spec=capped(99))
        why, words = await refused(cheaper)
        assert (why, "99 tokens are fewer than the 100 trained already" in words) == (
            "FIELD_INVALID",
            True,
        )
        await update(acme, first.name, spec=capped(150))
        assert (await acme.get(first.name)).status.reserved_tokens == 150
        await resume(acme, first.name)
        server.let(second)
        await until(acme, second.name, "SUCCEEDED")
        going = await until(acme, first.name, "RUNNING")
        assert going.status.attempt == 2

        raised = update(acme, first.name, spec=capped(151))
        assert (await refused(raised))[0] == "STATE_FORBIDS"
        longer = pb.FineTuneLimits(max_trained_tokens=150, max_run_time=Duration(seconds=9))
        why, words = await refused(update(acme, first.name, spec={"limits": longer}))
        assert (why, "pause it" in words) == ("STATE_FORBIDS", True)
        server.let(first, attempt=2)
        done = await until(acme, first.name, "SUCCEEDED")
        assert done.status.model
        await bill_is_usage(acme)


async def test_a_cap_that_is_lowered_below_what_a_run_has_trained_ends_it_with_its_model(
    server_settings: Settings,
):
    script = "prepared,trained=100,wait=go,trained=101,wait=x"
    async with training(server_settings, script) as server:
        acme = await a_tenant(server.address, "acme")
        await acme.upload(jsonl(ROWS))
        run = await acme.create()
        await until(acme, run.name, "RUNNING")
        await update(acme, run.name, spec=capped(101))
        server.let(run)
        done = await until(acme, run.name, "STOPPED_AT_LIMIT")
        assert (done.status.reason, bool(done.status.model)) == ("BUDGET_REACHED", True)
        usage = await acme.usage()
        assert usage["trained_tokens_per_month"].used == 101
        await bill_is_usage(acme)


@pytest.mark.parametrize("size", [1, 2, 1000])
async def test_events_are_listed_in_pages_that_join_up_and_from_any_cursor_on(
    acme: Caller, size: int
):
    run = await acme.create(placement=pb.Placement(hold=True))
    for number in range(4):
        await update(acme, run.name, display_name=f"name {number}")
    await acme.cancel(run.name)
    whole = [e async for response in acme.watch(run.name) for e in response.events]

    async def listed(**request: Any) -> pb.ListFineTuneEventsResponse:
        message = pb.ListFineTuneEventsRequest(parent=run.name, page_size=size, **request)
        return await acme.fine_tunes.ListFineTuneEvents(message, metadata=acme.metadata)

    seen, cursors, page = [], [], await listed()
    while True:
        seen += page.events
        cursors.append(page.cursor)
        if not page.next_page_token:
            break
        page = await listed(page_token=page.next_page_token)
    assert seen == whole
    for cursor in cursors:
        after = await listed(cursor=cursor)
        rest = [e async for response in acme.watch(run.name, cursor) for e in response.events]
        assert list(after.events) == rest[:size]
    if size == 1:
        both = listed(cursor=cursors[0], page_token=(await listed()).next_page_token)
        why, words = await refused(both)
        assert (why, "cursor" in words) == ("FIELD_INVALID", True)
    assert (await refused(listed(cursor="forged")))[0] == "CURSOR_INVALID"
