"""A server in this process whose trainers follow a script: see tests/fakes/trainer.py."""

import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tunesmith.v1 import common_pb2, fine_tune_pb2
from tunesmith_server import bootstrap
from tunesmith_server.adapters.local.backend import LocalBackend
from tunesmith_server.settings import Local, Settings

from tests.integration.calls import Caller

FAKE = Path(__file__).parents[1] / "fakes" / "trainer.py"


@dataclass(frozen=True)
class Training:
    """A server that trains by a script."""

    address: str
    data: Path
    http_address: str = ""

    def let(self, run: fine_tune_pb2.FineTune, name: str = "go", attempt: int = 1) -> None:
        """Let the trainer go on that waits for a file of this name."""
        (self.data / "runs" / run.uid / f"attempt-{attempt}" / name).touch()


@contextlib.asynccontextmanager
async def training(
    settings: Settings, script: str = "prepared,metrics=1,wait=go,succeed", slots: int = 1
) -> AsyncIterator[Training]:
    """Serve until the block ends; nothing trains afterwards."""
    base = settings.data_dir / "bases" / "tiny-random"
    base.mkdir(parents=True, exist_ok=True)
    (base / "base.json").write_text("{}")
    backends: list[LocalBackend] = []

    def scripted(**options: Any) -> LocalBackend:
        command = (sys.executable, "-I", str(FAKE), script)
        backends.append(LocalBackend(**options, command=command))
        return backends[-1]

    changed = settings.model_copy(update={"local": Local(slots=slots)})
    try:
        with patch.object(bootstrap, "LocalBackend", scripted):
            async with bootstrap.serve(changed) as running:
                yield Training(running.address, settings.data_dir, running.http_address)
    finally:
        for child in [c for each in backends for c in each._processes._children.values()]:
            child.kill()
            child.wait(10)


async def until(caller: Caller, name: str, *states: str) -> fine_tune_pb2.FineTune:
    """The run once it is in one of the states, named as in the contract without their prefix."""
    wanted = {getattr(common_pb2, f"FINE_TUNE_STATE_{state}") for state in states}
    seen = 0
    async for response in caller.watch(name):
        if response.HasField("snapshot"):
            seen = response.snapshot.status.last_event_sequence
            if response.snapshot.status.state in wanted:
                break
        if any(e.state_changed.to in wanted for e in response.events if e.sequence > seen):
            break
    run = await caller.get(name)
    assert run.status.state in wanted, run.status
    return run
