"""What somebody sees who follows a real training on a terminal."""

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tunesmith.v1 import fine_tune_pb2

from tests.e2e.daemon import ROOT, Daemon
from tests.e2e.terminal import Terminal
from tests.integration.calls import ROWS, Caller, a_tenant, jsonl

UNREACHABLE = "The service is out of reach; trying again. The run goes on."
BAR = "━*[╸╺]?━*"


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    daemon = Daemon(tmp_path)
    await daemon.start()
    yield daemon
    daemon.stop()


def tunesmith(caller: Caller, *arguments: str, columns: int) -> Terminal:
    command = (sys.executable, "-m", "tunesmith.cli", *arguments)
    environment = {
        "TUNESMITH_ADDRESS": caller.address,
        "TUNESMITH_API_KEY": caller.key,
        "PYTHONPATH": str(ROOT / "client"),
    }
    return Terminal(*command, columns=columns, environment=environment)


async def a_run(caller: Caller, epochs: int, batch_size: int) -> None:
    """A run `bot`: on twenty examples, so it makes 20 × epochs / batch_size steps."""
    await caller.upload(jsonl(ROWS))
    knobs = fine_tune_pb2.Hyperparameters(n_epochs=epochs, batch_size=batch_size)
    method = fine_tune_pb2.SupervisedMethod(hyperparameters=knobs)
    await caller.create(fine_tune_id="bot", supervised=method)


def steps_done(screen: list[str]) -> int:
    """As the headline has it."""
    found = re.search(r"(\d+)/1000\b", screen[0]) if screen else None
    return int(found.group(1)) if found else 0


async def test_a_training_is_left_with_ctrl_c_and_followed_again_over_a_crash(daemon: Daemon):
    acme = await a_tenant(daemon.address, "acme")
    await a_run(acme, epochs=50, batch_size=1)  # more than this test has time for

    async with tunesmith(acme, "fine-tunes", "watch", "bot", columns=120) as terminal:
        screen = await terminal.shows(lambda lines: lines[:1] != [] and "left" in lines[0])
        assert re.fullmatch(
            rf"bot  [-\\|/]  running  {BAR}  \d+/1000  epoch \d+/50  loss [\d.]+"
            r"  [\d,]+ tokens/s  [\d:]+ left",
            screen[0],
        ), screen[0]
        assert all(line.startswith("[20") for line in screen[1:])
        terminal.press_ctrl_c()
        assert await terminal.exit_code() == 130
        screen = await terminal.shows(lambda lines: "cancel" in lines[-1])
        assert screen[-2:] == [
            "The run goes on. Follow it again: tunesmith fine-tunes watch bot",
            "Stop it for good: tunesmith fine-tunes cancel bot",
        ]

    async with tunesmith(acme, "fine-tunes", "watch", "bot", columns=120) as terminal:
        await terminal.shows(lambda lines: steps_done(lines) > 0)
        daemon.kill()
        before = steps_done(await terminal.shows(lambda lines: UNREACHABLE in lines))
        await daemon.start()
        screen = await terminal.shows(lambda lines: steps_done(lines) > before)
        await terminal.shows(lambda lines: UNREACHABLE not in lines)
        again = Caller(daemon.address, acme.key)
        await again.fine_tunes.CancelFineTune(
            fine_tune_pb2.CancelFineTuneRequest(name="tenants/-/fineTunes/bot"),
            metadata=again.metadata,
        )
        assert await terminal.exit_code() == 1
        screen = await terminal.shows(lambda lines: lines[-1].startswith("error: "))
        assert screen[0].startswith("bot  cancelled  ")
        assert screen[-1].startswith("error: the run is cancelled")


async def test_on_a_narrow_terminal_nothing_of_the_headline_is_cut(daemon: Daemon):
    acme = await a_tenant(daemon.address, "acme")
    await a_run(acme, epochs=5, batch_size=4)
    async with tunesmith(acme, "fine-tunes", "watch", "bot", columns=60) as terminal:
        screen = await terminal.shows(lambda lines: any("Ask it:" in line for line in lines))
        assert await terminal.exit_code() == 0
    assert re.fullmatch(rf"bot  succeeded  {BAR}  25/25  epoch 5/5", screen[0]), screen[0]
    assert re.fullmatch(r"loss [\d.]+  [\d,]+ tokens/s  took \d\d:\d\d", screen[1]), screen[1]
    assert any(line.startswith("model ft:tiny-random:acme:") for line in screen)


async def test_a_run_that_is_not_there_is_an_error_and_nothing_is_drawn(daemon: Daemon):
    acme = await a_tenant(daemon.address, "acme")
    async with tunesmith(acme, "fine-tunes", "watch", "nope", columns=100) as terminal:
        assert await terminal.exit_code() == 1
        screen = await terminal.shows(lambda lines: lines != [] and "hint: " in lines[-1])
        assert screen[0] == "error: tenants/acme/fineTunes/nope does not exist"
