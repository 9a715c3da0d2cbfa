"""The folder of one attempt: the files by which server and trainer know of each other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tunesmith_trainer import stop_request

from tunesmith_server.domain.observation import Observation, Phase, StopMode

_LOG_TAIL = 500
_PHASES = {"succeeded": Phase.SUCCEEDED, "failed": Phase.FAILED, "stopped": Phase.STOPPED}


class AttemptFolder:
    """`{runs}/{uid}/attempt-{n}`. The first four files are the server's, the rest the trainer's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec = path / "run.json"
        self.process = path / "process.json"
        self.guard = path / "process.lock"
        self.stop_request = path / "stop.json"
        self.log = path / "trainer.log"
        self.trainer_lock = path / "lock"
        self.events = path / "events.jsonl"
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"
        self.outcome = path / "outcome.json"

    @classmethod
    def of(cls, run_folder: Path, attempt: int) -> "AttemptFolder":
        """The folder of an attempt, there or not."""
        return cls(run_folder / f"attempt-{attempt}")

    @classmethod
    def all(cls, run_folder: Path) -> Iterator["AttemptFolder"]:
        """The attempts that have left a folder."""
        return (cls(path) for path in run_folder.glob("attempt-*"))

    def has_checkpoint(self) -> bool:
        """Whether a whole checkpoint is there; the manifest is in each that is."""
        return any(self.checkpoints.glob("step-*/manifest.json"))

    def whole_checkpoints(self) -> Iterator[tuple[int, Path]]:
        """Steps and folders of the whole checkpoints."""
        for manifest in self.checkpoints.glob("step-*/manifest.json"):
            yield int(manifest.parent.name.removeprefix("step-")), manifest.parent

    def stop_mode(self) -> StopMode | None:
        """How the attempt shall stop, if it shall."""
        try:
            mode = stop_request.asked(self.stop_request)
        except ValueError:  # written by hand, and the trainer takes no notice of it either
            return None
        return StopMode(mode) if mode else None

    def ask_to_stop(self, mode: StopMode) -> None:
        """Ask the attempt's trainer to stop in this way, unless it shall in a stronger one."""
        stop_request.ask(self.stop_request, stop_request.StopMode(mode))

    def listens(self) -> bool:
        """Whether the trainer has got far enough that a signal does not kill it."""
        return self.trainer_lock.exists()

    def has_begun(self) -> bool:
        """Whether the trainer has got as far as training."""
        try:
            with self.events.open("rb") as file:
                return any(_kind(line) in ("prepared", "metrics") for line in file)
        except FileNotFoundError:
            return False

    def ended(self) -> Observation | None:
        """What the outcome says, or None while there is none."""
        try:
            outcome: dict[str, Any] = json.loads(self.outcome.read_bytes())
        except FileNotFoundError:
            return None
        phase = _PHASES[outcome["status"]]
        if phase is Phase.SUCCEEDED and not self.model.is_dir():
            return Observation(Phase.LOST, message="the trainer succeeded, but its model is gone")
        model = outcome.get("model") or {}
        return Observation(
            phase,
            reason=outcome.get("reason") or "",
            message=outcome.get("message") or "",
            advice=outcome.get("advice") or "",
            trained_tokens=int(outcome.get("trained_tokens") or 0),
            steps=int(outcome.get("steps") or 0),
            model_digest=model.get("digest") or "",
            model_size_bytes=int(model.get("size_bytes") or 0),
            stopped_at=outcome.get("stopped_at") or "",
            metrics={
                name: float(value)
                for name, value in (outcome.get("metrics") or {}).items()
                if isinstance(value, int | float)
            },
        )

    def last_words(self) -> str:
        """The end of what the trainer has printed."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - 4 * _LOG_TAIL))
                return file.read().decode(errors="replace").strip()[-_LOG_TAIL:]
        except FileNotFoundError:
            return ""


def _kind(line: bytes) -> str:
    if not line.endswith(b"\n"):
        return ""
    try:
        return str(json.loads(line)["kind"])
    except (ValueError, KeyError, TypeError):
        return ""
