"""Tenants, limits and keys from Python and the command line against the real service."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from tunesmith import (
    AlreadyExistsError,
    AsyncClient,
    AuthenticationError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
)
from tunesmith._resources.specs import RunOptions
from tunesmith.v1 import common_pb2
from tunesmith.v1 import tenant_pb2 as pb
from tunesmith_server.bootstrap import Running

from tests.integration.calls import ADMIN_KEY, Caller

ROOT = Path(__file__).parents[2]


async def test_a_tenant_is_made_read_and_listed_with_its_limits(server: Running):
    async with AsyncClient(server.address, ADMIN_KEY) as admin:
        made = await admin.tenants.create(
            "acme",
            display_name="Acme",
            labels={"tier": "gold"},
            limits={"fine_tunes_queued": 5, "trained_tokens_per_job": None},
        )
        await admin.tenants.create("globex")
        assert await admin.tenants.get("acme") == made
        limits = {one.dimension: one.WhichOneof("limit") for one in made.limits}
        assert limits == {"fine_tunes_queued": "value", "trained_tokens_per_job": "unlimited"}
        listed = [tenant.name async for tenant in admin.tenants.list()]
        assert listed == ["tenants/globex", "tenants/acme"]
        with pytest.raises(AlreadyExistsError):
            await admin.tenants.create("acme")
        with pytest.raises(InvalidArgumentError, match="datasetz"):
            await admin.tenants.create("initech", limits={"datasetz": 1})


async def test_usage_tells_what_is_held_of_each_limit(server: Running, acme: Caller):
    async with AsyncClient(server.address, ADMIN_KEY) as admin:
        await admin.tenants.create("globex", limits={"fine_tunes_queued": 3})
        usage = await admin.tenants.usage("globex")
        (queued,) = [one for one in usage.dimensions if one.dimension == "fine_tunes_queued"]
        assert (queued.limit, queued.used + queued.reserved) == (3, 0)
    async with AsyncClient(acme.address, acme.key) as client:
        await client.fine_tunes.create("numbers", "tiny-random")
        usage = await client.tenants.usage()
        held = {one.dimension: one.used + one.reserved for one in usage.dimensions}
        assert held["fine_tunes_queued"] == 1


async def test_a_key_works_until_it_is_revoked(server: Running):
    async with AsyncClient(server.address, ADMIN_KEY) as admin:
        await admin.tenants.create("acme")
        soon = datetime.now(UTC) + timedelta(days=90)
        made = await admin.keys.create("acme", "viewer", expire_time=soon)
        assert abs(made.api_key.expire_time.ToDatetime(UTC) - soon) < timedelta(seconds=1)
        async with AsyncClient(server.address, made.secret) as viewer:
            assert (await viewer.whoami()).role == pb.ROLE_VIEWER
            await admin.keys.revoke(made.api_key.name)
            with pytest.raises(AuthenticationError):
                await viewer.whoami()
        (listed,) = [key async for key in admin.keys.list("acme")]
        assert listed.HasField("revoke_time")


async def test_single_limits_are_set_and_given_up_under_the_etag(server: Running):
    async with AsyncClient(server.address, ADMIN_KEY) as admin:
        tenant = await admin.tenants.create("acme", limits={"fine_tunes_queued": 5})
        await asyncio.gather(
            admin.tenants.set_limits("acme", {"trained_tokens_per_month@tiny-random": 7}),
            admin.tenants.set_limits("acme", {"cost_per_month": 12_500_000}),
        )
        after = await admin.tenants.set_limits(
            "acme", {"fine_tunes_running": None}, inherit=["fine_tunes_queued"]
        )
        assert {(one.dimension, one.base_model): one.value for one in after.limits} == {
            ("trained_tokens_per_month", "tiny-random"): 7,
            ("cost_per_month", ""): 12_500_000,
            ("fine_tunes_running", ""): 0,
        }
        with pytest.raises(ConflictError) as changed:
            await admin.tenants.update("acme", display_name="Acme", etag=tenant.etag)
        assert changed.value.reason == "ETAG_MISMATCH"


async def test_a_suspended_tenant_reads_and_does_nothing_else(server: Running, acme: Caller):
    async with (
        AsyncClient(server.address, ADMIN_KEY) as admin,
        AsyncClient(acme.address, acme.key) as client,
    ):
        suspended = await admin.tenants.suspend("acme", "unpaid", running="pause")
        assert (suspended.state, suspended.suspend_reason) == (pb.TENANT_STATE_SUSPENDED, "unpaid")
        with pytest.raises(PermissionDeniedError) as refused:
            await client.fine_tunes.create("numbers", "tiny-random")
        assert refused.value.reason == "TENANT_SUSPENDED"
        assert (await client.tenants.get()).suspend_reason == "unpaid"
        assert (await admin.tenants.resume("acme")).state == pb.TENANT_STATE_ACTIVE
        await client.fine_tunes.create("numbers", "tiny-random")


async def test_a_tenant_that_has_something_is_deleted_by_a_confirmed_cascade_alone(
    server: Running, acme: Caller
):
    async with AsyncClient(server.address, ADMIN_KEY) as admin:
        with pytest.raises(ConflictError) as used:
            await admin.tenants.delete("acme")
        assert used.value.reason == "RESOURCE_IN_USE"
        with pytest.raises(InvalidArgumentError, match="confirm"):
            await admin.tenants.delete("acme", cascade=True, confirm="acm")
        await admin.tenants.delete("acme", cascade=True, confirm="acme")
        with pytest.raises(NotFoundError):
            await admin.tenants.get("acme")


async def test_a_rotated_key_and_its_successor_work_for_the_overlap(server: Running):
    async with AsyncClient(server.address, ADMIN_KEY) as admin:
        await admin.tenants.create("acme")
        old = await admin.keys.create("acme", "viewer")
        new = await admin.keys.rotate(old.api_key.name, overlap=timedelta(hours=1))
        for secret in (old.secret, new.secret):
            async with AsyncClient(server.address, secret) as holder:
                assert (await holder.whoami()).role == pb.ROLE_VIEWER
        newest = await admin.keys.rotate(new.api_key.name, overlap=timedelta(0))
        async with AsyncClient(server.address, new.secret) as holder:
            with pytest.raises(AuthenticationError):
                await holder.whoami()
        async with AsyncClient(server.address, newest.secret) as holder:
            assert (await holder.whoami()).tenant == "tenants/acme"


async def test_a_repeated_request_makes_one_key_and_shows_its_secret_once(server: Running):
    async with AsyncClient(server.address, ADMIN_KEY) as admin:
        await admin.tenants.create("acme")
        id = str(uuid.uuid4())
        first, again = [await admin.keys.create("acme", request_id=id) for _ in range(2)]
        assert (again.api_key, again.secret) == (first.api_key, "")
        assert len([key async for key in admin.keys.list("acme")]) == 1


async def test_the_bill_adds_up_and_the_audit_knows_who_did_what(server: Running, acme: Caller):
    async with AsyncClient(acme.address, acme.key) as client:
        run = await client.fine_tunes.create("numbers", "tiny-random")
        await client.fine_tunes.cancel(run.name)
        held: Counter[str] = Counter()
        for entry in [entry async for entry in client.tenants.ledger()]:
            held[entry.dimension] += entry.reserved_change
        assert held["fine_tunes_queued"] == 0
    async with AsyncClient(server.address, ADMIN_KEY) as admin:
        events = [event async for event in admin.tenants.audit("acme")]
        methods = [event.method.rpartition("/")[2] for event in events]
        assert "CreateFineTune" in methods
        assert "CancelFineTune" in methods


async def test_what_is_planned_is_created_and_then_steered(acme: Caller):
    options: RunOptions = {"n_epochs": 2, "suffix": "support", "max_trained_tokens": 100_000}
    async with AsyncClient(acme.address, acme.key) as client:
        plan = await client.fine_tunes.plan("numbers", "tiny-random", **options)
        assert not plan.findings
        assert plan.total_steps > 0
        assert plan.fine_tune.resolved.values
        run = await client.fine_tunes.create(
            "numbers", "tiny-random", plan_token=plan.plan_token, id="r1", **options
        )
        changed = await client.fine_tunes.update(
            "r1",
            labels={"team": "search"},
            priority=5,
            hold=True,
            max_cost="12.50",
            remove_limits=["max_trained_tokens"],
        )
        limits, placement = changed.spec.limits, changed.spec.placement
        assert (limits.max_cost.micros, placement.priority, placement.hold) == (12_500_000, 5, True)
        assert not limits.HasField("max_trained_tokens")
        assert dict(changed.labels) == {"team": "search"}
        why = await client.fine_tunes.explain("r1")
        assert why.wait_reason == common_pb2.WAIT_REASON_HELD
        assert why.summary
        paused = await client.fine_tunes.pause("r1")
        assert paused.status.state == common_pb2.FINE_TUNE_STATE_PAUSED
        resumed = await client.fine_tunes.resume(run.name)
        assert resumed.status.state == common_pb2.FINE_TUNE_STATE_QUEUED
        wrong = await client.fine_tunes.plan("numbers", "tiny-random", n_epochs=900, batch_size=0)
        assert len(wrong.findings) == 2
        assert not wrong.plan_token


async def test_the_command_does_the_same(server: Running):
    """In a process of its own: the service writes its log to the stdout of this one."""
    outside = {"TUNESMITH_ADDRESS": server.address, "TUNESMITH_API_KEY": ADMIN_KEY}

    async def tunesmith(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tunesmith.cli", *arguments),
            env={**os.environ, **outside, "PYTHONPATH": str(ROOT / "client")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()

    limit = ("--limit", "trained_tokens_per_month=5M", "--limit", "fine_tunes_running=unlimited")
    await tunesmith("tenants", "create", "acme", *limit)
    quotas = json.loads(await tunesmith("quotas", "get", "acme", "-o", "json"))
    limits = {quota["dimension"]: quota.get("limit") for quota in quotas}
    assert limits["trained_tokens_per_month"] == "5000000"
    assert limits["fine_tunes_running"] is None
    assert "trained_tokens_per_month" in await tunesmith("usage", "acme")
    created = yaml.safe_load(await tunesmith("keys", "create", "--tenant", "acme", "-o", "yaml"))
    id = created["apiKey"]["name"].rpartition("/")[2]
    assert "revoked" in await tunesmith("keys", "revoke", id, "--tenant", "acme")
    await tunesmith("quotas", "set", "acme", "dataset_bytes=10GiB", "fine_tunes_running=inherit")
    assert "10 GiB" in await tunesmith("quotas", "get", "acme")
    exported = (await tunesmith("audit", "-o", "jsonl")).splitlines()
    assert json.loads(exported[0])["method"].endswith("UpdateTenant")
    await tunesmith("tenants", "delete", "acme", "--cascade", "--confirm", "acme")
