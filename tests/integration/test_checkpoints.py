"""Checkpoints as models: kept with the model of their run, asked, counted, gone with it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tunesmith.v1 import fine_tune_pb2
from tunesmith_server.settings import Settings

from tests.integration.asking import Engine, ask, delete, engine, model, models
from tests.integration.calls import ROWS, Caller, a_tenant, jsonl, refused
from tests.integration.training import Training, training, until

_SCRIPT = "prepared,metrics=3,checkpoint=1:500,checkpoint=2:500,checkpoint=3:500,wait=go,succeed"
_ADAPTER_BYTES = len(b"{}") + len(b"of step 1")


@pytest.fixture
def answering() -> Iterator[Engine]:
    with engine() as found:
        yield found


@pytest.fixture
async def trained(server_settings: Settings, answering: Engine) -> AsyncIterator[Training]:
    async with training(server_settings, _SCRIPT) as running:
        yield running


async def a_run(
    running: Training, limits: dict[str, int] | None = None, **spec: Any
) -> tuple[Caller, fine_tune_pb2.FineTune]:
    """A run that has become a model."""
    caller = await a_tenant(running.address, "acme", limits)
    await caller.upload(jsonl(ROWS))
    return caller, await again(running, caller, **spec)


async def again(running: Training, caller: Caller, **spec: Any) -> fine_tune_pb2.FineTune:
    run = await caller.create(**spec)
    await until(caller, run.name, "RUNNING")
    running.let(run)
    return await until(caller, run.name, "SUCCEEDED")


async def checkpoints(caller: Caller, run: fine_tune_pb2.FineTune) -> list[tuple[int, str]]:
    request = fine_tune_pb2.ListCheckpointsRequest(parent=run.name)
    page = await caller.fine_tunes.ListCheckpoints(request, metadata=caller.metadata)
    return [(each.step, each.model) for each in page.checkpoints]


async def test_the_newest_checkpoints_of_a_run_are_kept_with_its_model_and_answer(
    trained: Training,
):
    caller, run = await a_run(trained)
    (made,) = await models(caller)
    assert [each.step for each in made.checkpoints] == [2, 3]
    for kept in made.checkpoints:
        assert kept.model == f"{made.name}#{kept.step}"
        assert kept.public_name == f"{made.public_name}:ckpt-step-{kept.step}"
        assert kept.size_bytes == _ADAPTER_BYTES
        own = kept.model.replace("tenants/acme", "tenants/-")
        for name in (kept.model, own, kept.public_name):
            assert await ask(caller, name) == f"of step {kept.step}"
    assert await ask(caller, made.public_name) == "weights"
    # the oldest was told of, and is not there
    assert await checkpoints(caller, run) == [
        (1, ""),
        (2, f"{made.name}#2"),
        (3, f"{made.name}#3"),
    ]


async def test_a_checkpoint_that_is_not_there_answers_as_a_model_that_is_not(trained: Training):
    caller, _ = await a_run(trained)
    (made,) = await models(caller)
    for behind in ("#1", "#4", ":ckpt-step-1", ":ckpt-step-03"):
        name = (made.name if "#" in behind else made.public_name) + behind
        assert await refused(ask(caller, name)) == ("RESOURCE_NOT_FOUND", f"{name} does not exist")


async def test_what_is_no_step_is_refused_with_what_would_be_one(trained: Training):
    caller = await a_tenant(trained.address, "acme")
    for behind in ("#", "#x", "#-1", "#01", "#1#2", "#" + "9" * 19):
        reason, words = await refused(ask(caller, f"tenants/acme/models/m{behind}"))
        assert reason == "FIELD_INVALID"
        assert "the step of a checkpoint, such as #40" in words


async def test_the_policy_of_the_run_says_how_many_are_kept(trained: Training):
    policy = fine_tune_pb2.CheckpointPolicy(keep=1)
    caller, _ = await a_run(trained, checkpoints=policy)
    assert [c.step for each in await models(caller) for c in each.checkpoints] == [3]


async def test_checkpoints_count_against_the_quota_until_their_model_is_deleted(
    trained: Training, answering: Engine
):
    caller, _ = await a_run(trained)
    (made,) = await models(caller)
    assert (await caller.usage())["checkpoint_bytes"].reserved == 2 * _ADAPTER_BYTES
    folders = sorted(path.name for path in (trained.data / "models").iterdir())
    assert folders == [made.uid, f"{made.uid}.step-2", f"{made.uid}.step-3"]
    await delete(caller, made.name, validate_only=True)
    assert await ask(caller, f"{made.name}#3") == "of step 3"
    await delete(caller, made.name)
    assert [*(trained.data / "models").iterdir()] == []
    assert "checkpoint_bytes" not in await caller.usage()
    assert answering.unloaded == folders
    for name in (made.name, f"{made.name}#3", made.checkpoints[0].public_name):
        assert (await refused(ask(caller, name)))[0] == "RESOURCE_NOT_FOUND"


async def test_of_checkpoints_over_the_quota_the_newest_that_fit_are_kept(trained: Training):
    caller = await a_tenant(trained.address, "acme", {"checkpoint_bytes": _ADAPTER_BYTES})
    await caller.upload(jsonl(ROWS))
    run = await caller.create()
    # whole, they have more in them than adapters, and take the run to the limit
    await until(caller, run.name, "STOPPED_AT_LIMIT")
    (made,) = await models(caller)
    assert [each.step for each in made.checkpoints] == [3]
    folders = sorted(path.name for path in (trained.data / "models").iterdir())
    assert folders == [made.uid, f"{made.uid}.step-3"]
    assert (await caller.usage())["checkpoint_bytes"].reserved == _ADAPTER_BYTES


async def test_a_run_that_is_deleted_leaves_its_model_and_the_checkpoints(trained: Training):
    caller, run = await a_run(trained)
    (made,) = await models(caller)
    request = fine_tune_pb2.DeleteFineTuneRequest(name=run.name)
    await caller.fine_tunes.DeleteFineTune(request, metadata=caller.metadata)
    assert await ask(caller, f"{made.name}#2") == "of step 2"
    assert (await caller.usage())["checkpoint_bytes"].reserved == 2 * _ADAPTER_BYTES


async def test_training_goes_on_from_a_checkpoint(trained: Training):
    caller, _ = await a_run(trained)
    (parent,) = await models(caller)
    for name in (f"{parent.name}#2", parent.checkpoints[0].public_name):
        run = await caller.create(base_model=name)
        assert run.resolved.parent_model == f"{parent.name}#2"
        await until(caller, run.name, "RUNNING")
        spec = trained.data / "runs" / run.uid / "attempt-1" / "run.json"
        adapter = str(trained.data.absolute() / "models" / f"{parent.uid}.step-2")
        assert f'"parent_adapter": "{adapter}"' in spec.read_text()
        trained.let(run)
        done = await until(caller, run.name, "SUCCEEDED")
        assert (await model(caller, done.status.model)).parent_model == f"{parent.name}#2"


async def test_training_does_not_go_on_from_a_checkpoint_that_was_not_kept(trained: Training):
    caller, _ = await a_run(trained)
    (parent,) = await models(caller)
    reason, words = await refused(caller.create(base_model=f"{parent.name}#1"))
    assert (reason, words) == ("RESOURCE_NOT_FOUND", f"{parent.name}#1 does not exist")
    reason, _ = await refused(caller.create(base_model=f"{parent.public_name}:ckpt-step-1"))
    assert reason == "BASE_MODEL_UNKNOWN"
