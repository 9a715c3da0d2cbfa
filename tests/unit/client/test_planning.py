"""Planning and steering runs from Python, and watching all of them."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tunesmith import AsyncClient, Client, ConflictError, InvalidArgumentError
from tunesmith import _watch as watching
from tunesmith._resources.fine_tunes import FineTunes
from tunesmith._resources.specs import ChangeOptions, RunOptions
from tunesmith.v1 import common_pb2
from tunesmith.v1 import fine_tune_pb2 as pb

from tests.fakes.servicer import KEY, FakeService, some_events

WISH: RunOptions = {
    "suffix": "support",
    "n_epochs": 2,
    "validation_dataset": "v",
    "max_trained_tokens": 1000,
    "max_cost": Decimal("12.5"),
    "max_run_time": timedelta(hours=1, milliseconds=500),
    "start_deadline": datetime(2026, 12, 1, tzinfo=UTC),
    "on_limit": "fail",
    "checkpoint_every_steps": 50,
    "keep_checkpoints": 3,
    "integrations": [pb.Integration(wandb=pb.WandbIntegration(project="p"))],
    "priority": -5,
    "hold": True,
    "labels": {"team": "search"},
}


async def test_what_was_planned_is_what_is_created(client: AsyncClient, service: FakeService):
    service.plan = pb.PlanFineTuneResponse(plan_token="t1")
    plan = await client.fine_tunes.plan("d", "ada", **WISH)
    await client.fine_tunes.create("d", "ada", plan_token=plan.plan_token, id="r1", **WISH)
    (planned,), (created,) = (
        service.sent(pb.PlanFineTuneRequest),
        service.sent(pb.CreateFineTuneRequest),
    )
    assert planned.fine_tune == created.fine_tune
    assert (created.plan_token, created.fine_tune_id) == ("t1", "r1")
    spec = created.fine_tune.spec
    assert spec.limits.max_trained_tokens == 1000
    assert spec.limits.max_cost.micros == 12_500_000
    assert spec.limits.max_run_time.ToTimedelta() == WISH["max_run_time"]
    assert spec.limits.start_deadline.ToJsonString() == "2026-12-01T00:00:00Z"
    assert spec.limits.on_limit == pb.LIMIT_ACTION_FAIL
    assert (spec.checkpoints.every_steps, spec.checkpoints.keep) == (50, 3)
    assert [each.wandb.project for each in spec.integrations] == ["p"]
    assert (spec.placement.priority, spec.placement.hold) == (-5, True)
    assert dict(created.fine_tune.labels) == {"team": "search"}


async def test_what_is_not_asked_stays_open(client: AsyncClient):
    spec = (await client.fine_tunes.create("d", "ada")).spec
    assert {field.name for field, _ in spec.ListFields()} == {"base_model", "training_dataset"}


@pytest.mark.parametrize(
    ("amount", "micros"), [("0.000001", 1), (12, 12_000_000), (common_pb2.Money(micros=3), 3)]
)
async def test_money_is_exact(client: AsyncClient, amount: Any, micros: int):
    run = await client.fine_tunes.create("d", "ada", max_cost=amount)
    assert run.spec.limits.max_cost.micros == micros


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0.1, "a float, which is not exact"),
        ("twelve", "no amount of money"),
        ("NaN", "no amount of money"),
        ("Infinity", "no amount of money"),
        ("0.0000001", "more than six decimals"),
        (-1, "below 0"),
    ],
)
async def test_an_amount_that_is_none_is_refused_before_any_call(
    client: AsyncClient, service: FakeService, amount: Any, words: str
):
    with pytest.raises(InvalidArgumentError, match=f"max_cost: .*{words}"):
        await client.fine_tunes.create("d", "ada", max_cost=amount)
    assert not service.requests


async def test_an_argument_that_there_is_not_is_a_type_error_with_the_right_one(
    client: AsyncClient,
):
    wrong: Any = {"n_epoch": 2}
    for name in ("create", "plan"):
        words = rf"{name}\(\) got an unexpected .* 'n_epoch'. Did you mean 'n_epochs'"
        with pytest.raises(TypeError, match=words):
            await getattr(client.fine_tunes, name)("d", "ada", **wrong)
    fixed: Any = {"suffix": "x"}
    with pytest.raises(TypeError, match=r"update\(\) got an unexpected keyword argument 'suffix'"):
        await client.fine_tunes.update("r1", **fixed)


def test_every_argument_is_explained():
    for method, options in ((FineTunes.create, RunOptions), (FineTunes.update, ChangeOptions)):
        explained = method.__doc__ or ""
        names = options.__annotations__
        assert [name for name in names if f"\n            {name}: " not in explained] == []


async def test_an_update_names_what_is_given_and_no_more(client: AsyncClient, service: FakeService):
    await client.fine_tunes.create("d", "ada", id="r1", **WISH)
    run = await client.fine_tunes.update(
        "r1",
        etag="",
        labels={},
        display_name="",
        priority=0,
        hold=False,
        max_cost="1",
        remove_limits=["max_run_time"],
    )
    (request,) = service.sent(pb.UpdateFineTuneRequest)
    assert request.fine_tune.name == "tenants/-/fineTunes/r1"
    assert sorted(request.update_mask.paths) == [
        "display_name",
        "labels",
        "spec.limits",
        "spec.placement.hold",
        "spec.placement.priority",
    ]
    assert (run.spec.placement.hold, run.spec.limits.max_cost.micros) == (False, 1_000_000)
    assert not run.labels
    assert not run.spec.limits.HasField("max_run_time")
    assert run.spec.limits.max_trained_tokens == 1000
    with pytest.raises(InvalidArgumentError, match=r"remove_limits: there is no 'max-cost'"):
        await client.fine_tunes.update("r1", remove_limits=["max-cost"])


async def test_limits_of_a_run_that_somebody_else_changes_at_the_same_time_are_not_lost(
    client: AsyncClient, service: FakeService
):
    await client.fine_tunes.create("d", "ada", id="r1", max_cost="1")
    await asyncio.gather(
        client.fine_tunes.update("r1", max_trained_tokens=5),
        client.fine_tunes.update("r1", max_run_time=timedelta(hours=1)),
    )
    limits = service.runs["tenants/acme/fineTunes/r1"].spec.limits
    assert {field.name for field, _ in limits.ListFields()} == {
        "max_cost",
        "max_trained_tokens",
        "max_run_time",
    }
    with pytest.raises(ConflictError):
        await client.fine_tunes.update("r1", max_trained_tokens=6, etag="old")
    assert service.runs["tenants/acme/fineTunes/r1"].spec.limits.max_trained_tokens == 5
    before = service.calls["GetFineTune"]
    await client.fine_tunes.update("r1", priority=1)
    assert service.calls["GetFineTune"] == before


async def test_a_run_is_paused_resumed_and_explained(client: AsyncClient, service: FakeService):
    await client.fine_tunes.create("d", "ada", id="r1")
    paused = await client.fine_tunes.pause("r1")
    assert paused.status.state == common_pb2.FINE_TUNE_STATE_PAUSING
    resumed = await client.fine_tunes.resume("r1")
    assert resumed.status.state == common_pb2.FINE_TUNE_STATE_QUEUED
    service.why = pb.ExplainFineTuneResponse(summary="It waits.")
    assert (await client.fine_tunes.explain("r1")).summary == "It waits."


class TestWatchingAll:
    @pytest.fixture(autouse=True)
    def no_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watching, "_FIRST_PAUSE", 0.001)
        monkeypatch.setattr(watching, "_LONGEST_PAUSE", 0.01)

    @pytest.fixture(autouse=True)
    async def two_runs(self, client: AsyncClient, service: FakeService) -> None:
        """Their events in turn: each run's in order, and both in one stream."""
        for id in ("a", "b"):
            await client.fine_tunes.create("d", "ada", id=id)
        each = [some_events(5, name) for name in service.runs]
        service.events = [event for pair in zip(*each, strict=True) for event in pair]

    async def ten(self, client: AsyncClient, cursor: str = "") -> list[tuple[str, int]]:
        events = client.fine_tunes.watch_all(cursor=cursor)
        try:
            async with asyncio.timeout(10):
                return [((event := await anext(events)).run[-1], event.sequence) for _ in range(10)]
        finally:
            await events.aclose()

    ALL = [(run, sequence) for sequence in range(1, 6) for run in "ab"]  # noqa: RUF012

    @pytest.mark.parametrize("after", range(1, 11))
    @pytest.mark.parametrize("fault", ["cut_watch_after", "close_watch_after"])
    async def test_every_event_comes_once_wherever_the_stream_is_cut(
        self, client: AsyncClient, service: FakeService, fault: str, after: int
    ):
        setattr(service.faults, fault, after)
        assert await self.ten(client) == self.ALL

    async def test_a_service_that_repeats_events_is_not_believed(
        self, client: AsyncClient, service: FakeService
    ):
        service.faults.cut_watch_after, service.faults.repeat_events = 4, True
        assert await self.ten(client) == self.ALL

    async def test_a_cursor_goes_on_in_another_watch(self, client: AsyncClient):
        events = client.fine_tunes.watch_all()
        seen = [(event.run[-1], event.sequence) async for event in _some(events, 4)]
        cursor = events.cursor
        await events.aclose()
        again = client.fine_tunes.watch_all(cursor=cursor)
        rest = [(event.run[-1], event.sequence) async for event in _some(again, 7)]
        await again.aclose()
        assert cursor == "c3"  # the fourth is the first of a batch that was not taken whole
        assert [*seen[:3], *rest] == self.ALL

    async def test_it_knows_the_runs_until_they_have_ended(
        self, client: AsyncClient, service: FakeService
    ):
        events = client.fine_tunes.watch_all()
        assert events.runs == {}
        first = await anext(events)
        assert events.runs[first.run].spec.base_model == "ada"
        async for event in _some(events, 8):
            assert event.run in events.runs
        assert event.state_changed.to == common_pb2.FINE_TUNE_STATE_SUCCEEDED
        assert len(events.runs) == 2  # whoever watches may still look at the one that ended
        await anext(events)
        assert list(events.runs) == ["tenants/acme/fineTunes/b"]
        await events.aclose()

    async def test_it_goes_on_when_nothing_happens_and_leaving_ends_the_call(
        self, client: AsyncClient, service: FakeService
    ):
        events = client.fine_tunes.watch_all(cursor="c10")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(events)
        await events.aclose()
        async with asyncio.timeout(5):
            while service.watches_open:  # noqa: ASYNC110  # nothing tells of it but the count
                await asyncio.sleep(0.01)

    async def test_it_works_without_a_loop(self, service: FakeService):
        def use() -> list[tuple[str, int]]:
            with Client(service.address, KEY) as client:
                events = client.fine_tunes.watch_all()
                seen = [((event := next(events)).run[-1], event.sequence) for _ in range(3)]
                assert (events.cursor, len(events.runs)) == ("c3", 2)
                events.close()
                return seen

        assert await asyncio.to_thread(use) == self.ALL[:3]


async def _some(events: Any, count: int) -> Any:
    for _ in range(count):
        yield await anext(events)
