"""What every store must do with shares of models, on SQLite and on a real PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest
from tunesmith_server.adapters.sql.store import SqlStore
from tunesmith_server.domain.errors import NotFound
from tunesmith_server.domain.model import KeptCheckpoint, Model
from tunesmith_server.domain.names import ModelName
from tunesmith_server.domain.sharing import ModelShare
from tunesmith_server.domain.tenant import Tenant
from tunesmith_server.ports import PageOf, TenantScope

from tests.unit.domain.builders import NOW

T = TypeVar("T")
HOUR = timedelta(hours=1)
ALL = PageOf(100)


class Shelf:
    """A store with a model of each of three tenants, and what they do with shares."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    async def of(self, tenant: str, work: Callable[[TenantScope], T]) -> T:
        """What `work` makes of a tenant's scope."""
        return await self._store.write(lambda tx: work(tx.of(tenant)))

    async def share(self, number: int = 0, **changes: object) -> ModelShare:
        """A share of acme's model with rival, accepted unless it is said otherwise."""
        made = ModelShare(
            uid=f"share-{number}",
            model=ModelName("acme", "bot"),
            public_name="ft:ada:acme:bot:00000000",
            tenant="rival",
            checkpoint=None,
            create_time=NOW + timedelta(seconds=number),
            accept_time=NOW,
        )
        made = replace(made, **changes)  # type: ignore[arg-type]
        await self.of("acme", lambda scope: scope.shares.put(made))
        return made

    async def lent(self, tenant: str, name: ModelName | str, hours: float = 0) -> Model | None:
        """The model of another that a tenant may ask so many hours later."""
        try:
            return await self.of(tenant, lambda scope: scope.shares.lent(name, NOW + hours * HOUR))
        except NotFound:
            return None

    async def listed(self, tenant: str) -> list[str]:
        """What a tenant may ask, in the order of the list."""
        rows = await self.of(tenant, lambda scope: scope.shares.models(ALL, NOW))
        return [str(model.name) for _, model in rows]


def a_model(tenant: str) -> Model:
    return Model(
        name=ModelName(tenant, "bot"),
        uid=f"uid-of-{tenant}",
        base_model="ada",
        public_name=f"ft:ada:{tenant}:bot:00000000",
        legacy_name=f"ada:ft-{tenant}:bot-2026-01-02-03-04-05",
        fine_tune="run",
        digest="sha256:00",
        size_bytes=1,
        create_time=NOW + timedelta(seconds=len(tenant)),
        labels={"of": tenant},
        checkpoints=(KeptCheckpoint(1, 1, 1, ""), KeptCheckpoint(2, 1, 1, "")),
    )


@pytest.fixture
async def shelf(database_url: str) -> AsyncIterator[Shelf]:
    store = SqlStore(database_url)
    for tenant in ("acme", "rival", "third"):
        await store.write(lambda tx, t=tenant: tx.system.add_tenant(Tenant(t, NOW)))  # type: ignore[misc]
        await store.write(lambda tx, t=tenant: tx.of(t).add_model(a_model(t)))  # type: ignore[misc]
    yield Shelf(store)
    await store.close()


BOT = ModelName("acme", "bot")
NAMES = (BOT, "ft:ada:acme:bot:00000000", "ada:ft-acme:bot-2026-01-02-03-04-05")


async def test_a_model_is_lent_by_all_its_names_to_whom_it_is_shared_with(shelf: Shelf):
    await shelf.share()
    for name in NAMES:
        found = await shelf.lent("rival", name)
        assert found
        assert (found.name, found.shared, found.labels) == (BOT, True, {})
        assert await shelf.lent("third", name) is None
        assert await shelf.lent("acme", name) is None  # it is its own
    assert await shelf.listed("rival") == ["tenants/rival/models/bot", str(BOT)]
    assert await shelf.listed("acme") == [str(BOT)]


