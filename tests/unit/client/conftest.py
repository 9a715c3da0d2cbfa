"""A fake service, clients of it, and the command against it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tunesmith import AsyncClient
from tunesmith.cli._app import app
from typer.testing import CliRunner, Result

from tests.fakes.servicer import KEY, FakeService, serving


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own contexts must not change what tests see."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    async with serving(FakeService()) as running:
        yield running


@pytest.fixture
async def client(service: FakeService) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(service.address, KEY) as connected:
        yield connected


Tunesmith = Callable[..., Awaitable[Result]]


@pytest.fixture
def tunesmith(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Tunesmith:
    """The command `tunesmith`, for the fake service."""
    monkeypatch.setenv("TUNESMITH_ADDRESS", service.address)
    monkeypatch.setenv("TUNESMITH_API_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "200")

    async def run(*arguments: str, input: str = "") -> Result:
        # it blocks, and the fake service needs this loop
        return await asyncio.to_thread(CliRunner().invoke, app, arguments, input)

    return run
