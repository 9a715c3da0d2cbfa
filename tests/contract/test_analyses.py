"""What every store must do with analyses, on SQLite and on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tunesmith.dataset_rules import Finding, Severity
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.domain.analysis import (
    RULES,
    Analysis,
    AnalysisState,
    Content,
    Outcome,
    leakage_subject,
)
from tunesmith_server.domain.dataset import Dataset, DatasetState
from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.names import DatasetName
from tunesmith_server.domain.tenant import Tenant
from tunesmith_server.ports import AnalysisClaim

from tests.unit.domain.builders import NOW

LEASE = timedelta(seconds=10)
REF = "tiktoken:cl100k_base"
FILE = Content("a" * 64, "prompt_completion", 1000)
LATER = NOW + timedelta(seconds=1)
COUNTED = {RULES: Outcome(report={"valid": False}), REF: Outcome("cl100k_base", {"x": 1})}


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    """A store that knows the tenants acme and other."""
    store = SqlStore(database_url)
    for tenant in ("acme", "other"):
        await store.write(lambda tx, t=tenant: tx.system.add_tenant(Tenant(t, NOW)))  # type: ignore[misc]
    yield store
    await store.close()


async def ask(store: SqlStore, content: Content = FILE, tenant: str = "acme") -> None:
    wanted = [Analysis(content, RULES), Analysis(content, REF)]
    await store.write(lambda tx: tx.of(tenant).analyses.add(wanted, NOW))


async def claim(store: SqlStore, holder: str = "me", **changes: Any) -> AnalysisClaim | None:
    options = {"now": LATER, "lease": LEASE, "subjects": [RULES, REF]} | changes
    return await store.write(lambda tx: tx.system.analyses.claim(holder, **options))


async def known(store: SqlStore, tenant: str = "acme") -> dict[str, Analysis]:
    found = await store.read(lambda tx: tx.of(tenant).analyses.of([FILE.digest]))
    return {analysis.subject: analysis for analysis in found}


async def finish(store: SqlStore, claim: AnalysisClaim, outcomes: Any = COUNTED) -> bool:
    return await store.write(
        lambda tx: tx.system.analyses.finish(claim, outcomes, LATER, DatasetState.INVALID)
    )


def a_version(id: str, digest: str = FILE.digest, version: int = 1, shape: str = FILE.shape):
    return Dataset(
        name=DatasetName("acme", id),
        uid=id,
        digest=digest,
        state=DatasetState.READY,
        size_bytes=1000,
        example_count=1,
        shape=shape,
        report={"valid": True},
        create_time=NOW,
        version_time=NOW,
        version=version,
    )


async def keep(store: SqlStore, dataset: Dataset) -> None:
    await store.write(lambda tx: tx.of("acme").put_dataset(dataset))


async def test_all_that_is_open_of_one_content_is_leased_together_and_once(store: SqlStore):
    await ask(store)
    taken = await asyncio.gather(*(claim(store, f"holder-{n}") for n in range(4)))
    held = [subject for one in taken if one for subject in one.subjects]
    assert sorted(held) == [RULES, REF]
    assert {a.state for a in (await known(store)).values()} == {AnalysisState.RUNNING}


async def test_only_subjects_that_can_be_done_here_are_leased(store: SqlStore):
    await ask(store)
    taken = await claim(store, subjects=[RULES])
    assert taken is not None
    assert taken.subjects == (RULES,)
    assert (await known(store))[REF].state is AnalysisState.PENDING
    assert await claim(store, subjects=["package:other"]) is None


async def test_small_contents_overtake_large_ones_that_came_shortly_before(store: SqlStore):
    await ask(store, replace(FILE, digest="b" * 64, size_bytes=10**9))
    await ask(store)
    first, second = await claim(store, "one"), await claim(store, "two")
    assert first is not None
    assert second is not None
    assert (first.content.digest, second.content.digest) == (FILE.digest, "b" * 64)


async def test_a_lease_that_ran_out_or_whose_holder_is_dead_goes_to_another(store: SqlStore):
    await ask(store)
    old = await claim(store, "gone")
    assert old is not None
    assert await claim(store, "next") is None
    assert await store.read(lambda tx: tx.system.analyses.holders()) == ["gone"]
    new = await claim(store, "next", dead=["gone"])
    assert new is not None
    assert (new.attempt, old.attempt) == (2, 1)
    assert await claim(store, "third", now=LATER + 2 * LEASE) is not None
    # what the former holders say has no effect
    assert not await finish(store, old)
    until = LATER + LEASE
    assert not await store.write(lambda tx: tx.system.analyses.progress(new, 7, until))
    assert (await known(store))[REF].state is AnalysisState.RUNNING


async def test_progress_keeps_the_lease_and_is_told(store: SqlStore):
    await ask(store)
    taken = await claim(store)
    assert taken is not None
    until = LATER + 3 * LEASE
    assert await store.write(lambda tx: tx.system.analyses.progress(taken, 500, until))
    assert (await known(store))[REF].bytes_done == 500
    assert await claim(store, "next", now=LATER + 2 * LEASE) is None


async def test_what_was_counted_is_kept_and_never_leased_again(store: SqlStore):
    await ask(store)
    taken = await claim(store)
    assert taken is not None
    assert await finish(store, taken)
    await ask(store)  # again, as for a dataset of equal bytes
    found = await known(store)
    assert found[REF].state is AnalysisState.COMPLETE
    assert (found[REF].tokenizer, found[REF].count) == ("cl100k_base", {"x": 1})
    assert found[REF].bytes_done == FILE.size_bytes
    one = await store.read(lambda tx: tx.of("acme").analyses.one(FILE, REF))
    assert one == found[REF]
    assert await claim(store, "next", now=LATER + 2 * LEASE) is None


async def test_a_comparison_needs_no_tokenizer_and_keeps_what_it_found(store: SqlStore):
    subject = leakage_subject(Content("b" * 64, "prompt_completion", 7))
    await store.write(lambda tx: tx.of("acme").analyses.add([Analysis(FILE, subject)], NOW))
    taken = await claim(store, subjects=[])
    assert taken is not None
    assert taken.subjects == (subject,)
    same = Finding("LEAKAGE", Severity.WARNING, 3, "", "1 of 2 rows", "Remove it.")
    await finish(store, taken, {subject: Outcome(findings=[same])})
    found = (await known(store))[subject]
    assert (found.state, found.findings) == (AnalysisState.COMPLETE, [same])


async def test_one_subject_can_fail_and_the_others_are_kept(store: SqlStore):
    await ask(store)
    taken = await claim(store)
    assert taken is not None
    await finish(store, taken, COUNTED | {REF: Outcome(error="no such tokenizer")})
    found = await known(store)
    assert (found[REF].state, found[REF].error) == (AnalysisState.FAILED, "no such tokenizer")
    assert found[RULES].state is AnalysisState.COMPLETE


async def test_what_is_given_back_waits_until_it_is_due(store: SqlStore):
    await ask(store)
    taken = await claim(store)
    assert taken is not None
    due = LATER + timedelta(seconds=5)
    await store.write(lambda tx: tx.system.analyses.give_back(taken, due=due, error="oops"))
    assert await claim(store, "next") is None
    again = await claim(store, "next", now=due)
    assert again is not None
    assert again.attempt == 2
    await store.write(lambda tx: tx.system.analyses.give_back(again, due=due, counts=False))
    third = await claim(store, "third", now=due)
    assert third is not None
    assert third.attempt == 2


async def test_the_complete_report_reaches_every_version_of_the_content(store: SqlStore):
    for dataset in (a_version("one"), a_version("two"), a_version("chat", shape="chat")):
        await keep(store, dataset)
    await keep(store, a_version("two", digest="c" * 64, version=2))
    await ask(store)
    taken = await claim(store)
    assert taken is not None
    await finish(store, taken)

    def states(tx: Any) -> list[DatasetState]:
        scope = tx.of("acme")
        versions = [scope.dataset_version("two", version) for version in ("1", "2")]
        return [each.state for each in (scope.dataset("one"), scope.dataset("chat"), *versions)]

    good, bad = DatasetState.READY, DatasetState.INVALID
    # another reading and another version are not what was looked at
    assert await store.read(states) == [bad, good, bad, good]


async def test_a_version_is_found_by_its_number_and_by_its_digest(store: SqlStore):
    await keep(store, a_version("one"))
    await keep(store, a_version("one", digest="c" * 64, version=2))

    def number(version: str) -> Any:
        return store.read(lambda tx: tx.of("acme").dataset_version("one", version).version)

    assert [await number(v) for v in ("1", "2", FILE.digest, "c" * 64)] == [1, 2, 1, 2]
    for absent in ("3", "d" * 64):
        with pytest.raises(NotFound):
            await number(absent)


async def test_analyses_go_with_the_last_version_that_has_the_content(store: SqlStore):
    for id in ("one", "two"):
        await keep(store, a_version(id))
    await ask(store)
    taken = await claim(store)
    assert taken is not None
    await store.write(lambda tx: tx.of("acme").delete_dataset("one"))
    assert len(await known(store)) == 2
    await store.write(lambda tx: tx.of("acme").delete_dataset("two"))
    assert await known(store) == {}
    assert not await finish(store, taken)


async def test_the_same_bytes_of_two_tenants_are_two_contents(store: SqlStore):
    await ask(store)
    assert await known(store, "other") == {}
    await ask(store, tenant="other")
    first, second = await claim(store, "one"), await claim(store, "two")
    assert first is not None
    assert second is not None
    assert {first.tenant, second.tenant} == {"acme", "other"}
    await finish(store, first)
    states = {(await known(store, tenant))[REF].state for tenant in ("acme", "other")}
    assert states == {AnalysisState.COMPLETE, AnalysisState.RUNNING}
