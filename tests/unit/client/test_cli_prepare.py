"""`tunesmith datasets prepare` and `split`: offline, as the old tool was, or by the service."""

# ruff: noqa: ASYNC240 (small files)

import asyncio
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tunesmith import AsyncClient
from tunesmith.v1 import common_pb2
from tunesmith.v1 import dataset_pb2 as pb

from tests.e2e.terminal import Terminal
from tests.fakes.servicer import KEY, FakeService
from tests.unit.client.conftest import Tunesmith

CLIENT = Path(__file__).parents[3] / "client"
NAME = "tenants/acme/datasets/t"
COMMAND = "tunesmith fine-tunes create -t t-train -v t-valid -m ada"
QUESTIONS = (
    "Remove rows that repeat an earlier one",
    "End each prompt with",
    "Begin each completion with a blank",
    "Split into training and validation data",
    "The prepared data is written to a new file. Proceed",
)
"""That are asked about the file."""


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


async def test_personal_data_goes_if_that_is_asked_for_and_can_be_recognised(
    tunesmith: Tunesmith, file: Path, monkeypatch: pytest.MonkeyPatch
):
    file.write_text('{"prompt": "who?", "completion": "jane@gmail.com"}\n' + file.read_text())
    asked = ("datasets", "prepare", str(file), "--fix", "PERSONAL_DATA_FOUND", "--no-split")
    done = await tunesmith(*asked)
    assert done.exit_code == 0, done.output
    assert "optional PERSONAL_DATA_FOUND (1 row)" in done.stdout
    assert "    line 1: (e-mail address)\n      → [EMAIL]\n" in done.stdout
    assert "jane" not in done.output
    written = file.with_name("My Data_prepared.jsonl").read_text()
    assert written.startswith('{"prompt":"who?","completion":"[EMAIL]"}\n')
    monkeypatch.setattr("tunesmith.dataset_rules.sensitive.is_installed", lambda: False)
    refused = await tunesmith(*asked)
    assert (refused.exit_code, "pip install" in refused.stderr) == (2, True)


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


def terminal(*arguments: str, **environment: str) -> Terminal:
    command = (sys.executable, "-m", "tunesmith.cli", "datasets", "prepare", *arguments)
    variables = {"PYTHONPATH": str(CLIENT), **environment}
    return Terminal(*command, columns=160, lines=60, environment=variables)


async def asked(running: Terminal, question: str) -> None:
    """Wait until a question stands on the last line."""
    await running.shows(
        lambda screen: bool(screen) and question in screen[-1] and screen[-1].endswith("[Y/n]:")
    )


async def answer(running: Terminal, questions: Sequence[str], *answers: str) -> None:
    """Type the answers, each when its question is asked."""
    for question, words in zip(questions, answers, strict=False):
        await asked(running, question)
        running.type(words)


async def ended(running: Terminal) -> int:
    async with asyncio.timeout(60):  # a question too many would wait for ever
        return await running.exit_code()


async def test_each_recommended_fix_is_asked_for_and_anything_but_a_no_is_a_yes(file: Path):
    async with terminal(str(file)) as running:
        await answer(running, QUESTIONS, "n", "", "whatever", "No", "")
        assert await ended(running) == 0
    (written,) = file.parent.glob("*_prepared*")
    rows = [json.loads(line) for line in written.read_text().splitlines()]
    assert len(rows) == 21  # the one that repeats another stays
    assert rows[0] == {"prompt": "number 0 ->", "completion": " even"}


async def test_a_no_to_the_last_question_writes_nothing(file: Path):
    async with terminal(str(file)) as running:
        await answer(running, QUESTIONS, "", "", "", "", "n")
        screen = await running.shows(lambda screen: screen[-1] == "Nothing was changed.")
        assert await ended(running) == 1
    assert "recommended PROMPT_SUFFIX_MISSING (20 rows)" in screen
    assert list(file.parent.glob("*_prepared*")) == []


@pytest.mark.parametrize("answered", range(len(QUESTIONS)))
async def test_an_end_of_input_ends_it_and_changes_nothing(file: Path, answered: int):
    async with terminal(str(file)) as running:
        await answer(running, QUESTIONS, *[""] * answered)
        await asked(running, QUESTIONS[answered])
        running.press_ctrl_d()
        assert await ended(running) == 1
        assert running.screen[-2:] == ["error: nobody answers; say --yes", "Nothing was changed."]
    assert list(file.parent.glob("*_prepared*")) == []


