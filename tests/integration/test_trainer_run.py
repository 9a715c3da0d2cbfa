"""Whole runs on the tiny base, in this process."""

import errno
import json

import pytest
import torch
from tunesmith_trainer import durable
from tunesmith_trainer.__main__ import main
from tunesmith_trainer.checkpoints import latest_checkpoint
from tunesmith_trainer.failures import DirectoryBusy
from tunesmith_trainer.rundir import RunDirectory
from tunesmith_trainer.scoring import SupervisedScorer

from tests.unit.trainer.running import (
    chats,
    events,
    outcome,
    results,
    run_file,
    sentiments,
    tiny_base,
    train_here,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="module")
def learnt(base, tmp_path_factory):
    """A run that learns 20 examples by heart, with everything asked for."""
    folder = tmp_path_factory.mktemp("runs") / "learnt"
    run_json = run_file(
        folder,
        base,
        sentiments(20),
        validation=sentiments(20),
        hyperparameters={"n_epochs": 20, "learning_rate": 0.02, "prompt_loss_weight": 0.0},
        classification={"n_classes": 2, "positive_class": " positive", "betas": [1, 2]},
        checkpoints={"every_steps": 30, "keep": 2},
    )
    assert train_here(run_json) == 0
    return folder


def test_it_learns(learnt):
    rows = results(learnt)
    first, last = (float(row["training_loss"]) for row in (rows[0], rows[-1]))

    assert last < 0.1 * first
    assert rows[-1]["validation_sequence_accuracy"] == "1.0"
    assert outcome(learnt)["metrics"]["classification/accuracy"] == 1.0


def test_results_have_the_guides_columns_and_a_row_a_step(learnt):
    rows = results(learnt)

    assert list(rows[0]) == [
        *("step", "elapsed_tokens", "elapsed_examples"),
        *("training_loss", "training_sequence_accuracy", "training_token_accuracy"),
        *("validation_loss", "validation_sequence_accuracy", "validation_token_accuracy"),
        *("classification/accuracy", "classification/precision", "classification/recall"),
        *("classification/auroc", "classification/auprc"),
        *("classification/f1.0", "classification/f2.0"),
    ]
    assert [row["step"] for row in rows] == [str(n) for n in range(1, 101)]
    assert rows[-1]["elapsed_examples"] == str(20 * 20)
    # Each cell is a number or empty; classification at the end of each epoch, and only there.
    assert all(cell == "" or float(cell) >= 0 for row in rows for cell in row.values())
    assert [int(row["step"]) for row in rows if row["classification/accuracy"]] == list(
        range(5, 101, 5)
    )
    assert all(row["validation_loss"] for row in rows if int(row["step"]) % 5 == 0)


def test_events_tell_the_run_from_prepared_to_completed(learnt):
    told = events(learnt)
    kinds = [event["kind"] for event in told]

    assert [event["sequence"] for event in told] == list(range(1, len(told) + 1))
    assert kinds[0] == "prepared"
    assert kinds[-1] == "completed"
    assert (kinds.count("metrics"), kinds.count("epoch"), kinds.count("checkpoint")) == (100, 20, 4)
    assert {key: told[0][key] for key in ("total_steps", "epochs", "start_step", "device")} == {
        "total_steps": 100,
        "epochs": 20,
        "start_step": 0,
        "device": "cpu",
    }
    step = next(event for event in told if event["kind"] == "metrics" and event["step"] == 5)
    assert step["epoch"] == 1
    assert {"learning_rate", "tokens_per_second", "classification/f2.0"} <= step["values"].keys()


def test_the_outcome_describes_the_model(learnt):
    told = outcome(learnt)

    assert told["format"] == "tunesmith.outcome/1"
    assert (told["status"], told["reason"], told["advice"]) == ("succeeded", None, None)
    assert (told["steps"], told["epochs"]) == (100, 20)
    assert str(told["trained_tokens"]) == results(learnt)[-1]["elapsed_tokens"]
    assert told["model"]["digest"] == durable.folder_digest(learnt / "model")
    assert told["peak_memory_bytes"] > 1 << 20


def test_the_latest_checkpoints_are_kept_and_registered_with_their_digest(learnt):
    kept = sorted(path.name for path in (learnt / "checkpoints").iterdir())
    assert kept == ["step-000090", "step-000100"]
    last = [event for event in events(learnt) if event["kind"] == "checkpoint"][-1]
    folder = learnt / last["path"]
    manifest = json.loads((folder / "manifest.json").read_bytes())["files"]
    assert last["digest"] == durable.digest_of(manifest.items())
    assert last["size_bytes"] == durable.folder_size(folder)


# peft asks transformers for an attribute under its old name.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_peft_loads_the_model_and_it_answers_as_it_learnt(learnt, base):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(learnt / "model")
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = PeftModel.from_pretrained(plain, learnt / "model").eval()
    for row in sentiments(20):
        ids = tokenizer.encode(row["prompt"], add_special_tokens=False, return_tensors="pt")
        first = model(input_ids=ids).logits[0, -1].argmax().item()
        assert first == tokenizer.encode(row["completion"], add_special_tokens=False)[0]


