"""OpenAI's guide as it is written: the old client's commands, with real training behind them."""

import asyncio
import csv
import io
import re
import shlex
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.openai.clients import Command, Ended
from tests.openai.conformance import differs, works
from tests.openai.conftest import Account, Service, old_command
from tests.openai.rows import PROMPT, answers, raw_table, written

pytestmark = pytest.mark.slow

TOOL = "openai tools fine_tunes.prepare_data"
CREATE, FOLLOW = "openai api fine_tunes.create", "openai api fine_tunes.follow"
JOB, EVENTS = "POST /v1/fine-tunes", "GET /v1/fine-tunes/{job}/events"


@dataclass
class Desk:
    """Where somebody sits with the guide: a folder, the command `openai`, and what came of it."""

    account: Account
    folder: Path
    openai: Command
    jobs: dict[str, str] = field(default_factory=dict)
    model: str = ""


@pytest.fixture(scope="module")
async def desk(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("guide")
    account = await service.account("guide")
    return Desk(account, folder, old_command(account, folder))


@pytest.fixture(scope="module")
async def prepared(desk: Desk) -> Ended:
    """The guide's first command, on a table as people have it."""
    raw_table(desk.folder / "sport.csv")
    return await desk.openai("tools", "fine_tunes.prepare_data", "-f", "sport.csv", "-q")


@pytest.fixture(scope="module")
async def trained(desk: Desk, prepared: Ended) -> Ended:
    """The command that it prints, as it prints it, to the end of the training."""
    printed = next(x for x in prepared.out.splitlines() if "openai api fine_tunes.create" in x)
    ended = await desk.openai(*shlex.split(printed.partition("openai ")[2]), within=110)
    desk.jobs["prepared"] = found(r"Created fine-tune: (ft-\w+)", ended.out)
    desk.model = found(r"completions.create -m (\S+) -p <YOUR_PROMPT>", ended.out)
    return ended


def found(pattern: str, text: str) -> str:
    """The group of the pattern in the text."""
    match = re.search(pattern, text)
    assert match, text
    return match[1]


@works(TOOL, "the command that it prints runs here as it is printed: -t, -v, classification, no -m")
@works(JOB, "training_file", "validation_file", "compute_classification_metrics")
@works(JOB, "classification_positive_class alone: a binary task", "model left out: curie")
@works(CREATE, "-t", "-v", "--compute_classification_metrics", "--classification_positive_class")
@works(EVENTS, "stream=true from the first event to [DONE]", "the status is final before [DONE]")
@differs(EVENTS, "Fine-tune costs $…", "says `at most`: what is reserved, known before training")
@differs(
    EVENTS,
    "Fine-tune enqueued. Queue number: N",
    "no number: turns go round the tenants, so a place in one line would say nothing",
)
@differs(EVENTS, "the log", "has further lines, such as `Training completed`, between the guide's")
async def test_the_command_that_prepare_data_prints_trains_a_model(
    desk: Desk, prepared: Ended, trained: Ended
):
    assert "--compute_classification_metrics" in prepared.out
    assert " -m " not in prepared.out
    for name in ("sport_prepared_train.jsonl", "sport_prepared_valid.jsonl"):
        assert f"Uploaded file from {name}: file-" in trained.out
    stamp = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] "
    log = re.findall(f"^{stamp}(.*)$", trained.out, re.MULTILINE)
    assert log[0] == f"Created fine-tune: {desk.jobs['prepared']}"
    assert log[1].startswith("Fine-tune costs at most $")
    wanted = ["Fine-tune enqueued", "Fine-tune started"]
    wanted += [f"Completed epoch {n}/4" for n in (1, 2, 3, 4)]
    wanted += [f"Uploaded model: {desk.model}"]
    wanted += [f"Uploaded result file: file-results-{desk.jobs['prepared']}", "Fine-tune succeeded"]
    assert [line for line in log if line in wanted] == wanted
    assert "Training completed" in log
    assert "Job complete! Status: succeeded 🎉" in trained.out
    assert re.fullmatch(r"curie:ft-guide-\d{4}(-\d\d){5}", desk.model)


