"""What every Backend owes the dispatcher, and what the local one owes besides.

Where the fault is under test, a scripted stand-in (tests/fakes/trainer.py) takes the trainer's
place; the last tests train for real. Stopping, and what attempts leave behind, are in the two files
next to this one.
"""

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tunesmith_server.adapters.local.artefacts import LocalArtefacts
from tunesmith_server.adapters.local.bases import BaseLibrary
from tunesmith_server.domain.errors import (
    Unavailable,
)
from tunesmith_server.domain.fine_tune import FineTune, RunLimits
from tunesmith_server.domain.observation import Phase, StopMode
from tunesmith_server.ports import Backend

from tests.contract.backends import FAKE, Place, an_attempt, seen, until

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
    backend = place.backend("unready=go")  # one that does not stop by itself
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
from tests.contract.backends import Place, an_attempt
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
