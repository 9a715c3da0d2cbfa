"""Keys and training text around the real trainer and engine: what others on the machine can see."""

import asyncio
import base64
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from tunesmith.v1 import common_pb2, fine_tune_pb2, model_pb2, tenant_pb2

from tests.e2e.daemon import Daemon
from tests.fakes.tracking import Unhelpful, unhelpful
from tests.integration.calls import ADMIN_KEY, Caller, a_tenant, jsonl
from tests.isolation.canaries import EXCERPT, a_text, files, found
from tests.isolation.world import as_text, dump

WANDB_KEY, MLFLOW_KEY = secrets.token_hex(20), secrets.token_hex(20)
_BATCH = fine_tune_pb2.SupervisedMethod(
    hyperparameters=fine_tune_pb2.Hyperparameters(n_epochs=1, batch_size=4)
)


@pytest.fixture
def tracking() -> Iterator[Unhelpful]:
    """In the place of Weights & Biases and of MLflow: it refuses whatever it is shown."""
    with unhelpful(answers=True) as server:
        yield server


@pytest.fixture
async def daemon(tmp_path: Path, tracking: Unhelpful) -> AsyncIterator[Daemon]:
    (tmp_path / "mlflow-token").write_text(f"{MLFLOW_KEY}\n")
    daemon = Daemon(
        tmp_path,
        TUNESMITH_LOG_LEVEL="debug",
        TUNESMITH_LOCAL__SLOTS="2",
        TUNESMITH_INTEGRATIONS__WANDB_KEYS="acme=env:WANDB_OF_ACME",
        TUNESMITH_INTEGRATIONS__WANDB_URL=tracking.url,
        TUNESMITH_INTEGRATIONS__MLFLOW_SERVERS=f"acme={tracking.url}",
        TUNESMITH_INTEGRATIONS__MLFLOW_KEYS=f"*=file:{tmp_path}/nothing,"
        f"acme=file:{tmp_path}/mlflow-token",
        WANDB_OF_ACME=WANDB_KEY,
    )
    await daemon.start()
    yield daemon
    daemon.stop()


async def test_training_and_answering_leave_no_key_anywhere_and_text_only_with_the_data(
    daemon: Daemon, tmp_path: Path, tracking: Unhelpful
):
    acme = await a_tenant(daemon.address, "acme")
    texts = {"rows": a_text(), "bad rows": a_text(), "prompt": a_text()}
    keys = {"of the administrator": ADMIN_KEY, "of the tenant": acme.key}
    keys |= {"of Weights & Biases": WANDB_KEY, "of MLflow": MLFLOW_KEY}
    integrations = [
        fine_tune_pb2.Integration(wandb=fine_tune_pb2.WandbIntegration(project="p")),
        fine_tune_pb2.Integration(
            mlflow=fine_tune_pb2.MlflowIntegration(tracking_uri=tracking.url)
        ),
    ]
    rows = [{"prompt": f"{n} {texts['rows']} ->", "completion": f" {n % 2}"} for n in range(12)]
    same = [{"prompt": f"{n} {texts['bad rows']} ->", "completion": " a"} for n in range(12)]
    await acme.upload(jsonl(rows))
    await acme.upload(jsonl(same), id="same")

    children: dict[str, bytes] = {}
    async with asyncio.timeout(100), _watching(daemon, children):
        good = await acme.create(supervised=_BATCH, integrations=integrations)
        # which only the trainer finds out: every example is of one class
        failing = await acme.create(
            training_dataset="same",
            validation_dataset="same",
            supervised=_BATCH,
            classification=fine_tune_pb2.Classification(n_classes=2),
        )
        states = [await _end(acme, run.name) for run in (good, failing)]
        answer = await _ask(acme, (await acme.get(good.name)).status.model, texts["prompt"])
    assert states == [common_pb2.FINE_TUNE_STATE_SUCCEEDED, common_pb2.FINE_TUNE_STATE_FAILED]
    assert answer.usage.completion_tokens
    daemon.stop()

    data = files(tmp_path / "data")
    with_the_data = {
        name for name in data if re.match(r"(blobs|training-data|runs/.*/data)/", name)
    }
    tables = dump(f"sqlite:///{tmp_path / 'data' / 'tunesmith.db'}")
    sinks = {
        "log": daemon.log.read_bytes(),
        **children,
        **{f"table {name}": as_text({name: rows}).encode() for name, rows in tables.items()},
        **data,
    }
    print(f"{len(keys) + len(texts)} canaries × {len(sinks)} sinks, {len(children)} of processes")
    # the search finds what there is, and the processes were seen at work
    assert found({"rows": texts["rows"]}, {name: data[name] for name in with_the_data})
    seen = b"\0".join(children.values())
    assert b"tunesmith_trainer" in seen
    assert b"inference" in seen
    assert b"GRPC_ENABLE_FORK_SUPPORT" in seen
    assert b"wandb-core" in seen
    shown = "".join(_plain(text) for text in tracking.credentials)
    assert WANDB_KEY in shown
    assert MLFLOW_KEY in shown

    assert not found(keys, sinks)
    assert b"TUNESMITH_" not in seen  # a setting may be a secret
    elsewhere = {name: sink for name, sink in sinks.items() if name not in with_the_data}
    quoted = {"table datasets", "table versions", "tunesmith.db", "tunesmith.db-wal"}
    assert not found(texts, elsewhere, dict.fromkeys(quoted, EXCERPT))


def _plain(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    return base64.b64decode(value).decode() if scheme == "Basic" else value


async def _end(caller: Caller, name: str) -> Any:
    async for response in caller.watch(name):
        del response
    return (await caller.get(name)).status.state


async def _ask(caller: Caller, model: str, prompt: str) -> Any:
    asked = model_pb2.CompleteRequest(
        model=model,
        prompts=[model_pb2.Prompt(text=prompt)],
        sampling=model_pb2.Sampling(max_tokens=2, temperature=0),
    )
    answer = await caller.models.Complete(asked, metadata=caller.metadata)
    asked.prompts[0].text = prompt * 1000  # more than the context holds
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.models.Complete(asked, metadata=caller.metadata)
    assert prompt not in str(caught.value)
    who = await caller.tenants.WhoAmI(tenant_pb2.WhoAmIRequest(), metadata=caller.metadata)
    assert who.tenant == "tenants/acme"
    return answer


@contextlib.asynccontextmanager
async def _watching(daemon: Daemon, seen: dict[str, bytes]) -> AsyncIterator[None]:
    """Note what `ps` shows of the daemon's children, as long as the block lasts."""

    own = psutil.Process(daemon.pid).cmdline()

    async def look() -> None:
        while True:
            for child in psutil.Process(daemon.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    command = child.cmdline()
                    if command and command != own:  # until it executes, it shows the daemon's
                        seen[f"command of {child.pid}"] = "\0".join(command).encode()
                        seen[f"environment of {child.pid}"] = repr(child.environ()).encode()
            await asyncio.sleep(0.05)

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