@pytest.mark.parametrize("answered", [0, len(QUESTIONS) - 1])
async def test_ctrl_c_ends_it_as_everywhere_and_changes_nothing(file: Path, answered: int):
    async with terminal(str(file)) as running:
        await answer(running, QUESTIONS, *[""] * answered)
        await asked(running, QUESTIONS[answered])
        running.press_ctrl_c()
        assert await ended(running) == 130
    assert list(file.parent.glob("*_prepared*")) == []


async def test_a_file_that_is_changed_while_it_is_asked_about_is_mended_as_it_is_now(file: Path):
    async with terminal(str(file), "--no-split") as running:
        await answer(running, QUESTIONS, "", "", "")
        file.write_text(
            '{"prompt": "x", "completion": "a b c"}\n{"prompt": "y", "completion": "d"}\n'
        )
        await answer(running, QUESTIONS[-1:], "")
        assert await ended(running) == 0
    (written,) = file.parent.glob("*_prepared*")
    assert [json.loads(line)["prompt"] for line in written.read_text().splitlines()] == [
        "x ->",
        "y ->",
    ]


async def test_a_group_that_cannot_be_found_is_told_by_its_line_and_not_by_its_text(
    tunesmith: Tunesmith, file: Path
):
    rows = [{"prompt": f"{'ü' * 200}{n} ->", "completion": " x", "of": n} for n in range(9)]
    del rows[6]["of"]
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n")
    grouped = ("datasets", "prepare", str(file), "--yes", "--split", "--group-by")
    missing = await tunesmith(*grouped, "/of")
    assert (missing.exit_code, missing.stderr) == (2, "error: line 7 has no value at /of\n")
    # taken for the whole row it would let rows of one value be on both sides
    wrong = await tunesmith(*grouped, "of")
    assert (wrong.exit_code, "is no JSON pointer" in wrong.stderr) == (2, True)
    assert list(file.parent.glob("*_prepared*")) == []


# --- by the service -------------------------------------------------------------------------------


@pytest.fixture
async def dataset(service: FakeService, client: AsyncClient) -> pb.Dataset:
    """A dataset for which the service proposes four fixes and a split."""
    for code, title, necessary in (
        ("BLANK_LINE", "Leave out blank lines", False),
        ("FIELD_CASE", "Write the names of fields in lower case", True),
        ("DUPLICATE_ROWS", "Remove rows that repeat an earlier one", False),
        ("PROMPT_PREFIX_COMMON", "Cut off the beginning of each prompt", False),
    ):
        sample = pb.FixSample(line=3, before="before", after="after")
        service.proposal.fixes.add(
            code=code, title=title, necessary=necessary, count=2, samples=[sample]
        )
    service.proposal.split.training_count = 4
    service.proposal.command = f"{COMMAND} --classification-n-classes 2"
    return await client.datasets.upload(b"rows\n", id="t")


def applied(service: FakeService) -> list[Any]:
    """The requests that have a dataset mended or split."""
    mending = [list(each.fixes) for each in service.sent(pb.PrepareDatasetRequest) if each.fixes]
    return [*mending, *("split" for _ in service.sent(pb.SplitDatasetRequest))]


async def test_the_service_mends_and_splits_what_it_proposed_on(
    tunesmith: Tunesmith, service: FakeService, dataset: pb.Dataset
):
    done = await tunesmith("datasets", "prepare", "t", "--yes", "--seed", "7")
    assert done.exit_code == 0, done.output
    assert applied(service) == [["BLANK_LINE", "FIELD_CASE", "DUPLICATE_ROWS"], "split"]
    looked, mended = service.sent(pb.PrepareDatasetRequest)
    (split,) = service.sent(pb.SplitDatasetRequest)
    made = service.datasets[NAME]
    assert (looked.version, mended.version, split.version) == (
        dataset.digest,
        dataset.digest,
        made.digest,
    )
    assert split.seed == 7
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "inherent BLANK_LINE (2 rows)",
        "  Leave out blank lines",
        "    line 3: before",
        "      → after",
    ]
    assert "t is at version 2: 0 examples" in lines
    assert lines[-1] == f"  {COMMAND} --classification-n-classes 2"
    # neither takes a second here, but of a million rows each takes longer than other calls may
    assert service.deadlines["PrepareDataset"] is service.deadlines["SplitDataset"] is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--no-split"], [["BLANK_LINE", "FIELD_CASE", "DUPLICATE_ROWS"]]),
        (["--no-split", "--no-fix", "DUPLICATE_ROWS"], [["BLANK_LINE", "FIELD_CASE"]]),
        (["--no-split", "--fix", "DUPLICATE_ROWS"], [["DUPLICATE_ROWS"]]),
        (["--fix", "DUPLICATE_ROWS", "--split"], [["DUPLICATE_ROWS"], "split"]),
    ],
)
async def test_of_a_dataset_too_fixes_can_be_chosen(
    tunesmith: Tunesmith,
    service: FakeService,
    dataset: pb.Dataset,
    options: list[str],
    expected: list[Any],
):
    done = await tunesmith("datasets", "prepare", "t", *options)
    assert (done.exit_code, applied(service)) == (0, expected)
    # not one for sides that nobody has made
    assert ("-v t-valid" in done.stdout) is ("split" in expected)
    for output in ("json", "name"):
        again = await tunesmith("datasets", "prepare", "t", *options, "-o", output)
        told = again.stdout if output == "name" else json.loads(again.stdout)
        if output == "json":
            assert told["prepared"]["dataset"]["name"] == NAME
            assert bool(told["split"]) is ("split" in expected)
        else:
            sides = [f"{NAME}-train", f"{NAME}-valid"] if "split" in expected else [NAME]
            assert told.split() == sides


