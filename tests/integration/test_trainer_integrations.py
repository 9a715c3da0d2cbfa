"""Measurements to Weights & Biases, MLflow and TensorBoard, and a training that needs none."""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from tunesmith_trainer import training
from tunesmith_trainer.integrations.handed import Handed

from tests.fakes.tracking import unhelpful
from tests.fakes.wandb_server import serving_wandb
from tests.integration.tracked import in_mlflow, in_tensorboard, in_wandb
from tests.unit.trainer.running import (
    events,
    outcome,
    preferences,
    results,
    run_file,
    sentiments,
    tiny_base,
    train_here,
)

SERVICE = Path(__file__).parents[2] / "service"
KEY = "c0ffee" * 7


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="module")
def alone(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run without any integration."""
    return trained(tmp_path_factory.mktemp("runs") / "alone", base)


def trained(
    folder: Path,
    base: Path,
    *integrations: dict[str, Any],
    key: str | None = None,
    **fields: Any,
) -> Path:
    """The folder of a run of 20 steps that has ended."""
    path = run_file(
        folder,
        base,
        validation=sentiments(6),
        classification={"positive_class": "positive"},
        integrations=list(integrations),
        **fields,
    )
    assert train_here(path, Handed([key] * len(integrations))) == 0
    return folder


def warnings(folder: Path) -> list[str]:
    """What the log warns of, but for the data of these tests."""
    return [
        event["text"]
        for event in events(folder)
        if event["kind"] == "message" and event["level"] == "warning"
    ]


def curves(folder: Path) -> dict[str, dict[int, float]]:
    """What a service should have: results.csv, by column."""
    found: dict[str, dict[int, float]] = {}
    for row in results(folder):
        for name, cell in row.items():
            if cell and name != "step":
                found.setdefault(name, {})[int(row["step"])] = float(cell)
    return found


def test_every_service_has_what_results_csv_has(base: Path, tmp_path: Path, alone: Path):
    folder = trained(
        tmp_path / "run",
        base,
        {"type": "wandb", "project": "p", "name": "n", "tags": ["t"], "mode": "offline"},
        {"type": "mlflow", "tracking_uri": f"file://{tmp_path}/ml", "experiment": "e", "name": "n"},
        {"type": "tensorboard"},
        about={"training_dataset": "rows"},
    )
    expected = curves(folder)
    assert {"training_loss", "validation_token_accuracy", "classification/f1.0"} <= expected.keys()
    more = {"epoch", "learning_rate", "tokens_per_second"}
    hyperparameters = json.loads((folder / "run.json").read_text())["hyperparameters"]
    digest = outcome(folder)["model"]["digest"]

    (file,) = folder.rglob("*.wandb")
    config, found, summary, run = in_wandb(file)
    assert (run.run_id, run.project, run.display_name, list(run.tags)) == ("a-run", "p", "n", ["t"])
    assert found.keys() == expected.keys() | more
    assert {name: found[name] for name in expected} == expected
    assert found["epoch"][20] == hyperparameters["n_epochs"]
    assert config["n_epochs"] == hyperparameters["n_epochs"]
    assert (config["lora_rank"], config["total_steps"]) == (4, 20)
    assert (config["training_dataset"], config["base_model"]) == ("rows", "tiny-random")
    assert (summary["status"], summary["model_digest"]) == ("succeeded", digest)

    ((run, points),) = in_mlflow(f"file://{tmp_path}/ml", "e")
    assert (run.info.status, run.info.run_name) == ("FINISHED", "n")
    assert points.keys() == expected.keys() | more
    assert {name: dict(points[name]) for name in expected} == expected
    assert run.data.params["lora_rank"] == "4"
    assert run.data.tags["tunesmith.model_digest"] == digest

    found = in_tensorboard(folder / "tensorboard")
    assert found.keys() == expected.keys() | more
    for name, curve in expected.items():
        assert found[name] == pytest.approx(curve)  # it keeps 32 bits of a number

    assert warnings(folder) == warnings(alone)
    assert model(folder) == model(alone)


def test_a_run_on_preferences_is_told_with_its_margins_and_its_beta(base: Path, tmp_path: Path):
    path = run_file(
        tmp_path / "run",
        base,
        preferences(12),
        shape="preference",
        dpo={"beta": 0.25},
        hyperparameters={"n_epochs": 1},
        integrations=[{"type": "wandb", "project": "p", "mode": "offline"}],
    )
    assert train_here(path) == 0
    (file,) = path.parent.rglob("*.wandb")
    config, found, _, _ = in_wandb(file)
    assert config["dpo_beta"] == 0.25
    expected = curves(path.parent)
    assert "training_reward_margin" in expected
    assert {name: found[name] for name in expected} == expected


def model(folder: Path) -> bytes:
    return (folder / "model" / "adapter_model.safetensors").read_bytes()


def test_what_was_killed_goes_on_in_the_same_run_of_each_service(base: Path, tmp_path: Path):
    with serving_wandb() as wandb:
        path = run_file(
            tmp_path / "1",
            base,
            sentiments(48),
            hyperparameters={"n_epochs": 10_000, "batch_size": 48},
            checkpoints={"every_steps": 7},
            integrations=[
                {**at("wandb", wandb.url), "name": "n", "tags": ["t"]},
                {"type": "mlflow", "tracking_uri": f"file://{tmp_path}/ml", "experiment": "e"},
                {"type": "tensorboard", "folder": str(tmp_path / "tensorboard")},
            ],
        )
        killed = process(path, key=KEY)
        wait_for(lambda: in_mlflow_at(tmp_path) >= 10, killed)
        wait_for(lambda: wandb.runs and wandb.runs["a-run"].history, killed)
        children = psutil.Process(killed.pid).children(recursive=True)
        assert any("wandb-core" in child.name() for child in children)
        killed.kill()
        killed.wait()
        _, left = psutil.wait_procs(children, 30)
        assert not left, left

        last = [event for event in events(path.parent) if event["kind"] == "metrics"][-1]
        tokens = last["values"]["elapsed_tokens"] // last["step"]
        spec = json.loads(path.read_text())
        spec |= {"attempt": 2, "resume_from": str(tmp_path / "1")}
        spec["limits"] = {"max_trained_tokens": tokens * (last["step"] + 20)}
        (tmp_path / "2").mkdir()
        second = tmp_path / "2" / "run.json"
        second.write_text(json.dumps(spec))
        assert train_here(second, Handed([KEY])) == 0

    expected = curves(second.parent)
    steps = list(range(1, last["step"] + 21))
    assert list(expected["training_loss"]) == steps

    (there,) = wandb.runs.values()
    assert (there.project, there.name, there.tags) == ("p", "n", ["t"])
    assert [line["_step"] for line in there.history] == steps  # each once
    for line in there.history:
        assert line["training_loss"] == expected["training_loss"][line["_step"]]
    assert there.config["n_epochs"] == {"value": 10_000}
    assert there.summary["model_digest"] == outcome(second.parent)["model"]["digest"]
    assert there.exit_codes[-1] == 0
    assert not there.hosts
    ((run, points),) = in_mlflow(f"file://{tmp_path}/ml", "e")
    assert run.info.status == "FINISHED"
    assert points["training_loss"] == sorted(expected["training_loss"].items())  # each once
    shown = in_tensorboard(tmp_path / "tensorboard")["training_loss"]
    assert shown == pytest.approx(expected["training_loss"])


def in_mlflow_at(folder: Path) -> int:
    """How many training losses MLflow has."""
    return sum(
        len(file.read_bytes().splitlines()) for file in folder.glob("ml/*/*/metrics/training_loss")
    )


def process(path: Path, *, key: str | None = None) -> "subprocess.Popen[bytes]":
    """`python -m tunesmith_trainer` as a process, with the key of each integration."""
    count = len(json.loads(path.read_text())["integrations"])
    running = subprocess.Popen(
        [sys.executable, "-m", "tunesmith_trainer", str(path)],
        env={**os.environ, "PYTHONPATH": str(SERVICE)},
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert running.stdin
    running.stdin.write(json.dumps({"keys": [key] * count, "environment": {}}).encode())
    running.stdin.close()
    return running


def wait_for(true: Any, running: "subprocess.Popen[bytes]", *, deadline: float = 60.0) -> None:
    until = time.monotonic() + deadline
    while not true():
        assert running.poll() is None, "it ended before"
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("type", ["wandb", "mlflow"])
def test_a_server_that_refuses_the_key_is_named_once(
    base: Path, tmp_path: Path, alone: Path, type: str
):
    with unhelpful(answers=True) as server:
        folder = trained(tmp_path / "run", base, at(type, server.url), key=KEY)
    told = [text for text in warnings(folder) if text not in warnings(alone)]
    assert len(told) == 1, told
    assert "gets no measurements" in told[0]
    assert "401" in told[0]
    assert KEY not in told[0]
    assert any(KEY in shown or KEY in _basic(shown) for shown in server.credentials)
    assert model(folder) == model(alone)


def _basic(shown: str) -> str:
    kind, _, value = shown.partition(" ")
    return base64.b64decode(value).decode() if kind == "Basic" else ""


def at(type: str, url: str) -> dict[str, Any]:
    """An integration at a server of ours, whose key is handed over."""
    place = {"project": "p", "url": url} if type == "wandb" else {"tracking_uri": url}
    return {"type": type, "credentials": "stdin", **place}


@pytest.mark.parametrize("type", ["wandb", "mlflow"])
def test_a_server_that_never_answers_is_not_waited_for(
    base: Path, tmp_path: Path, alone: Path, type: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(training, "END_SECONDS", 1.0)
    before = set(psutil.Process().children(recursive=True))
    with unhelpful(answers=False) as server:
        started = time.monotonic()
        folder = trained(tmp_path / "run", base, at(type, server.url), key=KEY)
        took = time.monotonic() - started
    told = [text for text in warnings(folder) if text not in warnings(alone)]
    assert len(told) == 1, told
    assert "was not waited for" in told[0]
    assert took < outcome(alone)["seconds"] + 15
    assert model(folder) == model(alone)
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.parametrize(
    ("library", "type"), [("wandb", "wandb"), ("mlflow", "mlflow"), ("tensorboardX", "tensorboard")]
)
def test_a_library_that_is_not_installed_is_named_with_what_to_install(
    base: Path,
    tmp_path: Path,
    alone: Path,
    library: str,
    type: str,
    monkeypatch: pytest.MonkeyPatch,
):
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / f"{library}.py").write_text("raise ModuleNotFoundError('absent')")
    monkeypatch.setenv("PYTHONPATH", str(shadow), prepend=os.pathsep)
    wanted = {"type": type} if type == "tensorboard" else at(type, "http://127.0.0.1:1")
    folder = trained(tmp_path / "run", base, wanted, key=KEY)
    told = [text for text in warnings(folder) if text not in warnings(alone)]
    assert len(told) == 1, told
    assert f"pip install 'tunesmith[{type}]'" in told[0]


def test_a_key_that_did_not_come_is_said_and_nobody_elses_is_taken(
    base: Path, tmp_path: Path, alone: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with unhelpful(answers=True) as server:
        folder = trained(tmp_path / "run", base, at("wandb", server.url))
    told = [text for text in warnings(folder) if text not in warnings(alone)]
    assert told == [
        "Weights & Biases gets no measurements: its key could not be read; an administrator finds"
        " why in the log. The training does not depend on it."
    ]
    assert not server.credentials


def test_the_measurements_of_an_outage_come_later(base: Path, tmp_path: Path):
    blocked = tmp_path / "blocked"
    blocked.write_text("nothing can be written below a file")
    path = run_file(
        tmp_path / "run",
        base,
        sentiments(48),
        hyperparameters={"n_epochs": 10_000, "batch_size": 48},
        integrations=[{"type": "tensorboard", "folder": str(blocked / "folder")}],
    )
    running = process(path)
    try:
        wait_for(lambda: "gets no measurements" in log(path), running)
        blocked.unlink()
        wait_for(lambda: "gets measurements again" in log(path), running)
    finally:
        running.terminate()
        running.wait()
    steps = [event["step"] for event in events(path.parent) if event["kind"] == "metrics"]
    assert list(in_tensorboard(blocked / "folder")["training_loss"]) == steps
    assert len([text for text in warnings(path.parent) if "TensorBoard" in text]) == 1


def log(path: Path) -> str:
    file = path.parent / "events.jsonl"
    return file.read_text() if file.exists() else ""


def test_a_key_is_in_no_file_no_command_and_no_environment(base: Path, tmp_path: Path):
    with unhelpful(answers=True) as server:
        path = run_file(
            tmp_path / "run",
            base,
            sentiments(48),
            hyperparameters={"n_epochs": 400},
            integrations=[at("wandb", server.url), at("mlflow", server.url)],
        )
        running = process(path, key=KEY)
        try:
            wait_for(lambda: log(path).count("gets no measurements") == 2, running)
            family = [psutil.Process(running.pid)]
            family += family[0].children(recursive=True)
            shown = [f"{each.cmdline()} {each.environ()}" for each in family]
        finally:
            running.terminate()
            running.wait()
    assert any(KEY in shown or KEY in _basic(shown) for shown in server.credentials)
    assert any("wandb-core" in text for text in shown)
    assert not [text for text in shown if KEY in text]
    files = [file for file in path.parent.rglob("*") if file.is_file()]
    assert not [file for file in files if KEY.encode() in file.read_bytes()]
