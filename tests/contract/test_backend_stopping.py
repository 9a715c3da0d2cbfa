"""How a Backend stops what trains: kindly, in time, whatever becomes of the service meanwhile."""

import errno
from typing import Any

import pytest
from tunesmith_server.domain.errors import (
    StorageFull,
)
from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.observation import Phase, StopMode
from tunesmith_trainer import durable, stop_request

from tests.contract.backends import Place, seen, until


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