@works("openai api fine_tunes.results", "")
@works("GET /v1/files/{file}/content", "results.csv: every column of the guide, numeric or empty")
async def test_results_have_every_column_and_every_cell_is_a_number_or_empty(
    desk: Desk, trained: Ended
):
    results = await desk.openai("api", "fine_tunes.results", "-i", desk.jobs["prepared"])
    table = list(csv.DictReader(io.StringIO(results.out.rstrip("\n") + "\n")))
    classes = ("accuracy", "precision", "recall", "auroc", "auprc", "f1.0")
    assert list(table[0]) == [
        *("step", "elapsed_tokens", "elapsed_examples"),
        *("training_loss", "training_sequence_accuracy", "training_token_accuracy"),
        *("validation_loss", "validation_sequence_accuracy", "validation_token_accuracy"),
        *(f"classification/{name}" for name in classes),
    ]
    assert [row["step"] for row in table] == [str(n) for n in range(1, len(table) + 1)]
    assert table[-1]["elapsed_examples"] == str(48 * 4)
    measured = {name for row in table for name, cell in row.items() if cell and float(cell) >= 0}
    assert measured == set(table[0])
    assert all(row[f"training_{name}"] for row in table for name in ("loss", "token_accuracy"))
    assert all(table[-1][f"classification/{name}"] for name in classes)


@works(JOB, "n_epochs", "batch_size", "learning_rate_multiplier", "prompt_loss_weight", "suffix")
@works(JOB, "classification_n_classes", "classification_betas", "model: a base or its alias")
@works(CREATE, "-m", "--n_epochs", "--batch_size", "--learning_rate_multiplier", "--suffix")
@works(CREATE, "--prompt_loss_weight", "--classification_n_classes", "--classification_betas")
@works(CREATE, "--no_follow", "-t and -v with ids of files")
@works("openai api fine_tunes.get", "")
@works("GET /v1/fine-tunes/{job}", "every field that the old clients read, and the events")
async def test_every_flag_of_the_guide_arrives(desk: Desk):
    train = (await desk.openai("api", "files.create", "-f", str(_small(desk)), *PURPOSE)).json
    valid = (await desk.openai("api", "files.create", "-f", str(_other(desk)), *PURPOSE)).json
    flags = "-m ada --n_epochs 2 --batch_size 5 --learning_rate_multiplier 0.2 "
    flags += "--prompt_loss_weight 0.05 --compute_classification_metrics "
    flags += "--classification_n_classes 2 --classification_betas 0.5 1.0 2.0 --no_follow"
    made = (
        await desk.openai(
            *("api", "fine_tunes.create", "-t", train["id"], "-v", valid["id"]),
            *shlex.split(flags),
            *("--classification_positive_class", " yes", "--suffix", "Custom model, name!"),
        )
    ).json
    desk.jobs["flags"] = made["id"]
    assert made["object"] == "fine-tune"
    assert made["status"] == "pending"
    assert made["model"] == "ada"
    assert made["fine_tuned_model"] is None
    assert made["organization_id"] == "org-guide"
    assert made["hyperparams"] == {
        "n_epochs": 2,
        "batch_size": 5,
        "learning_rate_multiplier": 0.2,
        "prompt_loss_weight": 0.05,
        "compute_classification_metrics": True,
        "classification_n_classes": 2,
        "classification_positive_class": " yes",
        "classification_betas": [0.5, 1.0, 2.0],
    }
    assert made["training_files"] == [train]
    assert made["validation_files"] == [valid]
    assert made["result_files"] == []
    assert made["events"][0]["message"] == f"Created fine-tune: {made['id']}"
    followed = await desk.openai("api", "fine_tunes.follow", "-i", made["id"])
    assert "Job complete! Status: succeeded 🎉" in followed.out
    done = (await desk.openai("api", "fine_tunes.get", "-i", made["id"])).json
    assert done["status"] == "succeeded"
    assert re.fullmatch(r"ada:ft-guide:custom-model-name-\d{4}(-\d\d){5}", done["fine_tuned_model"])
    assert [file["purpose"] for file in done["result_files"]] == ["fine-tune-results"]
    assert {event["level"] for event in done["events"]} == {"info"}
    assert done["updated_at"] >= done["created_at"]
    results = await desk.openai("api", "fine_tunes.results", "-i", made["id"])
    header = results.out.splitlines()[0]
    assert header.endswith("classification/f0.5,classification/f1.0,classification/f2.0")


PURPOSE = ("-p", "fine-tune")


def _small(desk: Desk) -> Path:
    return written(desk.folder / "small.jsonl", answers(20))


