"""Who is started when slots are short: the scheduler on a real store, with a clock that is set."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.adapters.wakeups import LocalHints
from tunesmith_server.app.admission import Admission
from tunesmith_server.app.forecast import runs_ahead
from tunesmith_server.app.scheduler import Scheduler
from tunesmith_server.domain.fine_tune import FineTune, RunLimits
from tunesmith_server.domain.names import FineTuneName
from tunesmith_server.domain.states import State, WaitReason
from tunesmith_server.domain.tenant import Suspension, Tenant
from tunesmith_server.ports import Transaction

from tests.contract.test_quota import recounted
from tests.unit.domain.builders import NOW, a_run


class Floor:
    """A node with slots, a store, and a clock: runs come, are started, and end."""

    def __init__(self, store: SqlStore, slots: int = 1) -> None:
        self.store = store
        self.time = NOW
        self.admission = Admission({})
        self.scheduler = Scheduler(
            store, self.admission, LocalHints(), self, node="node", slots=slots
        )
        self._made = 0

    def now(self) -> Any:
        return self.time

    async def tenant(self, id: str, **changes: Any) -> None:
        tenant = Tenant(id, NOW, **changes)
        await self.store.write(lambda tx: tx.system.add_tenant(tenant))

    async def submit(
        self, tenant: str, count: int = 1, base: str = "ada", **spec: Any
    ) -> list[FineTune]:
        """So many runs, one after the other."""
        runs = []
        for _ in range(count):
            self._made += 1
            self.time += timedelta(milliseconds=10)
            run = a_run(
                name=FineTuneName(tenant, f"run-{self._made}"),
                uid=f"uid-{self._made:05d}",
                create_time=self.time,
                update_time=self.time,
            )
            resolved = replace(run.resolved, base_model=base, worst_case_tokens=1000)
            runs.append(replace(run, spec=replace(run.spec, **spec), resolved=resolved))

        def work(tx: Transaction) -> None:
            for run in runs:
                scope = tx.of(tenant)
                self.admission.admit(scope, run, self.time)
                scope.add_fine_tune(run, [])

        await self.store.write(work)
        return runs

    async def starts(self) -> list[FineTune]:
        """What a pass starts."""
        self.time += timedelta(seconds=1)
        return list(await self.scheduler.pass_once())

    async def end(self, run: FineTune) -> None:
        def work(tx: Transaction) -> None:
            scope = tx.of(run.name.tenant)
            current = scope.fine_tune(run.name.id)
            self.admission.end(scope, current, self.time, model=False)
            moved, event = current.told(State.CANCELLED, now=self.time, message="")
            scope.put_fine_tune(moved, [event])

        await self.store.write(work)

    async def rounds(self, count: int) -> list[str]:
        """The tenants of the runs that are started when each start ends at once."""
        order = []
        for _ in range(count):
            for run in await self.starts():
                order.append(run.name.tenant)
                await self.end(run)
        return order

    async def read(self, run: FineTune) -> FineTune:
        return await self.store.read(lambda tx: tx.of(run.name.tenant).fine_tune(run.name.id))


@pytest.fixture
async def floor(database_url: str) -> AsyncIterator[Floor]:
    store = SqlStore(database_url)
    yield Floor(store)
    await store.close()
    recounted(database_url)


async def test_a_thousand_runs_of_one_tenant_delay_anothers_first_by_one_at_most(floor: Floor):
    await floor.tenant("a")
    await floor.tenant("b")
    await floor.submit("a", 1000)
    assert await floor.rounds(5) == ["a"] * 5
    (run,) = await floor.submit("b")
    assert await floor.store.read(lambda tx: runs_ahead(tx, run)) <= 1
    order = await floor.rounds(3)
    assert "b" in order[:2]
    assert (await floor.read(run)).attempt == 1


async def test_while_two_wait_they_are_served_by_their_weights(floor: Floor):
    await floor.tenant("a", share_weight=1)
    await floor.tenant("b", share_weight=3)
    await floor.submit("a", 40)
    await floor.submit("b", 40)
    served = Counter(await floor.rounds(40))
    assert abs(served["b"] - 30) <= 1
    assert served["a"] + served["b"] == 40


async def test_within_a_tenant_priority_goes_first_and_then_age(floor: Floor):
    await floor.tenant("a")
    runs = await floor.submit("a", 3)
    (urgent,) = await floor.submit("a", priority=1)
    await floor.submit("a", hold=True, priority=100)
    order = []
    for _ in range(5):
        for run in await floor.starts():
            order.append(run.name.id)
            await floor.end(run)
    assert order == [run.name.id for run in (urgent, *runs)]


async def test_a_suspended_family_is_passed_over_and_told_why(floor: Floor):
    await floor.tenant("a", suspension=Suspension(NOW, "unpaid"))
    await floor.tenant("below", parent="a")
    await floor.tenant("b")
    (first,), (second,) = await floor.submit("a"), await floor.submit("below")
    await floor.submit("b")
    assert await floor.rounds(3) == ["b"]
    for run in (first, second):
        assert (await floor.read(run)).wait_reason is WaitReason.TENANT_SUSPENDED


async def test_however_many_wait_for_the_quota_of_one_base_those_on_another_go_on(
    database_url: str,
):
    store = SqlStore(database_url)
    floor = Floor(store, slots=4)
    await floor.tenant("a", limits={"fine_tunes_running@ada": 1})
    blocked = await floor.submit("a", 50)
    (free,) = await floor.submit("a", base="curie")
    assert [run.uid for run in await floor.starts()] == [blocked[0].uid, free.uid]
    head = await floor.read(blocked[1])
    assert head.wait_reason is WaitReason.WAITING_FOR_QUOTA
    assert "fine_tunes_running (tenants/a for ada): 1 in use" in head.message
    await store.close()
    recounted(database_url)


async def test_what_has_not_started_by_its_deadline_expires_and_gives_everything_back(
    floor: Floor,
):
    await floor.tenant("a")
    await floor.submit("a", priority=9)
    await floor.starts()
    deadline = RunLimits(start_deadline=NOW + timedelta(minutes=5))
    runs = [
        *await floor.submit("a", limits=deadline),
        *await floor.submit("a", hold=True, limits=deadline),
    ]
    assert await floor.starts() == []
    floor.time = NOW + timedelta(minutes=6)
    await floor.starts()
    for run in runs:
        expired = await floor.read(run)
        assert (expired.state, expired.end_time) == (State.EXPIRED, floor.time)
        assert not await floor.store.read(lambda tx, run=run: tx.of("a").held(run.uid))  # type: ignore[misc]


async def test_what_has_started_in_time_does_not_expire_while_it_waits_for_its_next_attempt(
    floor: Floor,
):
    await floor.tenant("a")
    deadline = RunLimits(start_deadline=NOW + timedelta(minutes=5))
    await floor.submit("a", limits=deadline)
    (run,) = await floor.starts()

    def lost(tx: Transaction) -> None:
        scope = tx.of("a")
        running, began = scope.fine_tune(run.name.id).told(
            State.RUNNING, now=floor.time, message=""
        )
        floor.admission.requeue(scope, running, floor.time)
        queued, event = running.told(State.QUEUED, now=floor.time, message="")
        scope.put_fine_tune(queued, [began, event])

    await floor.store.write(lost)
    floor.time = NOW + timedelta(minutes=6)
    (again,) = await floor.starts()
    assert (again.uid, again.attempt) == (run.uid, 2)
    await floor.end(again)
