"""Two tenants in a server in this process, on each database."""

import logging
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any, NoReturn

import pytest
import structlog
from tunesmith_server.bootstrap import Running
from tunesmith_server.settings import Settings

from tests.integration.conftest import server, server_settings
from tests.isolation.world import World, build

__all__ = ["server", "server_settings"]


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[str]]:
    """The lines that the server logged."""
    before, lines = structlog.get_config(), []

    def keep(logger: object, name: str, event: MutableMapping[str, Any]) -> NoReturn:
        lines.append(structlog.processors.JSONRenderer(default=repr)(logger, name, event))
        raise structlog.DropEvent

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            keep,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
    yield lines
    structlog.configure(**before)


@pytest.fixture
async def world(server: Running, server_settings: Settings) -> World:
    """The two tenants, neither above the other."""
    return await build(server.address, server_settings.database, _sources(server_settings))


@pytest.fixture
async def family(server: Running, server_settings: Settings) -> World:
    """The two tenants, the foreign one a child of the one that calls."""
    return await build(
        server.address, server_settings.database, _sources(server_settings), below=True
    )


def _sources(settings: Settings) -> Path:
    return Path(settings.imports.folders[0])