def _other(desk: Desk) -> Path:
    return written(desk.folder / "other.jsonl", answers(8, start=50))


@works(CREATE, "Ctrl-C ends the stream, not the job")
@works(FOLLOW, "replays every event and goes on", "of a job that has ended")
@works(EVENTS, "a client that hangs up cancels nothing")
async def test_an_interrupted_create_is_taken_up_again_with_follow(desk: Desk):
    process = await desk.openai.start(
        *("api", "fine_tunes.create", "-t", str(_small(desk)), "-m", "babbage"),
        *("--no_check_if_files_exist", "--n_epochs", "40", "--suffix", "interrupted"),
    )
    assert process.stdout
    seen = ""
    async with asyncio.timeout(90):
        while "Fine-tune started" not in seen:
            line = await process.stdout.readline()
            assert line, (seen, await process.stderr.read() if process.stderr else "")
            seen += line.decode()
        process.send_signal(signal.SIGINT)
        rest, _ = await process.communicate()
    assert process.returncode == 0
    assert "Stream interrupted. Job is still running." in rest.decode()
    job = found(r"Created fine-tune: (ft-\w+)", seen)
    assert f"openai api fine_tunes.follow -i {job}" in rest.decode()
    followed = await desk.openai("api", "fine_tunes.follow", "-i", job, within=110)
    assert f"Created fine-tune: {job}" in followed.out
    epochs = re.findall(r"Completed epoch (\d+)/40", followed.out)
    assert epochs == [str(n) for n in range(1, 41)]
    again = await desk.openai("api", "fine_tunes.follow", "-i", job)
    assert log_of(again) == log_of(followed)
    assert "completions.create -m babbage:ft-guide:interrupted-" in again.out


def log_of(ended: Ended) -> list[str]:
    """The events that a follow printed."""
    return [line for line in ended.out.splitlines() if line.startswith("[20")]


@works("openai api fine_tunes.cancel", "")
@works("POST /v1/fine-tunes/{job}/cancel", "", "400 for a job that has ended")
@works("openai api fine_tunes.delete", "")
@works("DELETE /v1/fine-tunes/{job}", "of a job that has ended")
@works("openai api fine_tunes.list", "")
@works("GET /v1/fine-tunes", "every job, the oldest first, without events")
async def test_a_job_is_cancelled_listed_and_deleted(desk: Desk):
    file = (await desk.openai("api", "files.create", "-f", str(_small(desk)), *PURPOSE)).json
    make = ("api", "fine_tunes.create", "-m", "davinci", "--n_epochs", "50", "--no_follow", "-t")
    job = (await desk.openai(*make, file["id"])).json["id"]
    cancelled = (await desk.openai("api", "fine_tunes.cancel", "-i", job)).json
    assert (cancelled["id"], cancelled["status"]) == (job, "cancelled")
    followed = await desk.openai("api", "fine_tunes.follow", "-i", job)
    assert "Fine-tune cancelled" in followed.out
    assert "Job complete" not in followed.out
    again = await desk.openai.tried("api", "fine_tunes.cancel", "-i", job)
    assert again.code == 1
    assert "(HTTP status code: 400)" in again.err
    listed = (await desk.openai("api", "fine_tunes.list")).json["data"]
    created = [each["created_at"] for each in listed]
    assert created == sorted(created)
    assert listed[-1]["id"] == job
    assert "events" not in listed[-1]
    deleted = (await desk.openai("api", "fine_tunes.delete", "-i", job)).json
    assert deleted == {"id": job, "object": "fine-tune", "deleted": True}
    gone = await desk.openai.tried("api", "fine_tunes.get", "-i", job)
    assert gone.code == 1
    assert f"No such fine-tune job: {job} (HTTP status code: 404)" in gone.err


