"""The real daemon, the real trainer, the real engine; killed where it hurts."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tunesmith.v1 import common_pb2, fine_tune_pb2, model_pb2

from tests.e2e.daemon import Daemon
from tests.integration.calls import ROWS, Caller, a_tenant, jsonl, reason


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    daemon = Daemon(tmp_path)
    await daemon.start()
    yield daemon
    daemon.stop()


async def follow(caller: Caller, name: str, seen: list[Any], cursor: list[str]) -> None:
    """Watch as a client does: resume at the last cursor until the run has ended."""
    while True:
        try:
            async for response in caller.watch(name, cursor[0]):
                seen += response.events
                cursor[0] = response.cursor or cursor[0]
                ended = response.HasField("closing") is False
            if ended:
                return
        except grpc.aio.AioRpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                raise


def epochs(count: int) -> fine_tune_pb2.SupervisedMethod:
    return fine_tune_pb2.SupervisedMethod(
        hyperparameters=fine_tune_pb2.Hyperparameters(n_epochs=count, batch_size=4)
    )


async def test_a_run_trains_becomes_a_model_and_the_model_answers(daemon: Daemon):
    acme = await a_tenant(daemon.address, "acme")
    await acme.upload(jsonl(ROWS))
    run = await acme.create(suffix="Even Or Odd", supervised=epochs(3))
    seen: list[Any] = []
    async with asyncio.timeout(90):
        await follow(acme, run.name, seen, [""])
    messages = [event.message for event in seen]
    assert messages[0].startswith("Created fine-tune")
    assert "Fine-tune started" in messages
    assert [m for m in messages if m.startswith("Completed epoch")] == [
        f"Completed epoch {n}/3" for n in (1, 2, 3)
    ]
    assert messages[-1] == "Fine-tune succeeded"
    done = await acme.get(run.name)
    assert done.status.state == common_pb2.FINE_TUNE_STATE_SUCCEEDED

    call = acme.fine_tunes.GetResults(
        fine_tune_pb2.GetResultsRequest(name=run.name), metadata=acme.metadata
    )
    rows = [row async for response in call for row in response.rows]
    assert [row.step for row in rows] == list(range(1, 16))
    losses = [row.values["training_loss"] for row in rows]
    assert min(losses[-5:]) < losses[0] / 2, losses
    checkpoints = await acme.fine_tunes.ListCheckpoints(
        fine_tune_pb2.ListCheckpointsRequest(parent=run.name), metadata=acme.metadata
    )
    assert [checkpoint.step for checkpoint in checkpoints.checkpoints] == [5, 10, 15]

    model = (
        await acme.models.GetModel(
            model_pb2.GetModelRequest(name=done.status.model), metadata=acme.metadata
        )
    ).model
    assert model.public_name.startswith("ft:tiny-random:acme:even-or-odd:")
    for name in (model.name, model.public_name, model.legacy_name):
        answer = await acme.models.Complete(
            model_pb2.CompleteRequest(
                model=name,
                prompts=[model_pb2.Prompt(text=ROWS[0]["prompt"])],
                sampling=model_pb2.Sampling(max_tokens=4, temperature=0),
            ),
            metadata=acme.metadata,
        )
        assert answer.usage.completion_tokens > 0
    await acme.models.DeleteModel(
        model_pb2.DeleteModelRequest(name=model.name), metadata=acme.metadata
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await acme.models.Complete(
            model_pb2.CompleteRequest(
                model=model.public_name, prompts=[model_pb2.Prompt(text="x")]
            ),
            metadata=acme.metadata,
        )
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_kill_9_in_the_middle_costs_neither_the_training_nor_an_event(daemon: Daemon):
    acme = await a_tenant(daemon.address, "acme")
    await acme.upload(jsonl(ROWS))
    run = await acme.create(supervised=epochs(50))
    seen: list[Any] = []
    following = asyncio.ensure_future(follow(acme, run.name, seen, [""]))
    async with asyncio.timeout(100):
        while not any(event.WhichOneof("detail") == "metrics_reported" for event in seen):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the deadline is above
        for _ in range(2):
            daemon.kill()
            await daemon.start()
        await following
    assert [event.sequence for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].message == "Fine-tune succeeded"
    done = await acme.get(run.name)
    assert done.status.attempt == 1  # the trainer never noticed
    steps = [e.metrics_reported.step for e in seen if e.HasField("metrics_reported")]
    assert steps == list(range(1, 251))


async def test_a_cancelled_training_stops_and_its_slot_is_free_again(daemon: Daemon):
    acme = await a_tenant(daemon.address, "acme")
    await acme.upload(jsonl(ROWS))
    long, short = await acme.create(supervised=epochs(50)), await acme.create(supervised=epochs(1))
    seen: list[Any] = []
    following = asyncio.ensure_future(follow(acme, long.name, seen, [""]))
    async with asyncio.timeout(90):
        while not any(event.message == "Fine-tune started" for event in seen):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the deadline is above
        await acme.fine_tunes.CancelFineTune(
            fine_tune_pb2.CancelFineTuneRequest(name=long.name), metadata=acme.metadata
        )
        await following
        await follow(acme, short.name, [], [""])
    assert seen[-1].state_changed.to == common_pb2.FINE_TUNE_STATE_CANCELLED
    assert (await acme.get(short.name)).status.state == common_pb2.FINE_TUNE_STATE_SUCCEEDED


async def test_two_servers_on_one_postgresql_admit_exactly_the_limit(
    tmp_path: Path, postgres_database: str
):
    settings = {"TUNESMITH_DATABASE_URL": postgres_database, "TUNESMITH_LOCAL__SLOTS": "0"}
    daemons = [Daemon(tmp_path, **settings), Daemon(tmp_path, **settings)]
    try:
        await asyncio.gather(*(daemon.start() for daemon in daemons))
        first = await a_tenant(daemons[0].address, "acme", {"fine_tunes_queued": 10})
        await first.upload(jsonl(ROWS))
        callers = [first, Caller(daemons[1].address, first.key)]

        async def ask(number: int) -> str:
            try:
                await callers[number % 2].create()
            except grpc.aio.AioRpcError as error:
                return reason(error)
            return "admitted"

        outcomes = Counter(await asyncio.gather(*map(ask, range(64))))
        assert outcomes == {"admitted": 10, "QUOTA_EXCEEDED": 54}
    finally:
        for daemon in daemons:
            daemon.stop()


async def test_a_port_in_use_is_one_clear_line(daemon: Daemon, tmp_path: Path):
    second = Daemon(tmp_path / "second", address=daemon.address)
    result = second.command("serve")
    assert result.returncode == 1
    assert "the port is in use" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_data_directory_that_cannot_be_written_is_one_clear_line(tmp_path: Path):
    (tmp_path / "data").write_text("a file where a folder should be")
    result = Daemon(tmp_path).command("serve")
    assert result.returncode == 1
    assert "cannot be written to" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_setting_out_of_range_is_named(tmp_path: Path):
    result = Daemon(tmp_path, TUNESMITH_LOCAL__SLOTS="-1").command("config")
    assert result.returncode == 2
    assert "TUNESMITH_LOCAL__SLOTS" in result.stderr


async def test_no_key_is_kept_in_the_clear_or_logged(daemon: Daemon):
    acme = await a_tenant(daemon.address, "acme")
    await acme.upload(jsonl(ROWS))
    with pytest.raises(grpc.aio.AioRpcError):
        await acme.create(base_model="unknown")
    database = daemon.log.parent / "data" / "tunesmith.db"
    with sqlite3.connect(database) as connection:
        dump = "\n".join(connection.iterdump())
    for secret in (acme.key, "sk-ts-admin-of-the-tests"):
        assert secret not in dump
        assert secret not in daemon.log.read_text()
