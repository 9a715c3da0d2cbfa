"""`tunesmith datasets prepare` of a file: offline, as the old tool was used."""

# ruff: noqa: ASYNC240 (small files)

import json
import shlex
from pathlib import Path

import pytest

from tests.unit.client.conftest import Tunesmith


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "My Data.jsonl"
    rows = [
        {"prompt": f"number {n}", "completion": "even" if n % 2 == 0 else "odd"} for n in range(20)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]))
    return path


async def test_it_writes_both_sides_beside_the_file_and_says_how_to_go_on(
    tunesmith: Tunesmith, file: Path
):
    done = await tunesmith("datasets", "prepare", str(file), "--yes")
    assert done.exit_code == 0, done.output
    training, validation = (
        file.with_name(f"My Data_prepared_{kind}.jsonl") for kind in ("train", "valid")
    )
    assert len(training.read_text().splitlines()) == 16
    assert len(validation.read_text().splitlines()) == 4
    assert json.loads(training.read_text().splitlines()[0])["prompt"].endswith(" ->")
    assert "recommended DUPLICATE_ROWS (1 row)" in done.output
    commands = [shlex.split(line) for line in done.output.splitlines() if "  tunesmith" in line]
    assert commands[0][:4] == ["tunesmith", "datasets", "upload", str(training)]
    assert commands[-1][3:7] == ["-t", "my-data-prepared-train", "-v", "my-data-prepared-valid"]
    again = await tunesmith("datasets", "prepare", str(file), "--yes", "--no-split")
    assert again.exit_code == 0
    assert file.with_name("My Data_prepared.jsonl").exists()
    await tunesmith("datasets", "prepare", str(file), "--yes")
    assert file.with_name("My Data_prepared_train (1).jsonl").read_bytes() == training.read_bytes()


async def test_fixes_can_be_chosen_by_name(tunesmith: Tunesmith, file: Path):
    done = await tunesmith(
        "datasets", "prepare", str(file), "--fix", "DUPLICATE_ROWS", "--no-split", "-o", "json"
    )
    content = json.loads(done.stdout)
    assert [f["code"] for f in content["summary"]["fixes"] if f["applied"]] == ["DUPLICATE_ROWS"]
    (written,) = content["files"]
    assert json.loads(Path(written).read_text().splitlines()[0]) == {
        "prompt": "number 0",
        "completion": "even",
    }
    wrong = await tunesmith("datasets", "prepare", str(file), "--fix", "NOPE")
    assert wrong.exit_code == 2
    assert "there is no fix 'NOPE'" in wrong.output


async def test_nothing_is_written_where_there_is_nothing_to_do(tunesmith: Tunesmith, file: Path):
    file.write_text(
        '{"prompt":"one ->","completion":" two."}\n{"prompt":"red ->","completion":" blue."}\n'
    )
    done = await tunesmith("datasets", "prepare", str(file))
    assert done.exit_code == 0
    assert "nothing to mend" in done.output
    assert list(file.parent.glob("*_prepared*")) == []


async def test_rows_that_only_their_author_can_mend_are_exit_code_3(
    tunesmith: Tunesmith, file: Path
):
    file.write_text(file.read_text() + '{"prompt": 7, "completion": "x"}\n')
    done = await tunesmith("datasets", "prepare", str(file), "--yes")
    assert done.exit_code == 3
    assert "line 22" in done.output
    assert list(file.parent.glob("*_prepared*")) == []


async def test_a_file_that_is_not_there_is_said_so(tunesmith: Tunesmith, tmp_path: Path):
    done = await tunesmith("datasets", "prepare", str(tmp_path / "nothing.jsonl"))
    assert done.exit_code == 1
    assert "there is no such file" in done.output
