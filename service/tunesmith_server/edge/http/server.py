"""The HTTP port, in the same process and loop as gRPC: started and drained."""

import asyncio
import socket
import ssl
from collections.abc import Callable

import uvicorn

from tunesmith_server.app.authentication import Authenticator
from tunesmith_server.app.use_cases import UseCases
from tunesmith_server.domain.errors import Unavailable
from tunesmith_server.edge.http.app import ASGI, endpoints, http_app
from tunesmith_server.edge.http.calls import Calls
from tunesmith_server.edge.http.completions import Completions
from tunesmith_server.edge.http.connections import protocol
from tunesmith_server.edge.http.files import FileEndpoints
from tunesmith_server.edge.http.fine_tunes import LegacyEndpoints
from tunesmith_server.edge.http.jobs import JobEndpoints
from tunesmith_server.edge.http.model_limits import LimitEndpoints
from tunesmith_server.edge.http.models import ModelEndpoints
from tunesmith_server.edge.http.permissions import PermissionEndpoints
from tunesmith_server.edge.http.runs import Runs
from tunesmith_server.edge.http.tls import HttpCertificate
from tunesmith_server.edge.http.uploads import UploadEndpoints
from tunesmith_server.settings import Http


def openai_edge(settings: Http, authenticator: Authenticator, use: UseCases) -> "HttpEdge | None":
    """The port over these use cases; None where the settings want none."""
    if not settings.listen:
        return None
    alive = settings.alive_seconds
    calls = Calls(
        authenticator,
        use.rates,
        use.tenants,
        use.commands,
        largest_body=int(settings.max_body_bytes),
        patience=settings.body_seconds,
    )
    files = FileEndpoints(
        use.datasets, use.uploads, use.fine_tunes, largest_file=int(settings.max_file_bytes)
    )
    runs = Runs(use.fine_tunes, use.submission, use.steering, use.models, files)
    legacy = LegacyEndpoints(
        runs,
        use.fine_tunes,
        use.steering,
        use.watches,
        files,
        alive_every=alive,
    )
    table = endpoints(
        files,
        UploadEndpoints(use.assembled_uploads, files),
        legacy,
        JobEndpoints(runs, use.steering),
        ModelEndpoints(use.models, use.catalogue),
        Completions(use.models, alive_every=alive),
        PermissionEndpoints(use.models, use.sharing),
        LimitEndpoints(use.accounts),
    )
    app = http_app(calls, table, origins=settings.origins)
    return HttpEdge(settings, app)


def _tls(settings: Http) -> Callable[..., ssl.SSLContext] | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    certificate = HttpCertificate(settings.tls_cert_file, settings.tls_key_file)
    return lambda *_: certificate.context()


class HttpEdge:
    """The HTTP server of one process."""

    def __init__(self, settings: Http, app: ASGI) -> None:
        self._settings = settings
        # its own `serve` would take the signals, which are the process's
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                loop="none",
                http=protocol(settings.head_seconds),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=True,
                timeout_keep_alive=65,
                ssl_context_factory=_tls(settings),
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Take calls; the address with the port that was taken. Unavailable if it is in use."""
        host, _, port = self._settings.listen.rpartition(":")
        try:
            taken = socket.create_server(
                (host.strip("[]"), int(port)),
                family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                backlog=2048,
            )
        except OSError as error:
            raise Unavailable(
                f"cannot listen on {self._settings.listen}: {error.strerror}; "
                "set TUNESMITH_HTTP__LISTEN to another, or to nothing for no HTTP port",
                retry_after=1,
            ) from None
        self._taken = taken
        self._server.config.load()
        self._server.lifespan = self._server.config.lifespan_class(self._server.config)
        await self._server.startup(sockets=[taken])
        self._serving = asyncio.create_task(self._server.main_loop(), name="http")
        return f"{host}:{taken.getsockname()[1]}"

    async def stop(self, grace: float) -> None:
        """Take no more calls; those under way end within `grace` seconds."""
        if self._serving is None:
            return
        self._server.should_exit = True
        self._server.config.timeout_graceful_shutdown = max(1, int(grace))
        await self._serving
        await self._server.shutdown(sockets=[self._taken])
