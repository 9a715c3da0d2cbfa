"""The keys of an issuer: fresh, without asking often, and while it is away."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tunesmith_server.adapters.identity.jwks import JwksUnavailable
from tunesmith_server.adapters.identity.signing_keys import SigningKeys

from tests.fakes.issuer import SigningKey

COOL_DOWN, KEEP = 10.0, 100.0
FIRST, SECOND = SigningKey("first"), SigningKey("second")


class Source:
    """Publishes what it is told to; `gate` holds its answers back."""

    def __init__(self, *published: Any) -> None:
        self.published: Sequence[Mapping[str, Any]] = [self.seen(key) for key in published]
        self.away = False
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    @staticmethod
    def seen(key: Any) -> Mapping[str, Any]:
        return key.public() if isinstance(key, SigningKey) else key

    async def fetch(self) -> Sequence[Mapping[str, Any]]:
        self.asked += 1
        self.was_asked.set()
        answer = self.published
        await self.gate.wait()
        if self.away:
            raise JwksUnavailable("away")
        return answer

    def answer_then_publish(self, key: SigningKey) -> None:
        """Let go what is under way, with the keys that were there when it was asked."""
        self.published = [*self.published, key.public()]
        self.gate.set()


class Time:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Time:
    return Time()


def keys_of(source: Source, now: Time, *algorithms: str) -> SigningKeys:
    return SigningKeys(
        "https://issuer",
        source,
        algorithms or ("ES256",),
        refresh_seconds=1000,
        cool_down_seconds=COOL_DOWN,
        keep_seconds=KEEP,
        monotonic=now,
    )


async def test_an_unknown_key_is_asked_for_but_not_again_within_the_cool_down(now: Time):
    source = Source(FIRST)
    keys = keys_of(source, now)
    assert await keys.find("first", "ES256")
    for number in range(50):
        assert await keys.find(f"invented-{number}", "ES256") is None
    assert source.asked == 1
    source.published = [SECOND.public()]
    now.seconds += COOL_DOWN
    assert await keys.find("second", "ES256")
    assert await keys.find("first", "ES256") is None
    assert source.asked == 2


async def test_those_who_need_the_keys_at_once_wait_for_one_answer(now: Time):
    source = Source(FIRST)
    source.gate.clear()
    keys = keys_of(source, now)
    async with asyncio.TaskGroup() as group:
        found = [group.create_task(keys.find("first", "ES256")) for _ in range(20)]
        await asyncio.sleep(0)
        found[0].cancel()  # one who gives up takes nothing from the others
        source.gate.set()
    assert all(task.result() for task in found[1:])
    assert source.asked == 1


async def test_a_key_published_after_an_answer_that_is_under_way_is_asked_for(now: Time):
    source = Source(FIRST)
    source.gate.clear()
    keys = keys_of(source, now)
    running = asyncio.create_task(keys.run())
    await source.was_asked.wait()
    found = asyncio.create_task(keys.find("second", "ES256"))
    await asyncio.sleep(0)
    source.answer_then_publish(SECOND)
    assert await found
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_keys_outlive_an_issuer_that_is_away_but_not_for_ever(now: Time):
    source = Source(FIRST)
    keys = keys_of(source, now)
    assert await keys.find("first", "ES256")
    source.away = True
    now.seconds += KEEP
    assert await keys.find("second", "ES256") is None
    assert source.asked == 2
    assert await keys.find("first", "ES256")
    now.seconds += 1
    assert await keys.find("first", "ES256") is None
    source.away = False
    now.seconds += COOL_DOWN
    assert await keys.find("first", "ES256")


async def test_keys_are_fetched_in_the_background_and_the_fetch_ends_with_it(now: Time):
    source = Source(FIRST)
    keys = keys_of(source, now)
    running = asyncio.create_task(keys.run())
    async with asyncio.timeout(10):
        await source.was_asked.wait()
    assert await keys.find("first", "ES256")
    assert source.asked == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_key_verifies_only_what_it_was_published_for(now: Time):
    unnamed = {k: v for k, v in FIRST.public().items() if k != "alg"} | {"kid": "any"}
    rsa = SigningKey("rsa", "RS256")
    source = Source(
        FIRST,
        unnamed,
        rsa,
        rsa.public() | {"kid": "encrypts", "use": "enc"},
        rsa.public() | {"kid": "odd", "n": "AQAB", "alg": "ES256"},
        {"kid": "shared", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        {"kid": "broken", "kty": "EC", "crv": "P-256", "x": "!"},
        {"kid": 5, "kty": "RSA"},
        {},
    )
    keys = keys_of(source, now, "ES256", "RS256", "EdDSA")
    ids = ("first", "any", "rsa", "encrypts", "odd", "shared", "broken")
    found = {
        (id, algorithm)
        for id in ids
        for algorithm in ("ES256", "RS256", "EdDSA", "HS256")
        if await keys.find(id, algorithm)
    }
    assert found == {("first", "ES256"), ("any", "ES256"), ("rsa", "RS256")}
