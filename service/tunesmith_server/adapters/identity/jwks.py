"""Fetches an issuer's public keys (RFC 7517) from a known place or by OIDC discovery."""

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tunesmith_server.domain.identity import is_tamper_proof

_SECONDS = 5.0
_MOST_BYTES = 1 << 20


class JwksUnavailable(Exception):
    """The issuer's keys cannot be had now. The text says why, for the log."""


class Jwks:
    """Where the keys of one issuer are.

    Args:
        issuer: its URL, asked for its discovery document if there is no `url`.
        url: of the key set.
        ca_file: the roots to trust instead of the system's, read anew on each fetch.
        token_file: a bearer token to show at `url`, read anew on each fetch since it may change.
    """

    def __init__(
        self,
        issuer: str,
        url: str | None = None,
        *,
        ca_file: Path | None = None,
        token_file: Path | None = None,
    ) -> None:
        self._issuer = issuer
        self._url = url
        self._ca_file = ca_file
        self._token_file = token_file

    async def fetch(self) -> Sequence[Mapping[str, Any]]:
        """The issuer's keys as it publishes them, or JwksUnavailable."""
        try:
            headers, verify = await asyncio.to_thread(self._read_files)
            async with (
                asyncio.timeout(2 * _SECONDS),  # httpx bounds each read, but not their number
                httpx.AsyncClient(verify=verify, timeout=_SECONDS, headers=headers) as client,
            ):
                url = self._url or await self._discovered(client)
                keys = (await _document(client, url)).get("keys")
        except TimeoutError:
            raise JwksUnavailable("no answer in time") from None
        # OSError: a file that cannot be read; ValueError: a URL or a document that is none
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise JwksUnavailable(f"{type(error).__name__}: {error}") from error
        if not isinstance(keys, list):
            raise JwksUnavailable(f"{url} holds no `keys`")
        return [key for key in keys if isinstance(key, dict)]

    def _read_files(self) -> tuple[dict[str, str], ssl.SSLContext]:
        # not compressed, so that the limit on what is read is one on what it becomes
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        if self._token_file:
            headers["authorization"] = f"Bearer {self._token_file.read_text('ascii').strip()}"
        return headers, (
            ssl.create_default_context(cafile=self._ca_file)
            if self._ca_file
            else httpx.create_ssl_context()
        )

    async def _discovered(self, client: httpx.AsyncClient) -> str:
        place = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await _document(client, place)
        if found.get("issuer") != self._issuer:
            raise JwksUnavailable(f"{place} is about another issuer: {found.get('issuer')!r:.200}")
        url = found.get("jwks_uri")
        if not isinstance(url, str) or not is_tamper_proof(url):
            raise JwksUnavailable(f"{place} has no jwks_uri with https: {url!r:.200}")
        return url


async def _document(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    content = b""
    async with client.stream("GET", url) as response:
        if response.status_code != httpx.codes.OK:
            raise JwksUnavailable(f"{url} answered {response.status_code}")
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > _MOST_BYTES:
                raise JwksUnavailable(f"{url} answered with more than {_MOST_BYTES} bytes")
    document = json.loads(content)
    if not isinstance(document, dict):
        raise JwksUnavailable(f"{url} holds no JSON object")
    return document
