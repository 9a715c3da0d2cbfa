"""Checkpoints: everything that a run needs to go on as if nothing had happened.

A folder `step-000123` holds the adapter in peft's layout (usable as a model by itself), the
optimiser's moments, the random state, `state.json` and `results.csv` so far; `manifest.json` has
the SHA-256 of each. It appears under its name only when all of it is on the disk. The learning
rate and the order of the data are functions of the step and the seed, so the step stands for both.

`clock.json` has the time trained. It is not in the manifest, so that the digest of a step's
checkpoint is the same however long it took to get there, and it can be set forward later.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tunesmith_trainer import durable
from tunesmith_trainer.batches import TOKEN_BUDGET
from tunesmith_trainer.network import ADAPTER_WEIGHTS, Network

CHECKPOINT_FORMAT = "tunesmith.checkpoint/1"
_MANIFEST = "manifest.json"
_CLOCK = "clock.json"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(slots=True)
class Progress:
    """Where a run stands after `step` optimiser steps; 0 before the first.

    `elapsed_tokens` counts prompt and completion without padding, in all epochs so far.
    `hopeless_steps`: how many steps in a row the loss was far worse than guessing.
    `metrics`: the latest value of each column. `seconds`: the time of training, in all attempts.
    `owed`: the training columns of this step if its row is not in results.csv yet, since a pause
    cut its measurement short. `token_budget`: the size of micro-batches, lower where memory ran
    out, and part of what an exact resume needs.
    """

    step: int = 0
    elapsed_tokens: int = 0
    elapsed_examples: int = 0
    hopeless_steps: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    owed: dict[str, float] | None = None
    token_budget: int = TOKEN_BUDGET


@dataclass(frozen=True, slots=True)
class Written:
    """A checkpoint on the disk; `digest` is that of its manifest's files."""

    path: Path
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was read and found whole."""

    path: Path
    progress: Progress
    identity: dict[str, Any]
    environment: dict[str, Any]
    results: bytes


class CheckpointFolder:
    """`checkpoints/` of one run directory."""

    def __init__(self, root: Path, *, keep: int) -> None:
        self._root = root
        self._keep = keep
        root.mkdir(exist_ok=True)
        for unfinished in root.glob(".tmp-*"):
            shutil.rmtree(unfinished)

    def holds(self, checkpoint: Checkpoint) -> bool:
        """Whether `checkpoint` lies in this folder (and not in an earlier attempt's)."""
        return checkpoint.path.parent == self._root

    def write(
        self,
        progress: Progress,
        network: Network,
        optimizer: torch.optim.Optimizer,
        *,
        identity: dict[str, Any],
        environment: dict[str, Any],
        results: bytes,
    ) -> Written:
        """Write the checkpoint of this step, then drop all but the latest `keep`."""
        from safetensors.torch import save_file

        final = self._root / f"step-{progress.step:06d}"
        temporary = self._root / f".tmp-{final.name}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            network.save_adapter(temporary)
            save_file(_optimizer_tensors(network, optimizer), temporary / "optimizer.safetensors")
            save_file(_random_state(network.device), temporary / "random.safetensors")
            (temporary / "results.csv").write_bytes(results)
            learnt = asdict(progress)
            clock = _clock_bytes(learnt.pop("seconds"))
            state = {
                "format": CHECKPOINT_FORMAT,
                "progress": learnt,
                "results_bytes": len(results),
                "identity": identity,
                "environment": environment,
            }
            (temporary / "state.json").write_bytes(durable.json_bytes(state))
            hashes = {
                str(file.relative_to(temporary)): durable.sha256_of(file)
                for file in durable.files_under(temporary)
            }
            (temporary / _CLOCK).write_bytes(clock)
            (temporary / _MANIFEST).write_bytes(durable.json_bytes({"files": hashes}))
            durable.publish_directory(temporary, final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)  # give the disk its room back
            raise
        for old in _step_folders(self._root)[: -self._keep]:
            shutil.rmtree(old)
        return Written(final, durable.folder_size(final), durable.digest_of(hashes.items()))

    def set_clock(self, progress: Progress) -> None:
        """Note in the checkpoint of this step how much time has gone by since it was written."""
        # In its place: a new file would have to be renamed inside a folder that others may copy.
        clock = self._root / f"step-{progress.step:06d}" / _CLOCK
        descriptor = os.open(clock, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, _clock_bytes(progress.seconds))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def latest_checkpoint(source: Path) -> tuple[Checkpoint | None, list[Path]]:
    """The newest whole checkpoint of `source`, and newer ones that turned out damaged.

    `source` is a checkpoint folder, a run directory, or its `checkpoints/`.
    """
    candidates = [source] if (source / _MANIFEST).is_file() else []
    candidates += reversed(_step_folders(source / "checkpoints"))
    candidates += reversed(_step_folders(source))
    damaged: list[Path] = []
    for candidate in candidates:
        checkpoint = _read(candidate)
        if checkpoint is not None:
            return checkpoint, damaged
        damaged.append(candidate)
    return None, damaged


def restore(checkpoint: Checkpoint, network: Network, optimizer: torch.optim.Optimizer) -> None:
    """Put the weights, the optimiser's moments and the random state back."""
    from safetensors.torch import load_file

    network.restore(load_file(checkpoint.path / ADAPTER_WEIGHTS), what="The checkpoint")
    tensors = load_file(checkpoint.path / "optimizer.safetensors")
    for name, parameter in network.trainable.items():
        moments = {part: tensors[f"{part}:{name}"] for part in _MOMENTS}
        optimizer.state[parameter] = {
            part: value.to(parameter.device) for part, value in moments.items()
        }
    random_state = load_file(checkpoint.path / "random.safetensors")
    torch.set_rng_state(random_state["cpu"])
    if network.device.type == "cuda" and "cuda" in random_state:
        torch.cuda.set_rng_state(random_state["cuda"])


def _step_folders(root: Path) -> list[Path]:
    """The checkpoint folders below `root`, oldest first; past step 999,999 names get longer."""
    return sorted(root.glob("step-*"), key=lambda path: (len(path.name), path.name))


def _read(path: Path) -> Checkpoint | None:
    try:
        manifest = json.loads((path / _MANIFEST).read_bytes())["files"]
        if any(durable.sha256_of(path / name) != value for name, value in manifest.items()):
            return None
        state = json.loads((path / "state.json").read_bytes())
        return Checkpoint(
            path=path,
            progress=Progress(**state["progress"], seconds=_seconds(path / _CLOCK)),
            identity=state["identity"],
            environment=state["environment"],
            results=(path / "results.csv").read_bytes(),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _clock_bytes(seconds: float) -> bytes:
    # Always of one length, so that it can be written over in one go and keeps the folder's size.
    return json.dumps({"seconds": seconds}).ljust(63).encode() + b"\n"


def _seconds(clock: Path) -> float:
    try:
        return float(json.loads(clock.read_bytes())["seconds"])
    except FileNotFoundError:  # written before there was a clock
        return 0.0


def _optimizer_tensors(network: Network, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{part}:{name}": optimizer.state[parameter][part].detach().cpu().contiguous()
        for name, parameter in network.trainable.items()
        for part in _MOMENTS
    }


def _random_state(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state()
    return state
