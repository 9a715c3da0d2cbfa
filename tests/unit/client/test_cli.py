"""The `tunesmith` command: what it prints where, and with which exit code."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.rpc import code_pb2, error_details_pb2
from tunesmith.cli._app import app
from tunesmith.cli._text import duration, plain, size
from tunesmith.v1 import common_pb2, dataset_pb2, fine_tune_pb2
from typer.testing import CliRunner, Result

from tests.fakes.servicer import KEY, FakeService, a_status, some_events

ROOT = Path(__file__).parents[3]
GOOD = '{"prompt": "a ->", "completion": " b"}\n'


@pytest.fixture(autouse=True)
def environment(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_ADDRESS", service.address)
    monkeypatch.setenv("TUNESMITH_API_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "200")


async def tunesmith(*arguments: str, input: str = "") -> Result:
    """Run the command; it blocks, and the fake service needs this loop."""
    return await asyncio.to_thread(CliRunner().invoke, app, arguments, input)


async def test_results_are_a_table_a_json_document_or_a_name():
    table = await tunesmith("whoami")
    assert table.stdout.splitlines()[:3] == [
        "key      key-1",
        "tenant   tenants/acme",
        "role     editor",
    ]
    as_json = await tunesmith("whoami", "-o", "json")
    assert json.loads(as_json.stdout) == {
        "principal": "key-1",
        "tenant": "tenants/acme",
        "role": "ROLE_EDITOR",
    }
    assert (await tunesmith("-o", "name", "base-models", "list")).stdout == "baseModels/ada\n"
    assert "Apache-2.0" in (await tunesmith("base-models", "list")).stdout


async def test_options_stand_before_or_after_the_command_and_the_later_wins(service: FakeService):
    for arguments in (("--api-key", "wrong", "whoami"), ("whoami", "--api-key", "wrong")):
        refused = await tunesmith(*arguments)
        assert refused.exit_code == 1
        assert refused.stderr.startswith("error: no key\nhint: set TUNESMITH_API_KEY")
    assert (await tunesmith("--api-key", "wrong", "whoami", "--api-key", KEY)).exit_code == 0


async def test_lists_pass_their_filter_on(service: FakeService):
    for command in ("fine-tunes", "datasets"):
        shown = await tunesmith(command, "list", "--filter", "state = RUNNING")
        assert (shown.exit_code, shown.stdout) == (0, "")
        assert "matches" in shown.stderr
        assert service.requests[-1].filter == "state = RUNNING"  # type: ignore[attr-defined]


async def test_a_key_can_be_taken_out_of_the_json():
    made = await tunesmith("keys", "create", "--tenant", "acme", "--role", "editor", "-o", "json")
    assert json.loads(made.stdout)["secret"] == "sk-ts-secret-1"
    assert "cannot be shown again" in made.stderr


async def test_wrong_usage_is_2():
    assert (await tunesmith("fine-tunes", "create")).exit_code == 2
    assert (await tunesmith("keys", "create", "--role", "king")).exit_code == 2
    assert (await tunesmith("tenants", "create", "x", "--limit", "y")).exit_code == 2
    assert (await tunesmith("nonsense")).exit_code == 2


async def test_help_has_examples():
    for arguments in ((), ("fine-tunes", "create"), ("datasets", "upload"), ("models", "complete")):
        shown = await tunesmith(*arguments, "--help")
        assert shown.exit_code == 0
        assert "\n tunesmith " in shown.stdout
        assert "\\b" not in shown.stdout


async def test_an_upload_reports_what_was_found_and_exits_with_3(
    service: FakeService, tmp_path: Path
):
    file = tmp_path / "tickets.jsonl"
    file.write_text(GOOD)
    assert (await tunesmith("datasets", "upload", str(file), "--id", "t")).exit_code == 0
    service.findings = [
        common_pb2.Finding(
            code="JSON_INVALID",
            severity=common_pb2.FINDING_SEVERITY_ERROR,
            line=line,
            message="not JSON [bold]",
            suggestion="Mend it.",
            count=1,
        )
        for line in range(4, 12)
    ]
    bad = await tunesmith("datasets", "upload", str(file))
    assert bad.exit_code == 3
    assert "error JSON_INVALID × 8\n  line 4: not JSON [bold]\n" in bad.stdout
    assert "  … and 3 more\n  → Mend it.\n" in bad.stdout
    assert "cannot be trained on" in bad.stderr
    as_json = await tunesmith("datasets", "upload", str(file), "-o", "json")
    assert (json.loads(as_json.stdout)["state"], as_json.exit_code) == ("DATASET_STATE_INVALID", 3)


async def test_a_file_is_checked_without_any_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TUNESMITH_ADDRESS", "127.0.0.1:1")
    file = tmp_path / "x.jsonl"
    file.write_text(GOOD)
    assert (await tunesmith("datasets", "check", str(file))).exit_code == 0
    file.write_text(GOOD + "{oops\n")
    bad = await tunesmith("datasets", "check", str(file))
    assert bad.exit_code == 3
    assert "line 2: " in bad.stdout
    report = json.loads((await tunesmith("datasets", "check", str(file), "-o", "json")).stdout)
    assert report["valid"] is False


async def test_a_file_of_any_format_is_checked_and_may_be_told_to_be_another(
    tmp_path: Path,
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("prompt,completion\n" + "".join(f"{i},{i}\n" for i in range(100)))
    report = json.loads((await tunesmith("datasets", "check", str(file), "-o", "json")).stdout)
    assert (report["format"], report["encoding"], report["example_count"]) == ("csv", "utf-8", 100)
    told = await tunesmith("datasets", "check", str(file), "--format", "txt", "-o", "json")
    assert json.loads(told.stdout)["example_count"] == 101
    wrong = await tunesmith("datasets", "check", str(file), "--format", "parquet")
    assert wrong.exit_code == 2


async def test_tokens_are_counted_without_any_service(tmp_path: Path):
    file = tmp_path / "x.jsonl"
    file.write_text('{"prompt": "Hello, world!", "completion": " Hi"}\n' * 3)
    shown = await tunesmith("datasets", "check", str(file), "--encoding", "r50k_base")
    assert "tokens      15 (r50k_base)\n" in shown.stdout
    assert re.search(r"5 – 9 +█+ 3\n", shown.stdout)
    as_json = await tunesmith(
        "datasets", "check", str(file), "--encoding", "r50k_base", "-o", "json"
    )
    tokens = json.loads(as_json.stdout)["tokens"]
    assert (tokens["total_tokens"], tokens["percentiles"]["50"]) == (15, 5)
    wrong = await tunesmith("datasets", "check", str(file), "--encoding", "gpt5")
    assert wrong.exit_code == 2
    assert "there are r50k_base" in wrong.stderr


def some_statistics(base: str, state: int, **more: Any) -> dataset_pb2.TokenStatistics:
    return dataset_pb2.TokenStatistics(
        base_model=f"baseModels/{base}",
        tokenizer="sha256:1",
        analysis=dataset_pb2.DatasetAnalysis(state=state),  # type: ignore[arg-type, unused-ignore]
        **more,
    )


async def test_statistics_are_a_table_and_one_histogram_for_bases_of_one_tokenizer(
    service: FakeService,
):
    counted = {
        "billable_tokens": 12_345,
        "example_count": 7,
        "percentiles": {50: 20, 95: 90},
        "longest_example_tokens": 99,
        "histogram": [
            dataset_pb2.LengthBucket(from_tokens=10, below_tokens=20, count=2),
            dataset_pb2.LengthBucket(from_tokens=20, below_tokens=50, count=5),
        ],
    }
    complete, pending = dataset_pb2.ANALYSIS_STATE_COMPLETE, dataset_pb2.ANALYSIS_STATE_PENDING
    service.statistics = [
        [
            some_statistics("ada", complete, **counted),
            some_statistics("curie", complete, **counted),
            some_statistics("gpt", pending),
        ]
    ]
    shown = (await tunesmith("datasets", "stats", "t")).stdout
    assert re.search(r"ada +12,345 +7 +20 +90 +99 +0 +0 +complete", shown)
    assert re.search(r"gpt( +-){7} +pending", shown)
    assert shown.count("Examples by tokens") == 1
    assert "Examples by tokens (ada, curie)" in shown
    assert re.search(r"20 – 49 +█{40} 5\n", shown)
    as_json = json.loads((await tunesmith("datasets", "stats", "t", "-o", "json")).stdout)
    assert [each["baseModel"] for each in as_json] == [
        *("baseModels/ada", "baseModels/curie", "baseModels/gpt")
    ]


async def test_statistics_of_a_base_that_is_named_are_waited_for(service: FakeService):
    service.datasets["tenants/acme/datasets/t"] = dataset_pb2.Dataset(
        name="tenants/acme/datasets/t", size_bytes=100
    )
    service.statistics = [
        [some_statistics("ada", dataset_pb2.ANALYSIS_STATE_PENDING)],
        [some_statistics("ada", dataset_pb2.ANALYSIS_STATE_RUNNING)],
        [some_statistics("ada", dataset_pb2.ANALYSIS_STATE_COMPLETE, total_tokens=7)],
    ]
    shown = await tunesmith("datasets", "stats", "t", "-m", "ada", "-o", "json")
    assert json.loads(shown.stdout)["totalTokens"] == "7"
    assert {r.base_model for r in service.sent(dataset_pb2.GetDatasetStatisticsRequest)} == {"ada"}


async def test_a_check_tells_of_personal_data_and_can_take_it_for_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "x.jsonl"
    file.write_text('{"prompt": "Who?", "completion": " jane@gmail.com"}\n')
    check = ("datasets", "check", str(file))
    told = await tunesmith(*check)
    assert (told.exit_code, "PERSONAL_DATA_FOUND" in told.stdout) == (0, True)
    assert "jane" not in told.stdout
    assert (await tunesmith(*check, "--sensitive-data", "block")).exit_code == 3
    off = await tunesmith(*check, "--sensitive-data", "off")
    assert (off.exit_code, "PERSONAL_DATA_FOUND" in off.stdout) == (0, False)

    monkeypatch.setattr("tunesmith.dataset_rules.sensitive.is_installed", lambda: False)
    without = await tunesmith(*check)
    assert (without.exit_code, without.stdout) == (0, off.stdout)
    assert "pip install 'tunesmith[sensitive]'" in without.stderr
    refused = await tunesmith(*check, "--sensitive-data", "warn")
    assert (refused.exit_code, "pip install" in refused.stderr) == (2, True)


async def test_errors_are_words_with_a_line_for_each_field(service: FakeService):
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="spec.n_epochs", description="is 900")
    bad.field_violations.add(field="spec.suffix", description="is odd")
    words = "spec.n_epochs: is 900; spec.suffix: is odd"
    status = a_status(code_pb2.INVALID_ARGUMENT, words, "FIELD_INVALID", bad)
    service.faults.fail["CreateFineTune"] = [status]
    refused = await tunesmith("fine-tunes", "create", "-t", "d", "-m", "ada")
    assert refused.stderr == (
        "error: 2 things are wrong:\n  spec.n_epochs: is 900\n  spec.suffix: is odd\n"
    )
    assert refused.stdout == ""
    missing = await tunesmith("datasets", "upload", "/nowhere.jsonl")
    assert missing.stderr == "error: /nowhere.jsonl: No such file or directory\n"
    assert missing.exit_code == 1
    huge = await tunesmith("fine-tunes", "create", "-t", "d", "-m", "a", "--n-epochs", "9" * 20)
    assert (huge.exit_code, huge.stderr[:6]) == (2, "error:")


async def test_in_a_pipe_a_watch_is_a_line_an_event(service: FakeService):
    service.events = some_events(5)
    service.faults.cut_watch_after = 2
    run = fine_tune_pb2.FineTune(name="tenants/acme/fineTunes/bot")
    created = await tunesmith("fine-tunes", "create", "-t", "d", "-m", "ada", "--id", "bot")
    assert "tunesmith fine-tunes watch bot" in created.stderr
    service.runs[run.name].status.state = common_pb2.FINE_TUNE_STATE_SUCCEEDED
    watched = await tunesmith("fine-tunes", "watch", "bot")
    assert watched.exit_code == 0
    messages = [line.partition("] ")[2] for line in watched.stdout.splitlines()]
    assert messages == [*(f"Step {n}/5" for n in range(1, 5)), "Fine-tune succeeded"]
    as_json = await tunesmith("fine-tunes", "watch", "bot", "-o", "json")
    assert json.loads(as_json.stdout)["name"] == run.name
    assert "Step 4/5" in as_json.stderr


async def test_a_run_that_fails_is_1_and_says_why(service: FakeService):
    await tunesmith("fine-tunes", "create", "-t", "d", "-m", "ada", "--id", "bot")
    status = service.runs["tenants/acme/fineTunes/bot"].status
    status.state, status.error.message = common_pb2.FINE_TUNE_STATE_FAILED, "out of memory"
    watched = await tunesmith("fine-tunes", "watch", "bot")
    assert (watched.exit_code, watched.stderr) == (1, "error: the run is failed: out of memory\n")


async def test_results_are_csv_under_the_old_names_or_curves(service: FakeService, tmp_path: Path):
    service.rows = [
        fine_tune_pb2.ResultRow(
            step=step,
            values={
                "training_loss": 1 / step,
                "elapsed_tokens": 10 * step,
                "tokens_per_second": 5,
                **({"validation_loss": 2 / step} if step % 2 == 0 else {}),
            },
        )
        for step in range(1, 5)
    ]
    file = tmp_path / "results.csv"
    wrote = await tunesmith("fine-tunes", "results", "bot", "--csv", str(file))
    assert wrote.stderr == f"wrote 4 rows to {file}\n"
    assert file.read_text().splitlines()[:3] == [
        "step,elapsed_tokens,elapsed_examples,training_loss,training_sequence_accuracy,"
        "training_token_accuracy,validation_loss",
        "1,10,,1.0,,,",
        "2,20,,0.5,,,1.0",
    ]
    plotted = (await tunesmith("fine-tunes", "results", "bot", "--plot")).stdout
    assert "loss by step" in plotted
    assert "training" in plotted
    assert "validation" in plotted
    assert "\x1b" not in plotted
    assert json.loads((await tunesmith("fine-tunes", "results", "bot", "-o", "json")).stdout)


async def test_a_completion_is_printed_and_a_prompt_may_come_from_a_pipe():
    assert (await tunesmith("models", "complete", "ada", "--prompt", "x")).stdout == "x!\n"
    assert (await tunesmith("models", "complete", "ada", "-p", "-", input="y")).stdout == "y!\n"


async def test_a_token_is_ruled_out_by_its_id(service: FakeService):
    complete = ("models", "complete", "ada", "-p", "x", "--logit-bias")
    assert (await tunesmith(*complete, "13=-100", "--logit-bias", "5=2.5")).exit_code == 0
    sent: Any = service.requests[-1]
    assert dict(sent.sampling.logit_bias) == {13: -100, 5: 2.5}
    wrong = await tunesmith(*complete, "the=1")
    assert wrong.exit_code == 2
    assert "TOKEN=BIAS is expected, such as 50256=-100" in " ".join(wrong.stderr.split())


async def test_a_service_without_room_is_told_with_what_to_do(service: FakeService):
    full = a_status(code_pb2.RESOURCE_EXHAUSTED, "no room left", "STORAGE_FULL")
    service.faults.fail["CreateFineTune"] = [full]
    refused = await tunesmith("fine-tunes", "create", "-t", "d", "-m", "ada")
    assert refused.exit_code == 1
    assert refused.stderr == (
        "error: no room left\n"
        "hint: nothing was kept; ask the operator to make room, then repeat the command\n"
    )


async def test_the_real_command_says_where_nobody_answers():
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "client")}
    command = [sys.executable, "-m", "tunesmith.cli", "whoami", "--address", "127.0.0.1:1"]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 1
    assert out == b""
    assert err.startswith(b"error: no Tunesmith service answers at 127.0.0.1:1.")
    assert b"Traceback" not in err


async def test_ctrl_c_leaves_the_run_alone_and_says_how_to_go_on(service: FakeService):
    service.faults.hang_watch = True
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "client")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tunesmith.cli", "fine-tunes", "watch", "bot"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not service.watches_open:  # noqa: ASYNC110  # the test has a deadline
        await asyncio.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130
    assert b"Follow it again: tunesmith fine-tunes watch bot" in err
    assert b"Traceback" not in err


def test_text_from_elsewhere_cannot_steer_the_terminal():
    assert plain("a\x1b[31mb\x07\u202ec\n") == "a[31mbc\n"


def test_values_as_people_read_them():
    assert [size(n) for n in (0, 999, 1500, 2_000_000)] == ["0 B", "999 B", "1.5 kB", "2.0 MB"]
    assert [duration(s) for s in (-1, 65, 3661)] == ["00:00", "01:05", "1:01:01"]
