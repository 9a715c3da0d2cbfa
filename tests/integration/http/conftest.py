"""A server in this process with its HTTP port open, on each database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tunesmith_server.bootstrap import Running, serve
from tunesmith_server.settings import Http, Settings

from tests.integration.calls import ROWS, Caller, a_tenant, jsonl


@dataclass
class Tenant:
    """A tenant's caller, over gRPC and over HTTP."""

    grpc: Caller
    http: httpx.AsyncClient

    async def file(self, content: bytes = jsonl(ROWS), **fields: str) -> dict[str, Any]:
        """A file of these bytes."""
        answer = await self.http.post(
            "/v1/files",
            data={"purpose": "fine-tune", **fields},
            files={"file": ("rows.jsonl", content)},
        )
        return json_of(answer)

    async def taken(self, dimension: str) -> int:
        """How much of a quota is used or reserved."""
        row = (await self.grpc.usage()).get(dimension)
        return row.used + row.reserved if row else 0


def json_of(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """The body of an answer of this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    return body


def error_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The error of a refused call: always the same four fields."""
    error: dict[str, Any] = json_of(answer, status)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


@pytest.fixture
def http_settings(server_settings: Settings) -> Settings:
    return server_settings.model_copy(update={"http": Http(listen="127.0.0.1:0")})


@pytest.fixture
async def http_server(http_settings: Settings) -> AsyncIterator[Running]:
    async with serve(http_settings) as running:
        yield running


async def tenant_of(running: Running, id: str, limits: dict[str, int] | None = None) -> Tenant:
    """A new tenant with a key."""
    caller = await a_tenant(running.address, id, limits)
    return Tenant(caller, client_of(running, caller.key))


def client_of(running: Running, key: str) -> httpx.AsyncClient:
    """An HTTP client with a key, or with none."""
    return httpx.AsyncClient(
        base_url=f"http://{running.http_address}",
        headers={"authorization": f"Bearer {key}"} if key else {},
        timeout=30,
        trust_env=False,
    )


@pytest.fixture
async def acme(http_server: Running) -> AsyncIterator[Tenant]:
    tenant = await tenant_of(http_server, "acme")
    async with tenant.http:
        yield tenant


@pytest.fixture
async def rival(http_server: Running) -> AsyncIterator[Tenant]:
    tenant = await tenant_of(http_server, "rival")
    async with tenant.http:
        yield tenant
