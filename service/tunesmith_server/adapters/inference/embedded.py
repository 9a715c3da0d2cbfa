"""The embedded engine as the use cases see it: bases by catalogue entry, domain errors."""

import contextlib
from collections.abc import AsyncIterator, Iterator

from tunesmith_server.adapters.inference.engine import EmbeddedEngine
from tunesmith_server.domain import completion as engine
from tunesmith_server.domain import errors
from tunesmith_server.domain.model import BaseModel


class EmbeddedInference:
    """The Inference port on EmbeddedEngine.

    Entries of one source share a worker, and so one base in memory.
    """

    def __init__(self, engine: EmbeddedEngine) -> None:
        self._engine = engine

    async def complete(
        self,
        base: BaseModel,
        adapter: engine.AdapterRef | None,
        request: engine.CompletionRequest,
    ) -> engine.Completion:
        """What the model goes on with."""
        with _translated():
            return await self._engine.complete(base.source, adapter, request)

    async def stream_complete(
        self,
        base: BaseModel,
        adapter: engine.AdapterRef | None,
        request: engine.CompletionRequest,
    ) -> AsyncIterator[engine.CompletionDelta]:
        """As `complete`, piece by piece."""
        deltas = self._engine.stream_complete(base.source, adapter, request)
        # Closed with this iterator, so that who stops listening stops the work at once.
        with _translated():
            async with contextlib.aclosing(deltas):
                async for delta in deltas:
                    yield delta

    async def unload(self, adapter_id: str) -> None:
        """Forget an adapter."""
        with _translated():
            await self._engine.unload(adapter_id)

    async def close(self) -> None:
        """End the workers."""
        await self._engine.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except engine.InvalidSampling as error:
        raise errors.InvalidArgument.of(error.field, error.message) from error
    except engine.PromptTooLong as error:
        raise errors.PromptTooLong([errors.FieldViolation("prompt", str(error))]) from error
    except engine.AdapterInvalid as error:
        raise errors.PreconditionFailed("model", str(error)) from error
    except (engine.EngineBusy, engine.EngineUnavailable) as error:
        raise errors.Unavailable(str(error), retry_after=error.retry_after) from error