async def test_nothing_is_lent_before_consent_and_past_its_time(shelf: Shelf):
    offer = await shelf.share(accept_time=None, expire_time=NOW + HOUR)
    assert await shelf.lent("rival", BOT) is None
    accepted = replace(offer, accept_time=NOW)
    for other in ("acme", "third"):  # nobody consents for another
        await shelf.of(other, lambda scope: scope.shares.accept(accepted))
        assert await shelf.lent("rival", BOT) is None
    await shelf.of("rival", lambda scope: scope.shares.accept(accepted))
    assert await shelf.lent("rival", BOT)
    assert await shelf.lent("rival", BOT, hours=0.999)
    assert await shelf.lent("rival", BOT, hours=1) is None


async def test_shares_are_seen_and_ended_by_the_two_parties_alone(shelf: Shelf):
    share = await shelf.share()
    for tenant, seen in (("acme", share), ("rival", share), ("third", None)):
        found = await shelf.of(tenant, lambda scope: scope.shares.find(BOT, "rival", None))
        assert found == seen
    assert await shelf.of("third", lambda scope: scope.shares.received(ALL)) == []
    await shelf.of("third", lambda scope: scope.shares.delete(share))
    assert await shelf.lent("rival", BOT)
    await shelf.of("rival", lambda scope: scope.shares.delete(share))
    assert await shelf.lent("rival", BOT) is None
    assert await shelf.of("acme", lambda scope: scope.shares.given(ALL)) == []


async def test_checkpoints_alone_and_the_model_are_shares_of_their_own(shelf: Shelf):
    one = await shelf.share(1, checkpoint=1)
    found = await shelf.lent("rival", BOT)
    assert found
    assert (found.checkpoints_only, [each.step for each in found.checkpoints]) == (True, [1])
    whole = await shelf.share(2)
    found = await shelf.lent("rival", BOT)
    assert found
    assert (found.checkpoints_only, [each.step for each in found.checkpoints]) == (False, [1, 2])
    standing = await shelf.of("acme", lambda scope: scope.shares.standing("bot", NOW))
    assert standing == [one, whole]
    # listed once, however many shares of it there are
    assert (await shelf.listed("rival")).count(str(BOT)) == 1


async def test_what_is_put_again_takes_the_place_of_what_was_there(shelf: Shelf):
    await shelf.share(1)
    again = await shelf.share(2, expire_time=NOW + HOUR)
    rows = await shelf.of("rival", lambda scope: scope.shares.received(ALL))
    assert [share for _, share in rows] == [again]
    assert await shelf.of("acme", lambda s: s.shares.standing("bot", NOW + HOUR)) == []


async def test_shares_are_paged_newest_first_on_both_sides(shelf: Shelf):
    made = [await shelf.share(number, checkpoint=number) for number in range(5)]
    for tenant, pages in (
        ("acme", lambda scope, page: scope.shares.given(page, "bot")),
        ("rival", lambda scope, page: scope.shares.received(page, BOT)),
    ):
        found, after = list[ModelShare](), ""
        while True:
            rows = await shelf.of(tenant, lambda s, a=after, p=pages: p(s, PageOf(2, a)))  # type: ignore[misc]
            if not rows:
                break
            found += [share for _, share in rows]
            after = rows[-1][0]
        assert found == made[::-1]
    assert await shelf.of("acme", lambda scope: scope.shares.given(ALL, "other")) == []


async def test_a_model_that_is_not_there_is_not_shared_and_one_that_goes_takes_its_shares(
    shelf: Shelf,
):
    with pytest.raises(NotFound):
        await shelf.share(model=ModelName("acme", "gone"))
    await shelf.share()
    await shelf.of("acme", lambda scope: scope.delete_model("bot"))
    assert await shelf.of("rival", lambda scope: scope.shares.received(ALL)) == []
    assert await shelf.listed("rival") == ["tenants/rival/models/bot"]
