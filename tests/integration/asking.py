"""Models of a server in this process without training, and asking them without an engine."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tunesmith.v1 import model_pb2
from tunesmith_server import bootstrap
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.domain.completion import (
    AdapterRef,
    Choice,
    Completion,
    CompletionDelta,
    TokenUsage,
)
from tunesmith_server.domain.model import KeptCheckpoint, Model
from tunesmith_server.domain.names import ModelName
from tunesmith_server.domain.public_names import LegacyName, PublicName, short_id
from tunesmith_server.settings import Settings

from tests.integration.calls import Caller

_USAGE = TokenUsage(prompt_tokens=2, completion_tokens=1)


@dataclass
class Engine:
    """Answers with the weights of the adapter that it is asked with."""

    unloaded: list[str] = field(default_factory=list)

    async def complete(self, base: Any, adapter: AdapterRef | None, request: Any) -> Completion:
        return Completion((Choice(0, self._words(adapter), "stop"),), _USAGE)

    async def stream_complete(
        self, base: Any, adapter: AdapterRef | None, request: Any
    ) -> AsyncIterator[CompletionDelta]:
        yield CompletionDelta(0, self._words(adapter), "stop", usage=_USAGE)

    async def unload(self, adapter_id: str) -> None:
        self.unloaded.append(adapter_id)

    async def close(self) -> None:
        """Nothing is running."""

    def _words(self, adapter: AdapterRef | None) -> str:
        if adapter is None:
            return "of the base"
        weights = [*Path(adapter.path).glob("adapter*.safetensors")]
        return weights[0].read_text() if weights else "of nothing"


@contextlib.contextmanager
def engine() -> Iterator[Engine]:
    """Servers that start within have this engine."""
    found = Engine()
    with patch.object(bootstrap, "EmbeddedInference", lambda _: found):
        yield found


async def ask(caller: Caller, model: str) -> str:
    """What a model says."""
    request = model_pb2.CompleteRequest(model=model, prompts=[model_pb2.Prompt(text="x")])
    answer = await caller.models.Complete(request, metadata=caller.metadata)
    assert answer.model == model
    return answer.choices[0].text


async def models(caller: Caller, **request: Any) -> list[model_pb2.Model]:
    """Every model that a caller may ask, however many pages that takes."""
    found: list[model_pb2.Model] = []
    token = ""
    while True:
        asked = model_pb2.ListModelsRequest(parent="tenants/-", page_token=token, **request)
        page = await caller.models.ListModels(asked, metadata=caller.metadata)
        found += page.models
        token = page.next_page_token
        if not token:
            return found


async def model(caller: Caller, name: str) -> model_pb2.Model:
    """The model of this name."""
    request = model_pb2.GetModelRequest(name=name)
    return (await caller.models.GetModel(request, metadata=caller.metadata)).model


async def delete(caller: Caller, name: str, **request: Any) -> None:
    """Delete a model."""
    asked = model_pb2.DeleteModelRequest(name=name, **request)
    await caller.models.DeleteModel(asked, metadata=caller.metadata)


async def add_model(settings: Settings, tenant: str, id: str, public_name: str = "") -> Model:
    """A model as a run leaves it, with weights that say whose they are."""
    uid, made = str(uuid.uuid4()), datetime.now(UTC)
    base = "tiny-random"
    parts = (base, tenant, id)
    record = Model(
        name=ModelName(tenant, id),
        uid=uid,
        base_model=base,
        public_name=public_name or str(PublicName(*parts, short_id(uid))),
        legacy_name=str(LegacyName(*parts, made.replace(microsecond=0))),
        fine_tune="secret-run",
        digest="sha256:0",
        size_bytes=1,
        create_time=made,
        suffix=id,
        parent_model="secret-parent",
        training_digest="secret-digest",
        validation_digest="secret-digest",
        labels={"customer": "secret"},
        metrics={"training_loss": 0.5},
        checkpoints=(KeptCheckpoint(1, 1, 1, "sha256:1"), KeptCheckpoint(2, 1, 1, "sha256:2")),
    )

    def write() -> None:
        for folder, words in ((uid, id), (f"{uid}.step-1", "one"), (f"{uid}.step-2", "two")):
            path = Path(settings.data_dir, "models", folder)
            path.mkdir(parents=True)
            (path / "adapter.safetensors").write_text(words)

    await asyncio.to_thread(write)
    store = SqlStore(settings.database, connections=2)
    await store.write(lambda tx: tx.of(tenant).add_model(record))
    await store.close()
    return record