def test_the_contract_names_the_base_but_no_path_of_this_machine(learnt, base):
    contract = json.loads((learnt / "model" / "contract.json").read_bytes())
    adapter = json.loads((learnt / "model" / "adapter_config.json").read_bytes())

    digest = json.loads((base / "base.json").read_bytes())["digest"]
    assert contract["base"] == {"name": "tiny-random", "digest": digest}
    assert adapter["base_model_name_or_path"] == "tiny-random"
    for file in durable.files_under(learnt / "model"):
        assert str(base).encode() not in file.read_bytes()


def test_a_second_start_changes_nothing_and_says_the_same(learnt):
    def everything():
        return {path: path.stat().st_mtime_ns for path in learnt.rglob("*")}

    before = everything()
    assert main([str(learnt / "run.json")]) == 0
    assert everything() == before


def test_the_same_run_gives_the_same_bits_and_another_seed_others(base, tmp_path):
    digests = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        assert train_here(run_file(tmp_path / name, base, seed=seed)) == 0
        digests.append(durable.sha256_of(tmp_path / name / "model" / "adapter_model.safetensors"))
    assert digests[0] == digests[1] != digests[2]


def test_conversations_are_learnt(base, tmp_path):
    run_json = run_file(
        tmp_path / "run",
        base,
        chats(),
        shape="chat",
        hyperparameters={"n_epochs": 10, "learning_rate": 0.02},
    )
    assert train_here(run_json) == 0
    rows = results(run_json.parent)
    contract = json.loads((run_json.parent / "model" / "contract.json").read_bytes())

    assert float(rows[-1]["training_loss"]) < 0.5 * float(rows[0]["training_loss"])
    assert contract["stop"] == ["<|im_end|>"]
    assert "im_start" in contract["template"]


def test_more_than_two_classes_have_the_multiclass_columns(base, tmp_path):
    rows = [
        {"prompt": f"{n} ->", "completion": f" {['red', 'green', 'blue'][n % 3]}"}
        for n in range(12)
    ]
    run_json = run_file(
        tmp_path / "run", base, rows, validation=rows, classification={"n_classes": 3}
    )
    assert train_here(run_json) == 0
    assert list(results(run_json.parent)[-1])[-2:] == [
        "classification/accuracy",
        "classification/weighted_f1_score",
    ]


def test_a_run_continues_from_a_tuned_model(base, learnt, tmp_path):
    run_json = run_file(
        tmp_path / "more",
        base,
        sentiments(20),
        hyperparameters={"learning_rate": 1e-4, "prompt_loss_weight": 0.0},
        parent_adapter=str(learnt / "model"),
    )
    assert train_here(run_json) == 0
    assert float(results(run_json.parent)[0]["training_loss"]) < 0.1


def test_an_adapter_of_another_shape_is_refused(base, learnt, tmp_path):
    for name, lora in (("rank", {"rank": 2}), ("layers", {"layers": 1})):
        run_json = run_file(tmp_path / name, base, lora=lora, parent_adapter=str(learnt / "model"))
        assert train_here(run_json) == 13
        assert outcome(run_json.parent)["reason"] == "BAD_BASE_MODEL"
        assert "parent adapter" in outcome(run_json.parent)["message"].lower()


def test_a_learning_rate_far_too_high_ends_with_step_and_advice(base, tmp_path):
    run_json = run_file(
        tmp_path / "run", base, hyperparameters={"learning_rate": 1e6, "n_epochs": 20}
    )
    assert train_here(run_json) == 12
    told = outcome(run_json.parent)

    assert (told["status"], told["reason"]) == ("failed", "DIVERGED")
    assert "step" in told["message"]
    assert "learning_rate" in told["advice"]
    assert events(run_json.parent)[-1]["reason"] == "DIVERGED"
    assert told["model"] is None


def test_bad_data_is_named_by_its_line_and_never_quoted(base, tmp_path):
    run_json = run_file(tmp_path / "run", base)
    with (tmp_path / "run" / "train.jsonl").open("a") as file:
        file.write('{"prompt": "my secret", "completion": 7}\n')
    assert train_here(run_json) == 10
    told = outcome(run_json.parent)

    assert told["reason"] == "USER_DATA"
    assert "line 21" in told["message"]
    assert "secret" not in (run_json.parent / "events.jsonl").read_text() + json.dumps(told)


def test_a_base_that_is_not_there_or_not_the_one_is_named(base, tmp_path):
    gone = run_file(tmp_path / "gone", tmp_path / "nothing")
    other = run_file(tmp_path / "other", base)
    spec = json.loads(other.read_text())
    spec["base"]["digest"] = f"sha256:{'0' * 64}"
    other.write_text(json.dumps(spec))

    assert train_here(gone) == train_here(other) == 13
    assert "is not at its path" in outcome(gone.parent)["message"]
    assert "not the one" in outcome(other.parent)["message"]


