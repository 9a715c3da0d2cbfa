import json

import pytest
from tunesmith_trainer.__main__ import main
from tunesmith_trainer.failures import EXIT_CODES, BadRunSpec, Reason
from tunesmith_trainer.spec import read_run_spec

from tests.unit.trainer.running import run_file, sentiments


def changed(path, **changes):
    """Set fields of the run.json at `path`, given as dotted names with __ for the dot."""
    spec = json.loads(path.read_text())
    for name, value in changes.items():
        *parents, last = name.split("__")
        part = spec
        for parent in parents:
            part = part[parent]
        part[last] = value
    path.write_text(json.dumps(spec))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hyperparameters__n_epochs": 0}, "hyperparameters.n_epochs: "),
        ({"hyperparameters__n_epoch": 3}, "hyperparameters.n_epoch: Extra inputs"),
        ({"hyperparameters__lora__rank": 0}, "hyperparameters.lora.rank: "),
        ({"hyperparameters__learning_rate": "fast"}, "hyperparameters.learning_rate: "),
        ({"format": "tunesmith.run/2"}, "format: "),
        ({"base__path": "relative"}, "base.path: must be an absolute path"),
        ({"base__digest": "md5:1"}, "base.digest: "),
        ({"data__training": "/nowhere.jsonl"}, "data.training: there is no file"),
        ({"data__shape": "text"}, "data.shape: "),
        ({"classification": {}}, "classification needs data.validation"),
        ({"seed": -1}, "seed: "),
        ({"limits": {"max_trained_tokens": 0}}, "limits.max_trained_tokens: "),
        ({"limits": {"max_seconds": 0}}, "limits.max_seconds: "),
        ({"limits": {"max_tokens": 5}}, "limits.max_tokens: Extra inputs"),
    ],
)
def test_a_wrong_field_is_named_in_one_line_and_the_exit_code_is_2(
    tmp_path, capsys, change, message
):
    path = changed(run_file(tmp_path / "run", tmp_path), **change)

    assert main([str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (path.parent / "outcome.json").exists()


def test_a_file_that_is_not_json_is_refused(tmp_path):
    path = tmp_path / "run.json"
    path.write_text('{"format": ')
    with pytest.raises(BadRunSpec, match="Invalid JSON"):
        read_run_spec(path)


def test_no_file_is_refused(tmp_path, capsys):
    assert main([str(tmp_path / "run.json")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_classification_of_conversations_is_refused(tmp_path):
    path = run_file(tmp_path / "run", tmp_path, validation=sentiments(2))
    with pytest.raises(BadRunSpec, match=r"needs data\.shape prompt_completion"):
        read_run_spec(changed(path, classification={}, data__shape="chat"))


def test_every_reason_has_an_exit_code_of_its_own():
    assert EXIT_CODES.keys() == set(Reason)
    assert len(set(EXIT_CODES.values())) == len(Reason)
    assert 0 not in EXIT_CODES.values()
