"""TLS on the gRPC port, with the client library."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from tunesmith import AsyncClient, AuthenticationError, Client, UnavailableError
from tunesmith import _blocking as blocking
from tunesmith import _transport as transport
from tunesmith.cli._app import app
from tunesmith_server.bootstrap import serve
from tunesmith_server.settings import Grpc, Http, Local, Settings
from typer.testing import CliRunner

from tests.fakes.certificates import Authority
from tests.integration.calls import ADMIN_KEY


@dataclass
class Files:
    """An authority, a certificate of the server's and one of a client's."""

    folder: Path

    def __post_init__(self) -> None:
        self.authority = Authority("ours")
        self.ca = self.authority.write(self.folder / "ca")
        self.cert, self.key = self.authority.issue(self.folder / "server")
        self.client = dict(
            zip(
                ("tls_cert_file", "tls_key_file"),
                self.authority.issue(self.folder / "client", "a client"),
                strict=True,
            )
        )


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@asynccontextmanager
async def secure(files: Files, database: str, **changes: Any) -> AsyncIterator[str]:
    settings = Settings(
        data_dir=files.folder / "data",
        database_url=database,
        bootstrap_admin_key=SecretStr(ADMIN_KEY),
        grpc=Grpc(
            listen="127.0.0.1:0", tls_cert_file=files.cert, tls_key_file=files.key, **changes
        ),
        http=Http(listen=""),
        local=Local(slots=0),
        drain_seconds=0.5,
    )
    async with serve(settings) as running:
        yield running.address


async def answers(address: str, **tls: Any) -> bool:
    """Whether the service answers both clients that connect like this; both must agree."""

    def ask() -> bool:
        try:
            with Client(address, ADMIN_KEY, **tls) as client:
                return bool(client.whoami().principal)
        except UnavailableError:
            return False

    async def ask_async() -> bool:
        try:
            async with AsyncClient(address, ADMIN_KEY, **tls) as client:
                return bool((await client.whoami()).principal)
        except UnavailableError:
            return False

    both = await asyncio.gather(asyncio.to_thread(ask), ask_async())
    assert both[0] is both[1]
    return both[0]


async def fails(address: str, **tls: Any) -> bool:
    """Whether neither client gets a connection, as soon as it is clear."""
    with pytest.MonkeyPatch.context() as impatient:
        # a handshake that fails is tried again until the client's patience is over
        for module in (transport, blocking):
            impatient.setattr(module, "CONNECT_SECONDS", 1.0)
        return not await answers(address, **tls)


async def test_the_right_root_connects_and_no_other(files: Files, sqlite_database: str):
    async with secure(files, sqlite_database) as address:
        assert await answers(address, tls_ca_file=files.ca)
        stranger = Authority("stranger").write(files.folder / "stranger")
        assert await fails(address, tls_ca_file=stranger)
        assert await fails(address, tls=True)
        assert await fails(address)  # in the clear


async def test_with_roots_for_clients_a_certificate_must_be_shown(
    files: Files, sqlite_database: str
):
    async with secure(files, sqlite_database, client_ca_file=files.ca) as address:
        assert await answers(address, tls_ca_file=files.ca, **files.client)
        assert await fails(address, tls_ca_file=files.ca)
        cert, key = Authority("stranger").issue(files.folder / "stranger")
        assert await fails(address, tls_ca_file=files.ca, tls_cert_file=cert, tls_key_file=key)


async def test_a_certificate_is_no_credential(files: Files, sqlite_database: str):
    async with (
        secure(files, sqlite_database, client_ca_file=files.ca) as address,
        AsyncClient(address, "sk-ts-nobody", tls_ca_file=files.ca, **files.client) as client,
    ):
        with pytest.raises(AuthenticationError):
            await client.whoami()


async def test_the_environment_says_it_too(
    files: Files, sqlite_database: str, monkeypatch: pytest.MonkeyPatch
):
    async with secure(files, sqlite_database, client_ca_file=files.ca) as address:
        monkeypatch.setenv("TUNESMITH_TLS_CA_FILE", str(files.ca))
        monkeypatch.setenv("TUNESMITH_TLS_CERT_FILE", str(files.client["tls_cert_file"]))
        monkeypatch.setenv("TUNESMITH_TLS_KEY_FILE", str(files.client["tls_key_file"]))
        assert await answers(address)
        monkeypatch.setenv("TUNESMITH_ADDRESS", f"https://{address}")
        monkeypatch.setenv("TUNESMITH_API_KEY", ADMIN_KEY)
        told = await asyncio.to_thread(CliRunner().invoke, app, ["whoami", "-o", "json"])
        assert told.exit_code == 0, told.output
        assert "platform" in told.output.lower()


async def test_a_renewed_certificate_is_used_without_a_restart(files: Files, sqlite_database: str):
    async with secure(files, sqlite_database) as address:
        assert await answers(address, tls_ca_file=files.ca)
        new = Authority("new")
        new_ca = new.write(files.folder / "new-ca")
        cert, key = new.issue(files.folder / "renewed")
        files.cert.write_bytes(cert.read_bytes())
        # half of it is there: the old pair goes on
        with capture_logs() as logs:
            assert await answers(address, tls_ca_file=files.ca)
        assert "certificates_not_renewed" in {entry["event"] for entry in logs}
        files.key.write_bytes(key.read_bytes())
        assert await answers(address, tls_ca_file=new_ca)
        assert await fails(address, tls_ca_file=files.ca)


async def test_what_went_wrong_speaks_of_tls(files: Files, sqlite_database: str):
    async with secure(files, sqlite_database) as address:
        with pytest.raises(UnavailableError, match=r"no TLS connection to .*tls_ca_file"):
            async with AsyncClient(address, ADMIN_KEY, tls=True) as client:
                await client.whoami()