@works("openai api files.create", "")
@works("openai api files.list", "")
@works("openai api files.get", "")
@works("openai api files.delete", "")
@works("POST /v1/files", "purpose=fine-tune", "file: the name's last part, in constant memory")
@works("GET /v1/files", "every file, for the old client's search for duplicates")
@works("GET /v1/files/{file}", "a path with slashes is no file: 404, so the old client uploads it")
@works("DELETE /v1/files/{file}", "")
@works(CREATE, "the question about duplicated files")
async def test_a_duplicate_is_found_and_can_be_used_again(desk: Desk):
    folder = desk.folder / "my data"
    folder.mkdir()
    path = written(folder / "zwölf rows.jsonl", answers(12))
    file = (await desk.openai("api", "files.create", "-f", str(path), *PURPOSE)).json
    assert file["filename"] == "zwölf rows.jsonl"
    assert file["bytes"] == path.stat().st_size
    assert file["status"] == "processed"
    assert (await desk.openai("api", "files.get", "-i", file["id"])).json == file
    flags = ("-m", "ada", "--n_epochs", "50", "--no_follow")  # long enough to be cancelled
    make = ("api", "fine_tunes.create", *flags, "-t", str(path))
    asked = await desk.openai(*make, input=f"{file['id']}\n")
    assert "Found potentially duplicated files with name 'zwölf rows.jsonl'" in asked.out
    assert f"Reusing already uploaded file: {file['id']}" in asked.out
    anew = await desk.openai(*make, input="\n")
    listed = (await desk.openai("api", "files.list")).json["data"]
    same = [each["id"] for each in listed if each["filename"] == file["filename"]]
    assert len(same) == 2
    assert file["id"] in same
    for ended in (asked, anew):
        job = found(r'"id": "(ft-\w+)"', ended.out)
        await desk.openai("api", "fine_tunes.cancel", "-i", job)
        await desk.openai("api", "fine_tunes.follow", "-i", job)  # until it has stopped
    for id in same:
        deleted = (await desk.openai("api", "files.delete", "-i", id)).json
        assert deleted == {"id": id, "object": "file", "deleted": True}
    gone = await desk.openai.tried("api", "files.get", "-i", file["id"])
    assert gone.code == 1
    assert f"No such File object: {file['id']} (HTTP status code: 404)" in gone.err


@works("openai api completions.create", "-m", "-e", "-p", "-M", "-t", "-P", "-n", "--stop")
@works("openai api completions.create", "--stream", "--logprobs")
@works("POST /v1/engines/{engine}/completions", "")
@works("POST /v1/completions", "explicit nulls for whatever was not given", "echo")
async def test_the_command_completes_whole_and_streamed(desk: Desk, trained: Ended):
    ask = ("api", "completions.create", "-p", PROMPT, "-M", "4", "-t", "0")
    whole = await desk.openai(*ask, "-m", desk.model)
    assert whole.out.startswith(PROMPT)  # the command asks for the prompt, too
    assert len(whole.out.strip()) > len(PROMPT)
    streamed = await desk.openai(*ask, "-m", desk.model, "--stream")
    assert streamed.out.rstrip("\n") == whole.out.rstrip("\n")
    engine = await desk.openai(*ask, "-e", desk.model)
    assert engine.out == whole.out
    several = await desk.openai(*ask, "-m", "ada", "-n", "2", "-P", "1", "--logprobs", "2")
    assert several.out.count("===== Completion") == 2
    stop = whole.out.removeprefix(PROMPT).strip()[:1]
    stopped = await desk.openai(*ask, "-m", desk.model, "--stop", stop)
    assert stop not in stopped.out.removeprefix(PROMPT)


@works("openai api models.list", "")
@works("openai api models.get", "")
@works("openai api models.delete", "")
@works("GET /v1/models", "bases, aliases, and the tenant's models under both of their names")
@works("GET /v1/models/{model}", "the name that was asked for, also escaped (%3A)")
@works("DELETE /v1/models/{model}", "", "403 for a base model")
async def test_models_are_listed_read_and_deleted(desk: Desk, trained: Ended):
    listed = {each["id"] for each in (await desk.openai("api", "models.list")).json["data"]}
    assert {"ada", "babbage", "curie", "davinci", "gpt-3.5-turbo", desk.model} <= listed
    for name in (desk.model, "davinci"):
        shown = (await desk.openai("api", "models.get", "-i", name)).json
        assert (shown["id"], shown["object"]) == (name, "model")
    refused = await desk.openai.tried("api", "models.delete", "-i", "davinci")
    assert refused.code == 1
    assert "(HTTP status code: 403)" in refused.err
    deleted = (await desk.openai("api", "models.delete", "-i", desk.model)).json
    assert deleted == {"id": desk.model, "object": "model", "deleted": True}
    ask = ("api", "completions.create", "-m", desk.model, "-p", PROMPT)
    gone = await desk.openai.tried(*ask)
    assert gone.code == 1
    assert f"The model '{desk.model}' does not exist (HTTP status code: 404)" in gone.err