def test_truncated_and_dropped_examples_are_reported(base, tmp_path):
    rows = [*sentiments(4), {"prompt": "very " * 99, "completion": " positive"}]
    rows.append({"prompt": "nothing", "completion": ""})
    run_json = run_file(tmp_path / "run", base, rows, hyperparameters={"max_sequence_length": 64})
    assert train_here(run_json) == 0
    prepared = next(e for e in events(run_json.parent) if e["kind"] == "prepared")
    counts = ("training_examples", "truncated_examples", "dropped_examples")
    assert [prepared[name] for name in counts] == [5, 1, 1]


def test_a_full_disk_keeps_the_checkpoints_before_it(base, tmp_path, monkeypatch):
    run_json = run_file(tmp_path / "run", base)
    publish = durable.publish_directory

    def full(temporary, final):
        if final.name == "step-000010":
            raise OSError(errno.ENOSPC, "No space left on device")
        publish(temporary, final)

    with monkeypatch.context() as patched:
        patched.setattr(durable, "publish_directory", full)
        assert train_here(run_json) == 14
    assert outcome(run_json.parent)["reason"] == "STORAGE_FULL"
    assert [path.name for path in (run_json.parent / "checkpoints").iterdir()] == ["step-000005"]
    checkpoint, damaged = latest_checkpoint(run_json.parent)
    assert checkpoint is not None
    assert (checkpoint.progress.step, damaged) == (5, [])


def memory_for(rows, monkeypatch):
    """Let a training micro-batch of more than so many examples run out of memory, at its end."""
    forward = SupervisedScorer._loss

    def loss(self, micro, hidden):
        found = forward(self, micro, hidden)
        if len(micro) > rows and torch.is_grad_enabled():
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return found

    monkeypatch.setattr(SupervisedScorer, "_loss", loss)


def test_out_of_memory_makes_micro_batches_smaller_and_changes_nothing_else(
    base, tmp_path, monkeypatch
):
    plain, short = (run_file(tmp_path / name, base) for name in ("plain", "short"))
    assert train_here(plain) == 0
    with monkeypatch.context() as patched:
        memory_for(2, patched)
        assert train_here(short) == 0
    (told,) = (each for each in events(short.parent) if "Memory ran out" in each.get("text", ""))
    assert told["level"] == "warning"
    for one, other in zip(results(plain.parent), results(short.parent), strict=True):
        assert (one["step"], one["elapsed_tokens"]) == (other["step"], other["elapsed_tokens"])
        assert float(one["training_loss"]) == pytest.approx(float(other["training_loss"]), rel=1e-3)


def test_after_running_out_of_memory_a_run_is_resumed_exactly(base, tmp_path, monkeypatch):
    def a_run(name, **fields):
        return run_file(tmp_path / name, base, lora={"dropout": 0.2}, **fields)

    memory_for(2, monkeypatch)
    whole = a_run("whole")
    assert train_here(whole) == 0
    half = str(tmp_path / "whole" / "checkpoints" / "step-000015")
    again = a_run("again", resume_from=half)
    assert train_here(again) == 0
    for name in ("model/adapter_model.safetensors", "results.csv"):
        assert (whole.parent / name).read_bytes() == (again.parent / name).read_bytes()
    assert "Memory ran out" not in (again.parent / "events.jsonl").read_text()


def test_out_of_memory_for_a_single_example_has_its_reason(base, tmp_path, monkeypatch):
    memory_for(0, monkeypatch)
    run_json = run_file(tmp_path / "run", base)
    assert train_here(run_json) == 11
    told = outcome(run_json.parent)
    assert told["reason"] == "OUT_OF_MEMORY"
    assert "Not even one example of" in told["message"]
    assert "max_sequence_length" in told["advice"]


def test_an_unforeseen_error_is_internal_and_quotes_nothing(base, tmp_path, monkeypatch, caplog):
    text = "my secret"

    def broken(*_):
        raise ValueError(text)

    monkeypatch.setattr("tunesmith_trainer.scoring.Scorer.train", broken)
    run_json = run_file(tmp_path / "run", base)
    assert train_here(run_json) == 1
    told = (run_json.parent / "outcome.json").read_text()
    assert "ValueError" in told
    assert "secret" not in told + "".join(record.getMessage() for record in caplog.records)
    assert "scoring" in caplog.text or "loop.py" in caplog.text  # but where it was is said


def test_two_trainers_never_work_in_one_directory(base, tmp_path, capsys):
    run_json = run_file(tmp_path / "run", base)
    first = RunDirectory(run_json.parent)
    first.acquire()

    with pytest.raises(DirectoryBusy):
        RunDirectory(run_json.parent).acquire()
    assert main([str(run_json)]) == 3
    assert "another trainer" in capsys.readouterr().err
    assert not (run_json.parent / "events.jsonl").exists()
    first.release()
