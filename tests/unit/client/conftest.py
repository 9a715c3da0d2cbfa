"""A fake service and clients of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tunesmith import AsyncClient

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
