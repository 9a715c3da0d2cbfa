"""What trains and what answers."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tunesmith_server.domain.completion import (
    AdapterRef,
    Completion,
    CompletionDelta,
    CompletionRequest,
)
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.domain.observation import Observation, Report, StopMode


@dataclass(frozen=True)
class TrainedCheckpoint:
    """A checkpoint as a backend has it."""

    step: int
    attempt: int
    folder: Path


class Inference(Protocol):
    """Answers prompts. Raises InvalidArgument, PromptTooLong and Unavailable.

    Cancelling the caller's task stops the work.
    """

    async def complete(
        self, base: BaseModel, adapter: AdapterRef | None, request: CompletionRequest
    ) -> Completion: ...

    def stream_complete(
        self, base: BaseModel, adapter: AdapterRef | None, request: CompletionRequest
    ) -> AsyncIterator[CompletionDelta]: ...

    async def unload(self, adapter_id: str) -> None:
        """Forget an adapter: it is in no memory afterwards."""
        ...


class Backend(Protocol):
    """Where training runs. Everything is idempotent by the run's uid and attempt."""

    name: str
    node: str

    async def start(self, run: FineTune) -> None:
        """Start the run's current attempt; does nothing if that attempt was started before."""
        ...

    async def observe(self, run: FineTune) -> Observation:
        """What is to be seen of the run's current attempt."""
        ...

    async def reports(self, run: FineTune, after: int, limit: int) -> Sequence[Report]:
        """The trainer's reports of this attempt after a sequence, in order."""
        ...

    async def stop(self, run: FineTune, mode: StopMode) -> None:
        """Ask the attempt to stop; harmless when it has.

        Ask again until it has ended: that is what kills one that does not within its grace. A
        stronger mode takes a weaker one's place, never the other way round: CANCEL is stronger than
        FINISH, and that than PAUSE. An attempt that was never started keeps no trace of the asking.
        A later attempt honours a FINISH that an earlier one was lost over, and no other mode.
        """
        ...

    async def discard(self, run: FineTune) -> None:
        """Remove what the run left behind on the backend; harmless when there is nothing."""
        ...

    async def kept(self) -> Sequence[str]:
        """Uids of the runs that have left something behind here, but for very young ones."""
        ...

    async def forget(self, uid: str) -> None:
        """As `discard`, for a run of which nothing but its uid is known any more."""
        ...

    async def checkpoints(self, run: FineTune) -> Sequence[TrainedCheckpoint]:
        """The checkpoints of all attempts that are still there, whole, oldest first, one a step."""
        ...

    def model_folder(self, run: FineTune) -> Path:
        """Where a finished attempt left its model."""
        ...

    async def reap(self, active_uids: Sequence[str]) -> Sequence[str]:
        """Stop attempts of runs that are not active any more; the uids of those."""
        ...
