"""What attempts leave to the next one, and what is removed of those that nobody asks for."""

import asyncio
from dataclasses import replace

from tunesmith_server.domain.fine_tune import FineTune
from tunesmith_server.domain.observation import Phase, StopMode

from tests.contract.backends import Place, an_attempt, seen, until


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
