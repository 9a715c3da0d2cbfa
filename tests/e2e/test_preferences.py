"""Preferences, from the client library through the real daemon and the real trainer to answers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tunesmith import AsyncClient, TunesmithError
from tunesmith.v1 import common_pb2, fine_tune_pb2, model_pb2

from tests.e2e.daemon import Daemon
from tests.integration.calls import Caller, a_tenant, jsonl
from tests.unit.trainer.running import preferences


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Caller]:
    daemon = Daemon(tmp_path)
    await daemon.start()
    yield await a_tenant(daemon.address, "acme")
    daemon.stop()


@pytest.fixture
async def acme(caller: Caller) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(caller.address, caller.key) as client:
        await client.datasets.upload(jsonl(preferences(24)), id="pairs")
        await client.datasets.upload(jsonl(preferences(8, start=500)), id="held-out")
        yield client


async def test_a_run_learns_what_is_preferred_and_its_model_chats(
    caller: Caller, acme: AsyncClient
):
    planned = await acme.fine_tunes.plan("pairs", "tiny-random", method="dpo")
    assert not planned.findings
    values = {each.path: each for each in planned.fine_tune.resolved.values}
    assert values["spec.dpo.hyperparameters.beta"].value == "0.1"

    run = await acme.fine_tunes.create(
        "pairs",
        "tiny-random",
        validation_dataset="held-out",
        method="dpo",
        beta=0.2,
        hyperparameters=fine_tune_pb2.Hyperparameters(
            n_epochs=5, batch_size=4, learning_rate=0.003
        ),
    )
    assert run.spec.dpo.beta == 0.2
    assert run.spec.dpo.hyperparameters.n_epochs == 5
    done = await acme.fine_tunes.wait(run.name, timeout=120)
    assert done.status.state == common_pb2.FINE_TUNE_STATE_SUCCEEDED
    assert 0 < done.status.usage.trained_tokens <= run.resolved.max_trained_tokens

    rows = [row.values async for row in acme.fine_tunes.results(run.name)]
    assert rows[0]["training_loss"] == pytest.approx(0.6931, abs=1e-3)
    assert rows[-1]["validation_sequence_accuracy"] == 1
    assert rows[-1]["validation_reward_margin"] > 1
    answer = await caller.models.Chat(
        model_pb2.ChatRequest(
            model=done.status.model,
            messages=[model_pb2.ChatMessage(role="user", content="Is 7 even?")],
            sampling=model_pb2.Sampling(max_tokens=4, temperature=0),
        ),
        metadata=caller.metadata,
    )
    assert answer.usage.completion_tokens > 0


async def test_data_and_method_that_do_not_fit_are_refused_either_way(acme: AsyncClient):
    with pytest.raises(TunesmithError, match="ask for the method dpo"):
        await acme.fine_tunes.create("pairs", "tiny-random")
    await acme.datasets.upload(jsonl([{"prompt": "a", "completion": " b"}]), id="plain")
    with pytest.raises(TunesmithError, match="holds no preferences but prompt_completion"):
        await acme.fine_tunes.create("plain", "tiny-random", method="dpo")
