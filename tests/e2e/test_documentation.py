"""What the documentation tells people to type is taken out of its Markdown and typed.

So that this is quick, the base `tiny-random` stands in for the real one and one epoch for two: the
same path, in a fraction of the time. A folder of the test's stands in for `/tmp`.
"""

import asyncio
import json
import os
import re
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.daemon import ROOT, Daemon
from tests.integration.calls import ROWS, a_tenant, jsonl

pytestmark = pytest.mark.slow  # half a minute and more, on a busy machine even one of them
QUICKER = {
    '"ada"': '"tiny-random"',
    "smollm2-135m-instruct": "tiny-random",
    '"layers": 10': '"layers": 4',  # it has no more
    "n_epochs=2": "n_epochs=1",
    '"n_epochs": 2': '"n_epochs": 1',
}
PRINTED_KEY = re.compile(r"platform-admin key, shown this once: (\S+)")


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    text = (ROOT / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(document: str) -> list[str]:
    """The lines to type into a shell: those that are indented."""
    return re.findall(r"^    (\S.*)$", (ROOT / document).read_text(), re.MULTILINE)


def made_quicker(text: str) -> str:
    for said, meant in QUICKER.items():
        text = text.replace(said, meant)
    return text


async def run(*command: str, **environment: str) -> list[str]:
    """The lines that a command prints, in the root of the repository; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'client'}:{ROOT / 'service'}", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, (command, err.decode())
    return out.decode().splitlines()


async def python(daemon: Daemon, code: str, key: str) -> list[str]:
    """The lines that a program prints which only knows the environment."""
    code = made_quicker(code)
    return await run(
        sys.executable, "-c", code, TUNESMITH_ADDRESS=daemon.address, TUNESMITH_API_KEY=key
    )


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    """As `make serve` starts it: with no key but the one that it prints."""
    daemon = Daemon(tmp_path, TUNESMITH_BOOTSTRAP_ADMIN_KEY="")
    await daemon.start()
    yield daemon
    daemon.stop()


async def the_printed_key(daemon: Daemon) -> str:
    # it may take calls a moment before it prints; the test has a deadline
    while not (found := PRINTED_KEY.search(daemon.log.read_text())):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return found.group(1)


async def test_the_tutorial_leads_from_a_file_to_a_model_that_answers(daemon: Daemon):
    key = await the_printed_key(daemon)
    lines = await python(daemon, "".join(blocks("docs/tutorial.md", "python")), key)
    assert lines[:2] == ["400 examples; []", "100 examples; []"]
    *events, name, answer = lines[2:]
    assert [int(line.split()[0]) for line in events] == list(range(1, len(events) + 1))
    assert events[-1].endswith("Fine-tune succeeded")
    assert name.startswith("ft:tiny-random:acme:sentiment:")
    assert answer


async def test_the_readme_s_program_runs(daemon: Daemon):
    (program,) = blocks("README.md", "python")
    lines = await python(daemon, program, await the_printed_key(daemon))
    assert lines[-1] == "Fine-tune succeeded"


async def test_a_run_is_followed_from_a_program_as_the_how_to_says(tmp_path: Path):
    daemon = Daemon(tmp_path)
    await daemon.start()
    try:
        acme = await a_tenant(daemon.address, "acme")
        await acme.upload(jsonl(ROWS))
        await acme.create(fine_tune_id="my-run")
        (body,) = blocks("docs/how-to/follow-a-run.md", "python")
        head, _, rest = body.partition("\n\n")
        main = f"import asyncio\n{head}\nasync def main():\n{textwrap.indent(rest, '    ')}"
        lines = await python(daemon, f"{main}\nasyncio.run(main())", acme.key)
    finally:
        daemon.stop()
    steps = [line.split() for line in lines if re.fullmatch(r"\d+ \d+\.\d+", line)]
    assert [int(step) for step, loss in steps] == list(range(1, len(steps) + 1))
    assert lines[-1] == "Fine-tune succeeded"


async def test_the_trainer_works_without_the_service_as_the_how_to_says(tmp_path: Path):
    document = "docs/how-to/train-without-the-service.md"

    def here(text: str) -> str:
        return made_quicker(text.replace("/tmp/", f"{tmp_path}/")).replace(
            ".venv/bin/python", sys.executable
        )

    spec, limits = blocks(document, "json")
    printed: dict[str, list[str]] = {}
    for command in commands(document):
        verb, *_ = command.split()
        printed[verb] = await run("sh", "-c", here(command))
        if verb == "mkdir":
            whole = {**json.loads(here(spec)), **json.loads(f"{{{limits}}}")}
            (tmp_path / "run" / "run.json").write_text(json.dumps(whole))
    results = printed["cat"]
    assert results[0].startswith("step,elapsed_tokens,elapsed_examples,training_loss")
    assert len(results) == 51  # the names, and a row for each step: 400 examples, 8 a step
    assert (tmp_path / "run" / "model" / "adapter_model.safetensors").is_file()


async def test_a_service_on_postgresql_is_started_as_the_how_to_says(
    tmp_path: Path, postgres_database: str
):
    export, migrate, serve, *_ = commands("docs/how-to/run-the-service.md")
    assert export.startswith("export TUNESMITH_DATABASE_URL=postgresql://")
    daemon = Daemon(tmp_path, TUNESMITH_DATABASE_URL=postgres_database)
    _, subcommand, *_ = migrate.split()
    migrated = daemon.command(subcommand)
    assert (migrated.returncode, migrated.stdout) == (0, "The database's schema is current.\n")
    assert serve.split() == ["tunesmithd", "serve"]
    await daemon.start()
    assert daemon.stop() == 0
