"""Quotas through the front door, on both databases: every dimension, pools, bill and usage."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from tunesmith.v1 import catalog_pb2, common_pb2, dataset_pb2, fine_tune_pb2
from tunesmith.v1 import tenant_pb2 as pb
from tunesmith_server.bootstrap import Running
from tunesmith_server.settings import Settings

from tests.integration.admin import Admin
from tests.integration.asking import models
from tests.integration.calls import (
    ADMIN_KEY,
    ROWS,
    Caller,
    a_tenant,
    another_key,
    jsonl,
    limits,
    refused,
)
from tests.integration.training import training, until

DATA = jsonl(ROWS)


async def member(server: Any, id: str, **tenant: Any) -> Caller:
    """A caller of a new tenant with the dataset `numbers`."""
    admin = Admin(server.address)
    await admin.create_tenant(id, **tenant)
    caller = await another_key(admin, id, pb.ROLE_EDITOR)
    await caller.upload(DATA)
    return caller


async def a_base(server: Any, id: str, dollars_per_million: int = 0) -> None:
    """One more base model, of the tiny one's weights."""
    price = common_pb2.Price(
        training_per_million_tokens=common_pb2.Money(
            currency_code="USD", micros=dollars_per_million * 1_000_000
        )
    )
    admin = Caller(server.address, ADMIN_KEY)
    base = catalog_pb2.BaseModel(source="seeded:tiny", context_length=512, price=price)
    request = catalog_pb2.CreateBaseModelRequest(base_model_id=id, base_model=base)
    await admin.catalogue.CreateBaseModel(request, metadata=admin.metadata)


async def worst_case(caller: Caller, base: str = "tiny-random") -> tuple[int, int]:
    """Tokens and micros that a run reserves."""
    run = await caller.create(base_model=base, validate_only=True)
    return run.resolved.max_trained_tokens, run.resolved.max_cost.micros


