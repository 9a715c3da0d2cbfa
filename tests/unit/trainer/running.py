"""A tiny base and small runs, for the trainer's tests."""

import json
from pathlib import Path
from typing import Any

from tunesmith_trainer.bases.materialise import materialise
from tunesmith_trainer.integrations.handed import Handed
from tunesmith_trainer.rundir import RunDirectory
from tunesmith_trainer.spec import read_run_spec
from tunesmith_trainer.stop_request import StopRequest


def tiny_base(folder: Path) -> Path:
    """The tiny random base, in `folder`."""
    materialise("tiny-random", folder, lambda stage, fraction: None)
    return folder


def sentiments(count: int = 20) -> list[dict[str, Any]]:
    """Prompt/completion examples of different lengths whose label can be read off the prompt."""
    return [
        {
            "prompt": f"{'so ' * (number % 7)}{'great' if number % 2 else 'bad'} {number}\n\n->",
            "completion": " positive" if number % 2 else " negative",
        }
        for number in range(count)
    ]


def chats(count: int = 12) -> list[dict[str, Any]]:
    """Conversations of two turns each."""
    return [
        {
            "messages": [
                {"role": "system", "content": "You help."},
                {"role": "user", "content": f"What is {number}?"},
                {"role": "assistant", "content": "red" if number % 2 else "green"},
                {"role": "user", "content": "Sure?"},
                {"role": "assistant", "content": "yes"},
            ]
        }
        for number in range(count)
    ]


def preferences(count: int = 24, start: int = 0) -> list[dict[str, Any]]:
    """Pairs of a blunt answer that is preferred and a wordy one that is not."""
    return [
        {
            "input": {"messages": [{"role": "user", "content": f"Is {number} even?"}]},
            "preferred_output": [{"role": "assistant", "content": "No." if number % 2 else "Yes."}],
            "non_preferred_output": [
                {
                    "role": "assistant",
                    "content": f"Well, that depends on {'so ' * (number % 5)}much.",
                }
            ],
        }
        for number in range(start, start + count)
    ]


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write `rows`, one a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run_file(
    folder: Path,
    base: Path,
    rows: list[dict[str, Any]] | None = None,
    *,
    validation: list[dict[str, Any]] | None = None,
    shape: str = "prompt_completion",
    lora: dict[str, Any] | None = None,
    hyperparameters: dict[str, Any] | None = None,
    **fields: Any,
) -> Path:
    """Write the data and `run.json` of a small run into `folder`, a new one; its path."""
    folder.mkdir()
    training = write_jsonl(folder / "train.jsonl", sentiments() if rows is None else rows)
    held_out = write_jsonl(folder / "valid.jsonl", validation) if validation else None
    spec = {
        "format": "tunesmith.run/1",
        "run": "a-run",
        "attempt": 1,
        "base": {"path": str(base), "name": "tiny-random"},
        "data": {
            "training": str(training),
            "validation": str(held_out) if held_out else None,
            "shape": shape,
        },
        "hyperparameters": {
            "n_epochs": 4,
            "batch_size": 4,
            "learning_rate": 0.01,
            "lora": {"rank": 4, "alpha": 8, "layers": 2, **(lora or {})},
            **(hyperparameters or {}),
        },
        "device": "cpu",
        **fields,
    }
    path = folder / "run.json"
    path.write_text(json.dumps(spec))
    return path


def train_here(run_json: Path, handed: Handed | None = None) -> int:
    """Train in this process, as `python -m tunesmith_trainer` does in one of its own."""
    from tunesmith_trainer.training import Run

    directory = RunDirectory(run_json.parent)
    directory.acquire()
    try:
        stop = StopRequest(directory.stop)
        return Run(read_run_spec(run_json), directory, stop, handed=handed).execute()
    finally:
        directory.release()


def events(folder: Path) -> list[dict[str, Any]]:
    """The events of the run in `folder`."""
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def outcome(folder: Path) -> dict[str, Any]:
    """The outcome of the run in `folder`."""
    value: dict[str, Any] = json.loads((folder / "outcome.json").read_bytes())
    return value


def results(folder: Path) -> list[dict[str, str]]:
    """The rows of results.csv as texts by column."""
    header, *rows = (folder / "results.csv").read_text().splitlines()
    return [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]
