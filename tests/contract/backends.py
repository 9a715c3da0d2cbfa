"""A machine for backends: run directories, bases and data, and the waiting for what must come."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from tunesmith_server.adapters.local.backend import LocalBackend
from tunesmith_server.adapters.local.bases import BaseLibrary
from tunesmith_server.domain.errors import (
    NotFound,
)
from tunesmith_server.domain.fine_tune import DatasetVersion, FineTune
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.domain.observation import Observation, Phase
from tunesmith_server.ports import Backend

from tests.unit.domain.builders import a_run

FAKE = Path(__file__).parents[1] / "fakes" / "trainer.py"
TINY = BaseModel(id="tiny-random", source="seeded:tiny")
UID = "0192f0c1-0000-7000-8000-0123456789ab"


def an_attempt(number: int = 1, **changes: Any) -> FineTune:
    """A run of the tiny base at an attempt."""
    run = a_run(uid=UID, attempt=number, **changes)
    values = replace(run.resolved.hyperparameters, lora_layers=2, n_epochs=2, batch_size=4)
    resolved = replace(run.resolved, base_model="tiny-random", hyperparameters=values)
    return replace(run, resolved=resolved)


class Place:
    """A machine: run directories, bases, data; and backends that come and go on it."""

    def __init__(self, folder: Path) -> None:
        self.runs = folder / "runs"
        self.bases = folder / "bases"
        self.data = folder / "data.jsonl"
        examples = [{"prompt": f"{n} ->", "completion": f" {n % 2}\n"} for n in range(8)]
        self.data.write_text("".join(f"{json.dumps(each)}\n" for each in examples))
        tiny = self.bases / "tiny-random"
        tiny.mkdir(parents=True)
        (tiny / "base.json").write_text("{}")
        self.backends: list[LocalBackend] = []

    def backend(self, script: str, **options: Any) -> LocalBackend:
        """A backend whose trainers follow the script."""
        return self.real(command=(sys.executable, "-I", str(FAKE), script), **options)

    def real(self, **options: Any) -> LocalBackend:
        """A backend; with the real trainer unless `command` says otherwise."""

        async def datasets(version: DatasetVersion) -> Path:
            return self.data

        async def parent_adapter(tenant: str, model: str, checkpoint: int | None) -> Path | None:
            raise NotFound(f"tenants/{tenant}/models/{model}")

        settings: dict[str, Any] = {
            "runs_dir": self.runs,
            "node": "here",
            "bases": BaseLibrary(folder=self.bases),
            "datasets": datasets,
            "parent_adapter": parent_adapter,
            "orphan_age": 0.0,
        }
        backend = LocalBackend(**(settings | options))
        self.backends.append(backend)
        return backend

    def folder(self, run: FineTune) -> Path:
        return self.runs / run.uid / f"attempt-{run.attempt}"

    def json(self, run: FineTune, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder(run) / name).read_text())
        return content

    def trainers(self) -> list[psutil.Process]:
        """The processes that work in the run directories."""
        found = []
        for process in psutil.process_iter():
            try:
                last = process.cmdline()[-1:]
            except psutil.Error:
                continue
            if last and last[0].startswith(str(self.runs)):
                found.append(process)
        return found

    def children(self) -> list["subprocess.Popen[bytes]"]:
        return [child for each in self.backends for child in each._processes._children.values()]


async def until(look: Callable[[], Awaitable[bool] | bool], within: float = 10) -> None:
    """Wait for what must come true."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen if isinstance(seen, bool) else await seen:
            return
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


async def seen(backend: Backend, run: FineTune, *phases: Phase, within: float = 10) -> Observation:
    """The first look at the run that shows one of the phases."""
    found = Observation(Phase.ABSENT)

    async def look() -> bool:
        nonlocal found
        found = await backend.observe(run)
        return found.phase in phases

    await until(look, within)
    return found
