import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tunesmith_server.adapters.inference import wire
from tunesmith_server.adapters.inference.worker.desk import Desk
from tunesmith_server.adapters.inference.worker.scheduler import Limits
from tunesmith_server.domain.completion import (
    AdapterRef,
    Completion,
    CompletionDelta,
    CompletionRequest,
)

from tests.unit.inference.tiny import Reference, make_adapter, make_base


@dataclass
class Models:
    """A tiny base, its adapters by name ("" is the base alone), and what peft makes of them."""

    base: Path
    adapters: dict[str, Path]
    references: dict[str, Reference] = field(default_factory=dict)

    def ref(self, name: str) -> AdapterRef | None:
        return AdapterRef(name, str(self.adapters[name])) if name else None

    def reference(self, name: str) -> Reference:
        if name not in self.references:
            self.references[name] = Reference(self.base, self.adapters.get(name))
        return self.references[name]


class InProcess:
    """The worker's insides, without the process: messages in, messages out, step by step."""

    def __init__(self, base: Path, *, adapters: int = 16, limits: Limits = Limits()) -> None:  # noqa: B008
        self.messages: list[dict[str, Any]] = []
        self._ids = itertools.count(1)
        self.desk = Desk(
            base,
            adapters=adapters,
            limits=limits,
            emit=lambda message: self.messages.append(json.loads(wire.encode(message))),
        )

    def ask(
        self, request: CompletionRequest, adapter: AdapterRef | None = None, *, stream: bool = False
    ) -> str:
        request.check(stream=stream)  # as the engine does before it asks the worker
        id = str(next(self._ids))
        self.desk.handle(wire.encode(wire.call(id, request, adapter=adapter, stream=stream)))
        return id

    def tell(self, **message: Any) -> None:
        self.desk.handle(wire.encode({"id": "t", **message}))

    def work(self, steps: int = 10_000) -> None:
        for _ in range(steps):
            if self.desk.idle:
                return
            self.desk.step()

    def of(self, id: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message.get("id") == id]

    def stats(self) -> dict[str, Any]:
        self.tell(op="stats")
        return self.of("t")[-1]

    def answer(self, id: str) -> Completion:
        (message,) = self.of(id)
        if message["event"] == "error":
            raise wire.read_error(message)
        return wire.read_done(message)

    def deltas(self, id: str) -> list[CompletionDelta]:
        return [wire.read_delta(message) for message in self.of(id)]

    def complete(self, adapter: AdapterRef | None = None, **fields: Any) -> Completion:
        """Ask one thing and have it done."""
        id = self.ask(CompletionRequest(**fields), adapter)
        self.work()
        return self.answer(id)

    def complete_all(
        self, asked: Sequence[tuple[CompletionRequest, AdapterRef | None]]
    ) -> list[Completion]:
        """Ask all at once."""
        ids = [self.ask(request, adapter) for request, adapter in asked]
        self.work()
        return [self.answer(id) for id in ids]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("inference")
    base = make_base(folder / "base")
    adapters = {
        "a": make_adapter(base, folder / "a", seed=1),
        "b": make_adapter(
            base,
            folder / "b",
            seed=2,
            rank=8,
            target_modules="all-linear",
            use_rslora=True,
            alpha_pattern={"down_proj": 4},
            rank_pattern={"q_proj": 3},
        ),
        "c": make_adapter(base, folder / "c", seed=3, rank=2, target_modules=["down_proj"]),
    }
    return Models(base, adapters)


@pytest.fixture(scope="session")
def worker(models: Models) -> InProcess:
    return InProcess(models.base)


@pytest.fixture
def new_worker(models: Models) -> Callable[..., InProcess]:
    def make(**options: Any) -> InProcess:
        return InProcess(models.base, **options)

    return make
