"""TLS on the HTTP port, with a certificate that may be renewed while it runs."""

import ssl
from pathlib import Path
from typing import Any

import structlog

from tunesmith_server.settings import check_pair

log = structlog.get_logger(__name__)


class HttpCertificate:
    """A certificate and its key, from files.

    They are looked at on every new connection, as on the gRPC port: new ones are used from then on,
    and files that make no sense change nothing until they do.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._stamp = self._now()
        self._newest = self._read()

    def context(self) -> ssl.SSLContext:
        """For a server."""
        return self._newest

    def _greeted(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        """A client has said hello: take what is new."""
        try:
            if (stamp := self._now()) != self._stamp:
                check_pair(self._certificate, self._key)
                self._newest, self._stamp = self._read(), stamp
                log.info("certificates_renewed", port="http")
        except (OSError, ValueError) as error:
            log.warning("certificates_not_renewed", port="http", cause=str(error))
        if context is not self._newest:
            connection.context = self._newest

    def _read(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._certificate, self._key, password=lambda: "")
        context.set_alpn_protocols(["http/1.1"])
        context.sni_callback = self._greeted
        return context

    def _now(self) -> tuple[tuple[int, int, int], ...]:
        found = (path.stat() for path in (self._certificate, self._key))
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in found)