@pytest.mark.parametrize(
    ("dimension", "runs"),
    [
        ("fine_tunes_queued", 2),
        ("fine_tunes_created_per_day", 2),
        ("models", 2),
        ("trained_tokens_per_month", 2),
        ("cost_per_month", 2),
        ("trained_tokens_per_job", None),
        ("cost_per_job", None),
    ],
)
async def test_a_limit_of_runs_admits_just_what_fits_and_says_what_does_not(
    server: Running, dimension: str, runs: int | None
):
    await a_base(server, "dear", dollars_per_million=3)
    caller = await member(server, "acme")
    tokens, micros = await worst_case(caller, "dear")
    assert micros == -(-tokens * 3_000_000 // 1_000_000)
    one = {"trained": tokens, "cost_p": micros}.get(dimension[:7].rstrip("_"), 1)
    one = micros if dimension.startswith("cost") else one
    admin = Admin(server.address)
    limit = one * (runs or 1) + one - 1 if runs else one - 1
    await admin.update("acme", limits=limits(**{dimension: limit}))
    for _ in range(runs or 0):
        await caller.create(base_model="dear")
    why, words = await refused(caller.create(base_model="dear"))
    used = one * (runs or 0)
    assert why == "QUOTA_EXCEEDED"
    assert words == (f"{dimension} (tenants/acme): {used} in use + {one} asked > {limit} allowed")
    row = (await caller.usage())[dimension]
    assert (row.used + row.reserved, row.limit, row.scope) == (used, limit, "tenants/acme")
    assert row.remaining == limit - used
    now = datetime.now(UTC)
    if dimension.endswith("_per_month"):
        assert row.reset_time.ToDatetime(UTC) > now
        assert (row.reset_time.ToDatetime().day, row.reset_time.ToDatetime().hour) == (1, 0)
    elif dimension.endswith("_per_day"):
        assert 0 < (row.reset_time.ToDatetime(UTC) - now).total_seconds() <= 86400
    else:
        assert not row.HasField("reset_time")
    await admin.update("acme", limits=limits(**{dimension: limit + one}))
    await caller.create(base_model="dear")


async def test_datasets_are_limited_by_number_and_by_bytes_while_they_stream(server: Running):
    admin = Admin(server.address)
    caller = await member(server, "acme")
    await admin.update("acme", limits=limits(datasets=2, dataset_bytes=3 * len(DATA)))
    await caller.upload(DATA, "two")
    why, words = await refused(caller.upload(DATA, "three"))
    assert (why, words) == (
        "QUOTA_EXCEEDED",
        "datasets (tenants/acme): 2 in use + 1 asked > 2 allowed",
    )
    # a new version of a name takes bytes, but no place
    await caller.upload(jsonl(ROWS[::-1]), "two")
    sent = Counter[str]()

    async def endless() -> Any:
        header = dataset_pb2.UploadHeader(parent="tenants/-", dataset_id="two")
        yield dataset_pb2.UploadDatasetRequest(header=header)
        while sent["chunks"] < 10_000:
            chunk = dataset_pb2.UploadChunk(offset=sent["bytes"], data=DATA)
            sent["chunks"] += 1
            sent["bytes"] += len(DATA)
            yield dataset_pb2.UploadDatasetRequest(chunk=chunk)

    why, words = await refused(caller.datasets.UploadDataset(endless(), metadata=caller.metadata))
    assert why == "QUOTA_EXCEEDED"
    assert words.startswith(f"dataset_bytes (tenants/acme): {3 * len(DATA)} in use + ")
    assert sent["chunks"] < 10_000  # refused in the middle, not at the end
    for id in ("numbers", "two"):
        request = dataset_pb2.DeleteDatasetRequest(name=f"tenants/-/datasets/{id}")
        await caller.datasets.DeleteDataset(request, metadata=caller.metadata)
    usage = await caller.usage()
    assert [usage[d].reserved for d in ("datasets", "dataset_bytes")] == [0, 0]


async def test_two_children_share_what_their_parent_has_and_each_keeps_to_its_own(server: Running):
    admin = Admin(server.address)
    await admin.create_tenant("house", limits=limits(fine_tunes_queued=3))
    below = {"parent_tenant": "tenants/house"}
    one = await member(server, "one", limits=limits(fine_tunes_queued=2), **below)
    two = await member(server, "two", **below)
    free = await member(server, "free", limits=limits(fine_tunes_queued=None), **below)
    for _ in range(2):
        await one.create()
    why, words = await refused(one.create())
    assert (why, "(tenants/one): 2 in use" in words) == ("QUOTA_EXCEEDED", True)
    run = await two.create()
    why, words = await refused(two.create())
    assert (why, "(tenants/house): 3 in use" in words) == ("QUOTA_EXCEEDED", True)
    row = (await two.usage())["fine_tunes_queued"]
    assert (row.limit, row.reserved, row.remaining, row.scope) == (3, 3, 0, "tenants/house")
    await free.create()  # explicitly unlimited, but counted above
    house = (await admin.usage("house"))["fine_tunes_queued"]
    assert (house.reserved, house.remaining) == (4, 0)
    await two.cancel(run.name)
    assert (await refused(two.create()))[0] == "QUOTA_EXCEEDED"
    assert "fine_tunes_queued" in await free.usage()


async def test_a_limit_of_one_base_binds_it_alone_and_counts_what_is_there_when_it_is_set(
    server: Running,
):
    await a_base(server, "other")
    admin = Admin(server.address)
    caller = await member(server, "acme")
    first = await caller.create()
    await caller.create(base_model="other")
    await admin.update("acme", limits=limits(fine_tunes_queued__tiny_random=2))
    row = (await caller.usage())["fine_tunes_queued@tiny-random"]
    assert (row.reserved, row.limit) == (1, 2)
    await caller.create()
    why, words = await refused(caller.create())
    assert (why, words) == (
        "QUOTA_EXCEEDED",
        "fine_tunes_queued (tenants/acme for tiny-random): 2 in use + 1 asked > 2 allowed",
    )
    await caller.create(base_model="other")
    await caller.cancel(first.name)
    await caller.create()
    assert (await caller.usage())["fine_tunes_queued@tiny-random"].reserved == 2


async def test_a_limit_of_runs_at_once_keeps_others_waiting_whatever_slots_are_free(
    server_settings: Settings,
):
    async with training(server_settings, slots=3) as server:
        await a_base(server, "other")
        limit = limits(fine_tunes_running=2, fine_tunes_running__tiny_random=1)
        caller = await member(server, "acme", limits=limit)
        runs = [await caller.create() for _ in range(3)]
        other = await caller.create(base_model="other")
        await until(caller, runs[0].name, "RUNNING")
        await until(caller, other.name, "RUNNING")  # the head of the queue does not block it
        usage = await caller.usage()
        assert usage["fine_tunes_running"].reserved == 2
        assert usage["fine_tunes_running@tiny-random"].reserved == 1
        assert usage["fine_tunes_queued"].reserved == 2
        server.let(runs[0])
        await until(caller, runs[0].name, "SUCCEEDED")
        await until(caller, runs[1].name, "RUNNING")
        assert (await caller.usage())["fine_tunes_running@tiny-random"].reserved == 1


async def test_at_the_end_tokens_and_cost_are_what_was_trained_and_the_rest_is_given_back(
    server_settings: Settings,
):
    async with training(server_settings, "prepared,trained=500,wait=go,succeed") as server:
        await a_base(server, "dear", dollars_per_million=3)
        caller = await member(server, "acme")
        run = await caller.create(base_model="dear")
        await until(caller, run.name, "RUNNING")
        server.let(run)
        done = await until(caller, run.name, "SUCCEEDED")
        assert done.status.usage.cost.micros == 1500
        usage = await caller.usage()
        held = {d: (row.used, row.reserved) for d, row in usage.items() if row.used or row.reserved}
        assert held == {
            "cost_per_month": (1500, 0),
            "datasets": (0, 1),
            "dataset_bytes": (0, len(DATA)),
            "fine_tunes_created_per_day": (1, 0),
            "models": (0, 1),
            "trained_tokens_per_month": (500, 0),
        }
        await bill_is_usage(caller)


async def bill_is_usage(caller: Caller) -> None:
    """The sums over the bill, in small pages, are what usage says."""
    used, reserved, token, places = Counter[str](), Counter[str](), "", 0
    while True:
        request = pb.ListLedgerRequest(parent="tenants/-", page_size=3, page_token=token)
        page = await caller.tenants.ListLedger(request, metadata=caller.metadata)
        for entry in page.entries:
            key = entry.dimension + (f"@{entry.base_model}" if entry.base_model else "")
            used[key] += entry.used_change
            reserved[key] += entry.reserved_change
            places += 1
        if not (token := page.next_page_token):
            break
    assert places > 3
    usage = await caller.usage()
    for key in {*used, *usage}:
        row = usage.get(key)
        found = (row.used, row.reserved) if row else (0, 0)
        assert (used[key], reserved[key]) == found, key


async def test_the_bill_sums_up_to_the_usage_whatever_has_happened(server: Running):
    caller = await member(server, "acme", limits=limits(fine_tunes_queued__tiny_random=9))
    runs = [await caller.create() for _ in range(4)]
    await caller.cancel(runs[0].name)
    request = fine_tune_pb2.PauseFineTuneRequest(name=runs[1].name)
    await caller.fine_tunes.PauseFineTune(request, metadata=caller.metadata)
    await refused(caller.create(base_model="absent"))
    await caller.create(validate_only=True)
    await bill_is_usage(caller)
    usage = await caller.usage()
    assert usage["fine_tunes_queued"].reserved == 2
    assert usage["trained_tokens_per_month"].reserved > 0


async def test_checkpoints_count_while_they_are_kept_and_one_too_many_ends_the_run_with_a_model(
    server_settings: Settings,
):
    script = (
        "prepared,checkpoint=1:40,checkpoint=2:50,checkpoint=3:60,wait=go,checkpoint=4:90,wait=x"
    )
    async with training(server_settings, script) as server:
        caller = await member(server, "acme", limits=limits(checkpoint_bytes=120))
        run = await caller.create()
        await until(caller, run.name, "RUNNING")
        async for response in caller.watch(run.name):
            if any(event.checkpoint_created.step == 3 for event in response.events):
                break
        row = (await caller.usage())["checkpoint_bytes"]
        assert (row.reserved, row.limit) == (110, 120)  # it keeps two
        server.let(run)
        done = await until(caller, run.name, "STOPPED_AT_LIMIT")
        assert done.status.reason == "BUDGET_REACHED"
        assert done.status.model
        texts = [e.message async for r in caller.watch(run.name) for e in r.events]
        told = "checkpoint_bytes (tenants/acme): 0 in use + 150 asked > 120 allowed"
        assert any(told in text for text in texts), texts
        # from now on the adapters count that were kept with the model
        (model,) = await models(caller)
        kept = sum(each.size_bytes for each in model.checkpoints)
        assert [each.step for each in model.checkpoints] == [3, 4]
        assert (await caller.usage())["checkpoint_bytes"].reserved == kept < 110
        await bill_is_usage(caller)


async def test_a_pools_budget_that_is_lowered_ends_all_that_train_on_it_with_their_models(
    server_settings: Settings,
):
    script = "prepared,trained=300,wait=go,trained=301,wait=x"
    async with training(server_settings, script, slots=2) as server:
        admin = Admin(server.address)
        await admin.create_tenant("house")
        callers = [await member(server, id, parent_tenant="tenants/house") for id in ("one", "two")]
        runs = [await caller.create() for caller in callers]
        for caller, run in zip(callers, runs, strict=True):
            async for response in caller.watch(run.name):
                if any(event.metrics_reported.step for event in response.events):
                    break
        # neither has come to it alone: both together have
        await admin.update("house", limits=limits(trained_tokens_per_month=500))
        for caller, run in zip(callers, runs, strict=True):
            server.let(run)
            done = await until(caller, run.name, "STOPPED_AT_LIMIT")
            assert (done.status.reason, done.status.usage.trained_tokens) == ("BUDGET_REACHED", 301)
            assert done.status.model
        row = (await admin.usage("house"))["trained_tokens_per_month"]
        assert (row.used, row.reserved, row.remaining) == (602, 0, 0)
        assert (await refused(callers[0].create()))[0] == "QUOTA_EXCEEDED"


async def test_a_default_of_the_platform_says_so(server: Running):
    caller = await a_tenant(server.address, "acme")
    row = (await caller.usage())["fine_tunes_queued"]
    assert (row.limit, row.scope, row.remaining) == (100, "platform", 100)
