"""Pauses, budgets and suspensions of real training, in the real daemon."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tunesmith.v1 import common_pb2, fine_tune_pb2, model_pb2

from tests.e2e.daemon import Daemon
from tests.e2e.test_service import epochs
from tests.integration.admin import Admin
from tests.integration.calls import ROWS, Caller, a_tenant, jsonl, limits
from tests.integration.test_steering import pause, resume
from tests.integration.training import until

WITHIN = 100.0


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    """Two at once, so that what is compared trains side by side."""
    daemon = Daemon(tmp_path, TUNESMITH_LOCAL__SLOTS="2")
    await daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
async def acme(daemon: Daemon) -> Caller:
    caller = await a_tenant(daemon.address, "acme")
    await caller.upload(jsonl(ROWS))
    return caller


async def trained(caller: Caller, name: str, steps: int = 3) -> None:
    """Wait until the run has trained so many steps."""
    async for response in caller.watch(name):
        if any(event.metrics_reported.step >= steps for event in response.events):
            return
    raise AssertionError(f"{name} ended before step {steps}")


async def model_of(caller: Caller, run: fine_tune_pb2.FineTune) -> model_pb2.Model:
    request = model_pb2.GetModelRequest(name=run.status.model)
    return (await caller.models.GetModel(request, metadata=caller.metadata)).model


async def answer(caller: Caller, model: str) -> Any:
    request = model_pb2.CompleteRequest(
        model=model,
        prompts=[model_pb2.Prompt(text=ROWS[0]["prompt"])],
        sampling=model_pb2.Sampling(max_tokens=2, temperature=0),
    )
    return await caller.models.Complete(request, metadata=caller.metadata)


@pytest.mark.slow
async def test_a_training_that_was_paused_and_killed_over_ends_with_the_same_bits(
    daemon: Daemon, acme: Caller
):
    async with asyncio.timeout(WITHIN):
        calm, disturbed = [await acme.create(supervised=epochs(40)) for _ in range(2)]
        await trained(acme, disturbed.name)
        await pause(acme, disturbed.name)
        stopped = await until(acme, disturbed.name, "PAUSED")
        assert 0 < stopped.status.progress.step < 200
        await resume(acme, disturbed.name)
        await until(acme, disturbed.name, "RUNNING")
        await trained(acme, disturbed.name, stopped.status.progress.step + 3)
        await pause(acme, disturbed.name)
        daemon.kill()  # while it is pausing
        await daemon.start()
        await until(acme, disturbed.name, "PAUSED")
        await resume(acme, disturbed.name)
        ended = [await until(acme, run.name, "SUCCEEDED") for run in (calm, disturbed)]
    assert ended[1].status.attempt == 3
    models = daemon.log.parent / "data" / "models"  # a digest of the whole folder names its run
    weights = [
        hashlib.sha256((models / run.uid / "adapter_model.safetensors").read_bytes()).hexdigest()
        for run in ended
    ]
    assert weights[0] == weights[1]
    events = [e async for response in acme.watch(disturbed.name) for e in response.events]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    usage = await acme.usage()
    tokens = [run.status.usage.trained_tokens for run in ended]
    assert tokens[0] == tokens[1]
    row = usage["trained_tokens_per_month"]
    assert (row.used, row.reserved) == (sum(tokens), 0)


async def test_a_run_stops_at_its_cap_of_tokens_with_a_model_that_answers(acme: Caller):
    cap = fine_tune_pb2.FineTuneLimits(max_trained_tokens=1500)
    async with asyncio.timeout(WITHIN):
        run = await acme.create(supervised=epochs(40), limits=cap)
        done = await until(acme, run.name, "STOPPED_AT_LIMIT")
        assert done.status.reason == "MAX_TRAINED_TOKENS"
        row = (await acme.usage())["trained_tokens_per_month"]
        assert 0 < row.used == done.status.usage.trained_tokens <= 1500
        assert row.reserved == 0
        assert (await answer(acme, done.status.model)).usage.completion_tokens > 0


async def test_a_month_that_is_cut_short_and_a_suspension_each_do_what_they_say(
    daemon: Daemon, acme: Caller
):
    admin = Admin(daemon.address)
    other = await a_tenant(daemon.address, "other")
    await other.upload(jsonl(ROWS))
    async with asyncio.timeout(WITHIN):
        cut = await acme.create(supervised=epochs(50))
        paused = await other.create(supervised=epochs(30))
        await trained(acme, cut.name)
        await admin.update("acme", limits=limits(trained_tokens_per_month=1))
        await trained(other, paused.name)
        await admin.suspend("other", "PAUSE", "unpaid")
        stopped = await until(other, paused.name, "PAUSED")
        assert stopped.status.reason == "TENANT_SUSPENDED"
        done = await until(acme, cut.name, "STOPPED_AT_LIMIT")
        assert done.status.reason == "BUDGET_REACHED"
        assert (await model_of(acme, done)).digest
        assert (await acme.usage())["trained_tokens_per_month"].reserved == 0
        await admin.resume("other")
        finished = await until(other, paused.name, "SUCCEEDED")
    assert finished.status.attempt == 2
    assert finished.status.progress.step == finished.status.progress.total_steps == 150
    assert finished.status.state == common_pb2.FINE_TUNE_STATE_SUCCEEDED
