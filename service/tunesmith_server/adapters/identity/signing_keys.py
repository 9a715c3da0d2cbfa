"""The public keys of one issuer, kept fresh without asking it often."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import structlog
from jwt import PyJWK

from tunesmith_server.adapters.identity.jwks import JwksUnavailable

log = structlog.get_logger(__name__)

_KINDS = ("RSA", "EC", "OKP")  # public keys; `oct` would be a shared secret


class Source(Protocol):
    """Where the keys come from."""

    async def fetch(self) -> Sequence[Mapping[str, Any]]:
        """The keys, or JwksUnavailable."""
        ...


class SigningKeys:
    """Finds the key that a token names.

    Keys are fetched in the background, every `refresh_seconds`, so that a key that the issuer has
    withdrawn opens nothing after that time. A key that is not known is asked for at once, but at
    most every `cool_down_seconds`: rotation goes unnoticed, and invented names cannot make us
    hammer the issuer. While the issuer is away the keys last got go on, for `keep_seconds`.
    """

    def __init__(
        self,
        issuer: str,
        source: Source,
        algorithms: Sequence[str],
        *,
        refresh_seconds: float,
        cool_down_seconds: float,
        keep_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._source = source
        self._algorithms = algorithms
        self._refresh_seconds = refresh_seconds
        self._cool_down_seconds = cool_down_seconds
        self._keep_seconds = keep_seconds
        self._monotonic = monotonic
        self._keys: dict[str, dict[str, PyJWK]] = {}  # by id, then by algorithm
        self._got = self._asked = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, id: str, algorithm: str) -> PyJWK | None:
        """The key of this id for this algorithm, or None if there is none that may be used."""
        if id not in self._present() and self._fetching and not self._fetching.done():
            await self._fetched()
        # not "else": what was under way may have been answered before the key was published
        if id not in self._present() and self._monotonic() - self._asked >= self._cool_down_seconds:
            self._asked = self._monotonic()
            await self._fetched()
        return self._present().get(id, {}).get(algorithm)

    async def run(self) -> None:
        """Fetch the keys now and then, until cancelled."""
        try:
            while True:
                await self._fetched()
                await asyncio.sleep(self._refresh_seconds)
        finally:
            if self._fetching:
                self._fetching.cancel()
                with suppress(asyncio.CancelledError):
                    await self._fetching

    def _present(self) -> Mapping[str, Mapping[str, PyJWK]]:
        fresh = self._monotonic() - self._got <= self._keep_seconds
        return self._keys if fresh else {}

    async def _fetched(self) -> None:
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
        # a caller that gives up must not end the fetch for the others
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            published = await self._source.fetch()
        except JwksUnavailable as error:
            log.warning("issuer_unavailable", issuer=self._issuer, cause=str(error))
            return
        keys: dict[str, dict[str, PyJWK]] = {}
        for key in published:
            id = key.get("kid")
            if isinstance(id, str) and (usable := self._usable(key)):
                keys.setdefault(id, {}).update(usable)
        self._keys = keys
        self._got = self._monotonic()
        if not keys:
            log.warning("issuer_has_no_usable_key", issuer=self._issuer, published=len(published))

    def _usable(self, key: Mapping[str, Any]) -> dict[str, PyJWK]:
        """What the key may verify, by algorithm: fixed here, not by what a token says."""
        if key.get("kty") not in _KINDS or key.get("use", "sig") != "sig":
            return {}
        usable = {}
        for algorithm in self._algorithms:
            if key.get("alg", algorithm) == algorithm:
                # a key of another kind than the algorithm's cannot be made; and whatever is wrong
                # with one key must not take the others away
                with suppress(Exception):
                    made = PyJWK(dict(key), algorithm)
                    made.Algorithm.prepare_key(made.key)  # checks the curve
                    usable[algorithm] = made
        return usable