async def test_what_the_service_does_is_asked_for_before_anything_is_done(
    service: FakeService, dataset: pb.Dataset
):
    questions = (QUESTIONS[0], QUESTIONS[3], "The mended data becomes a new version. Proceed")
    with_key = {"TUNESMITH_ADDRESS": service.address, "TUNESMITH_API_KEY": KEY}
    for at in range(len(questions)):
        async with terminal("t", **with_key) as running:
            await answer(running, questions, *[""] * at)
            await asked(running, questions[at])
            running.press_ctrl_d()
            assert await ended(running) == 1
    assert applied(service) == []
    async with terminal("t", **with_key) as running:
        await answer(running, questions, "n", "", "")
        assert await ended(running) == 0
    assert applied(service) == [["BLANK_LINE", "FIELD_CASE"], "split"]


@pytest.mark.parametrize("output", ["table", "json"])
async def test_rows_that_the_service_cannot_mend_are_told_and_are_exit_code_3(
    tunesmith: Tunesmith, service: FakeService, dataset: pb.Dataset, output: str
):
    service.proposal.findings.add(
        code="FIELD_TYPE",
        severity=common_pb2.FINDING_SEVERITY_ERROR,
        line=7,
        message='"prompt" is a number',
        count=1,
    )
    done = await tunesmith("datasets", "prepare", "t", "--yes", "-o", output)
    assert done.exit_code == 3
    assert "cannot be mended" in done.stderr
    assert applied(service) == []
    if output == "table":
        assert 'error FIELD_TYPE\n  line 7: "prompt" is a number\n' in done.stdout
    else:
        assert json.loads(done.stdout)["prepared"]["findings"][0]["line"] == "7"


async def test_what_cannot_be_left_out_is_said_so(
    tunesmith: Tunesmith, service: FakeService, dataset: pb.Dataset, file: Path
):
    for source in ("t", str(file)):
        done = await tunesmith("datasets", "prepare", source, "--no-fix", "FIELD_CASE")
        assert (done.exit_code, "FIELD_CASE cannot be left out" in done.stderr) == (2, True)
    assert applied(service) == []


async def test_a_dataset_is_split_as_asked_and_its_sides_are_named(
    tunesmith: Tunesmith, service: FakeService, dataset: pb.Dataset
):
    options = [
        "--share",
        "0.1",
        "--seed",
        "7",
        "--group-by",
        "/customer",
        "--unstratified",
        "--training-id",
        "a",
    ]
    done = await tunesmith("datasets", "split", "t", *options)
    assert done.exit_code == 0, done.output
    (request,) = service.sent(pb.SplitDatasetRequest)
    assert (request.validation_share, request.seed, request.group_by, request.unstratified) == (
        *(0.1, 7, "/customer", True),
    )
    assert done.stdout.splitlines()[-1] == "  tunesmith fine-tunes create -t a -v t-valid -m ada"
    named = await tunesmith("datasets", "split", "t", "-o", "name")
    assert named.stdout.split() == [f"{NAME}-train", f"{NAME}-valid"]
    document = json.loads((await tunesmith("datasets", "split", "t", "-o", "json")).stdout)
    assert document["validation"]["parentDigest"] == dataset.digest
    too_much = await tunesmith("datasets", "split", "t", "--share", "1")
    assert too_much.exit_code == 2


async def test_what_is_neither_a_file_nor_a_dataset_is_said_so(
    tunesmith: Tunesmith, tmp_path: Path, dataset: pb.Dataset
):
    for missing in ("nothing.csv", str(tmp_path / "nothing"), "./t"):
        done = await tunesmith("datasets", "prepare", missing)
        assert (done.exit_code, "there is no such file" in done.output) == (1, True)
    assert (await tunesmith("datasets", "prepare", NAME)).exit_code == 0
