"""A service with the OpenAI-compatible port, and OpenAI's clients pointed at it."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from tunesmith.v1 import tenant_pb2
from tunesmith_server.settings import Grpc, Http, Settings, Watch

from tests.e2e.daemon import Daemon, free_port
from tests.integration.calls import ADMIN_KEY, Caller, a_tenant
from tests.integration.training import Training, training
from tests.openai import environments
from tests.openai.catalogue import database_in, prepare
from tests.openai.clients import Command, PythonClient, python_client


@dataclass(frozen=True)
class Account:
    """A tenant's key, and where to use it."""

    tenant: str
    caller: Caller
    base: str
    """Of the OpenAI-compatible port: `http://…/v1`."""

    @property
    def key(self) -> str:
        return self.caller.key

    @property
    def old(self) -> dict[str, str]:
        """The environment of the old Python client."""
        return {"OPENAI_API_BASE": self.base, "OPENAI_API_KEY": self.key}

    @property
    def new(self) -> dict[str, str]:
        """The environment of the current SDKs."""
        return {"OPENAI_BASE_URL": self.base, "OPENAI_API_KEY": self.key}

    def http(self) -> httpx.AsyncClient:
        """A bare client: whatever can be sent."""
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(base_url=f"{self.base}/", headers=headers, timeout=30)


@dataclass(frozen=True)
class Service:
    """A service that takes calls."""

    grpc: str
    base: str
    daemon: Daemon | None = None
    training: Training | None = None

    async def account(
        self,
        tenant: str,
        limits: dict[str, int] | None = None,
        role: int = tenant_pb2.ROLE_EDITOR,
        naming: tenant_pb2.NamingPolicy | None = None,
    ) -> Account:
        """A new tenant's account."""
        caller = await a_tenant(self.grpc, tenant, limits, role, naming)
        return Account(tenant, caller, self.base)


@pytest.fixture(scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The real daemon, trainer and engine; one for all tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("openai")
    await prepare(database_in(folder / "data"))
    port = free_port()
    daemon = Daemon(folder, TUNESMITH_HTTP__LISTEN=f"127.0.0.1:{port}", TUNESMITH_LOCAL__SLOTS="2")
    await daemon.start()
    yield Service(daemon.address, f"http://127.0.0.1:{port}/v1", daemon)
    daemon.stop()


Scripted = Callable[..., contextlib.AbstractAsyncContextManager[Service]]


@pytest.fixture
def scripted(tmp_path: Path) -> Scripted:
    """Serves in this process, with trainers that follow a script: see tests/fakes/trainer.py."""

    @contextlib.asynccontextmanager
    async def serving(
        script: str = "prepared,metrics=1,wait=go,succeed", slots: int = 1, **changes: object
    ) -> AsyncIterator[Service]:
        http = Http(listen="127.0.0.1:0", **changes.pop("http", {}))  # type: ignore[arg-type]
        database = database_in(tmp_path / "data")
        await prepare(database)
        settings = Settings(
            data_dir=tmp_path / "data",
            bootstrap_admin_key=SecretStr(ADMIN_KEY),
            grpc=Grpc(listen="127.0.0.1:0"),
            http=http,
            watch=Watch(bookmark_seconds=0.3),
            drain_seconds=1,
            log_level="error",
        ).model_copy(update=changes)
        async with training(settings, script, slots) as running:
            yield Service(running.address, f"http://{running.http_address}/v1", training=running)

    return serving


@contextlib.asynccontextmanager
async def sdk(account: Account, **environment: str) -> AsyncIterator[PythonClient]:
    """The current SDK, with `client` made and no retries but those that a test asks for."""
    python = environments.new_python()
    async with python_client(python, **account.new, **environment) as run:
        await run("import openai; client = openai.OpenAI(max_retries=0, timeout=60)")
        yield run


@contextlib.asynccontextmanager
async def old_library(account: Account, **environment: str) -> AsyncIterator[PythonClient]:
    """The old client as a library."""
    python = environments.old_python()
    async with python_client(python, **account.old, **environment) as run:
        await run("import openai")
        yield run


def old_command(account: Account, cwd: Path) -> Command:
    """The old client's console script."""
    script = environments.old_python().with_name("openai")
    return Command(str(script), cwd=cwd, **account.old, TZ="UTC")
