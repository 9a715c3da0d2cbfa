"""A server in this process, on each database, that trains nothing."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from tunesmith_server.bootstrap import Running, serve
from tunesmith_server.settings import Analysis, Grpc, Http, Imports, Local, Settings, Watch

from tests.fakes.issuer import FakeIssuer
from tests.integration.calls import ADMIN_KEY, ROWS, Caller, a_tenant, jsonl
from tests.integration.tokens import trusting


@pytest.fixture
def server_settings(database_url: str, tmp_path: Path) -> Settings:
    """No slots, so that a run stays queued; nothing is counted; quick bookmarks."""
    return Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        bootstrap_admin_key=SecretStr(ADMIN_KEY),
        grpc=Grpc(listen="127.0.0.1:0"),
        http=Http(listen=""),
        local=Local(slots=0),
        analysis=Analysis(processes=0, validate_wait_seconds=0),
        watch=Watch(bookmark_seconds=0.3),
        imports=Imports(file_roots=str(tmp_path / "sources")),
        drain_seconds=0.5,
        log_level="error",
    )


@pytest.fixture
async def server(server_settings: Settings) -> AsyncIterator[Running]:
    async with serve(server_settings) as running:
        yield running


@pytest.fixture
async def acme(server: Running) -> Caller:
    """A caller of tenant acme, which has a good dataset called numbers."""
    caller = await a_tenant(server.address, "acme")
    await caller.upload(jsonl(ROWS))
    return caller


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeIssuer]:
    """An OIDC issuer on this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeIssuer() as running:
        yield running


@pytest.fixture
async def trusting_address(
    issuer: FakeIssuer, tmp_path: Path, sqlite_database: str
) -> AsyncIterator[str]:
    """A service with a tenant acme that trusts the issuer."""
    async with trusting(issuer, tmp_path) as address:
        yield address
