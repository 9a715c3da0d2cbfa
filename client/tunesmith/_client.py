"""The client for programs with an event loop."""

from pathlib import Path
from types import TracebackType
from typing import Self

from tunesmith import _config
from tunesmith._channel import target
from tunesmith._resources.base_models import BaseModels
from tunesmith._resources.datasets import Datasets
from tunesmith._resources.fine_tunes import FineTunes
from tunesmith._resources.keys import Keys
from tunesmith._resources.models import Models
from tunesmith._resources.tenants import Tenants
from tunesmith._transport import AsyncTransport, Calls, Transport
from tunesmith.v1 import tenant_pb2


class AsyncClient:
    """A connection to a Tunesmith service, for one event loop.

    Example:
        async with AsyncClient("localhost:50051", api_key="sk-ts-…") as client:
            run = await client.fine_tunes.create("tickets", "ada")
            async for event in client.fine_tunes.watch(run.name):
                print(event.message)

    Make it where the loop runs, and use it there alone. What is left out comes from
    TUNESMITH_ADDRESS, TUNESMITH_API_KEY and TUNESMITH_TLS_CA_FILE, …_CERT_FILE and …_KEY_FILE, or
    from `~/.config/tunesmith/config.toml`.

    Args:
        address: `HOST:PORT`, or `https://HOST[:PORT]` for TLS.
        api_key: the key to show, or the token of an issuer that the service trusts. Left out,
            TUNESMITH_API_KEY_FILE may name a file to read it from on each call.
        context: a context of the configuration file, instead of its current one.
        tls: True for TLS, False for none; None leaves it to the address and the files.
        tls_ca_file: roots in PEM to trust instead of the system's.
        tls_cert_file: a certificate in PEM to show, for a service that asks for one.
        tls_key_file: the private key of that certificate.
    """

    def __init__(
        self,
        address: str | None = None,
        api_key: str | None = None,
        *,
        context: str | None = None,
        tls: bool | None = None,
        tls_ca_file: str | Path | None = None,
        tls_cert_file: str | Path | None = None,
        tls_key_file: str | Path | None = None,
    ) -> None:
        files = _config.TlsFiles(
            str(tls_ca_file or ""), str(tls_cert_file or ""), str(tls_key_file or "")
        )
        found = _config.endpoint(address, api_key, context, tls=files)
        self._use(AsyncTransport(target(found, tls)))

    def _use(self, transport: Transport) -> None:
        self._calls = Calls(transport)
        self.datasets = Datasets(self._calls)
        self.fine_tunes = FineTunes(self._calls)
        self.models = Models(self._calls)
        self.base_models = BaseModels(self._calls)
        self.tenants = Tenants(self._calls)
        self.keys = Keys(self._calls)

    @property
    def address(self) -> str:
        """Where the service is."""
        return self._calls.transport.target.address

    async def whoami(self) -> tenant_pb2.WhoAmIResponse:
        """Whose key this is: principal, tenant and role."""
        return await self.keys.whoami()

    async def close(self) -> None:
        """Give the connection back."""
        await self._calls.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
