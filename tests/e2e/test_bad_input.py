"""Wrong input, typed into the real command against the real daemon: words that say what to do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tunesmith.cli._app import app
from typer.testing import CliRunner, Result

from tests.e2e.daemon import Daemon
from tests.integration.calls import ROWS, Caller, a_tenant, jsonl

GOOD = '{"prompt": "a ->", "completion": " b"}\n'


async def tunesmith(caller: Caller, *arguments: str, key: str = "") -> Result:
    """Run the command; on another thread, since it blocks."""
    whom = ("--address", caller.address, "--api-key", key or caller.key)
    result = await asyncio.to_thread(CliRunner().invoke, app, [*whom, *arguments])
    # else it is what would have been a traceback
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture(scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """One for all of these: none of them changes anything that another looks at."""
    daemon = Daemon(tmp_path_factory.mktemp("bad-input"), TUNESMITH_LOCAL__SLOTS="0")
    await daemon.start()
    yield daemon
    daemon.stop()
    assert "Traceback" not in daemon.log.read_text()


@pytest.fixture(scope="module")
async def acme(daemon: Daemon) -> Caller:
    """A tenant with a dataset `numbers`; so has its neighbour globex, whose is `theirs`."""
    globex = await a_tenant(daemon.address, "globex")
    await globex.upload(jsonl(ROWS), id="theirs")
    acme = await a_tenant(daemon.address, "acme")
    await acme.upload(jsonl(ROWS))
    return acme


@pytest.mark.parametrize(
    ("content", "finding", "advice"),
    [
        (
            GOOD * 6 + '{"prompt": oops\n' + GOOD,
            "line 7: not valid JSON",
            "Write each line with a",
        ),
        ("", "the file is empty", "Write one JSON object per line"),
        ('{"prompt": "a ->", "answer": " b"}\n', 'no field "completion"', "Add the field"),
    ],
    ids=["broken JSON on line 7", "an empty file", "a wrong field"],
)
async def test_a_file_that_cannot_be_trained_on_is_told_by_line_with_advice(
    acme: Caller, tmp_path: Path, content: str, finding: str, advice: str
):
    file = tmp_path / "rows.jsonl"
    file.write_text(content)
    uploaded = await tunesmith(acme, "datasets", "upload", str(file), "--id", "bad")
    assert uploaded.exit_code == 3
    assert finding in uploaded.stdout
    assert f"→ {advice}" in uploaded.stdout
    assert uploaded.stderr == f"error: {file} cannot be trained on as it is\n"
    # the same words without a service
    checked = await tunesmith(acme, "datasets", "check", str(file))
    assert (checked.exit_code, finding in checked.stdout) == (3, True)
    refused = await tunesmith(acme, "fine-tunes", "create", "-t", "bad", "-m", "tiny-random")
    assert refused.exit_code == 1
    assert "it is invalid; `tunesmith datasets get bad` shows what is wrong" in refused.stderr


async def test_a_wrong_key_is_told_without_a_word_about_which_keys_there_are(acme: Caller):
    refused = await tunesmith(acme, "whoami", key="sk-ts-wrong")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: no valid credential")
    assert refused.stderr.endswith("hint: set TUNESMITH_API_KEY, or give --api-key or --context\n")
    assert "sk-ts-wrong" not in refused.stderr


async def test_an_unknown_base_is_told_with_those_that_there_are(acme: Caller):
    refused = await tunesmith(acme, "fine-tunes", "create", "-t", "numbers", "-m", "adda")
    assert refused.exit_code == 1
    assert "'adda' is not in the catalogue, which has: ada, " in refused.stderr


async def test_anothers_dataset_looks_like_one_that_is_not_there(acme: Caller):
    create = ("fine-tunes", "create", "-m", "tiny-random", "-t")
    theirs = await tunesmith(acme, *create, "tenants/globex/datasets/theirs")
    absent = await tunesmith(acme, *create, "tenants/globex/datasets/absent")
    assert theirs.exit_code == absent.exit_code == 1
    assert theirs.stderr.replace("theirs", "absent") == absent.stderr
    assert absent.stderr == (
        "error: tenants/globex/datasets/absent does not exist\n"
        "hint: see what there is: tunesmith datasets list\n"
    )


async def test_an_odd_suffix_becomes_one_that_a_name_can_have_and_an_overlong_one_is_refused(
    acme: Caller,
):
    create = ("fine-tunes", "create", "-t", "numbers", "-m", "tiny-random", "--suffix")
    odd = await tunesmith(acme, *create, "Tickets/2026:☃ final\x1b[31m")
    assert odd.exit_code == 0
    assert "suffix      tickets-2026-final-31m\n" in odd.stdout
    refused = await tunesmith(acme, *create, "x" * 100)
    assert refused.exit_code == 1
    assert "fine_tune.spec.suffix" in refused.stderr


async def test_an_id_that_is_none_is_told_with_the_rule_for_ids(acme: Caller, tmp_path: Path):
    file = tmp_path / "rows.jsonl"
    file.write_text(GOOD)
    refused = await tunesmith(acme, "datasets", "upload", str(file), "--id", "Odd Id!")
    assert refused.exit_code == 1
    assert refused.stderr.startswith(
        "error: header.dataset_id: 'Odd Id!' does not match regex pattern `^[a-z0-9]"
    )


async def test_every_number_out_of_range_is_told_at_once(acme: Caller):
    create = ("fine-tunes", "create", "-t", "numbers", "-m", "tiny-random")
    refused = await tunesmith(acme, *create, "--n-epochs", "0", "--batch-size", "-1")
    assert refused.exit_code == 1
    assert refused.stderr == (
        "error: 2 things are wrong:\n"
        "  fine_tune.spec.supervised.hyperparameters.n_epochs: 0 is outside of 1 to 50\n"
        "  fine_tune.spec.supervised.hyperparameters.batch_size: -1 is outside of 1 to 1024\n"
    )


async def test_what_the_role_forbids_is_told_with_what_to_do(acme: Caller):
    refused = await tunesmith(acme, "tenants", "create", "initech")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: the role editor may not call")
    assert "hint: `tunesmith whoami` says whose key this is" in refused.stderr


async def test_a_model_that_is_not_there_is_told_with_where_to_look(acme: Caller):
    refused = await tunesmith(acme, "models", "complete", "ft:ada:acme::absent", "-p", "x")
    assert refused.exit_code == 1
    assert refused.stderr == (
        "error: ft:ada:acme::absent does not exist\n"
        "hint: see what there is: tunesmith models list, tunesmith base-models list\n"
    )
